// Requests that no client means to send, to the emulator and to a relay's listener: each is answered, and both go on.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { LEVELS, nested } from "./support/hostile.mjs";
import { bearer, handlerOver, KEY, startServer } from "./support/relay.mjs";

/** What is answered to raw bytes: the status, or nothing where the connection was closed. */
function raw(url, bytes) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = net.connect(Number(port), hostname, () => socket.end(bytes));
    let text = "";
    socket.setEncoding("latin1").on("data", (part) => (text += part));
    socket.on("error", () => {});
    socket.on("close", () => resolve(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? ""));
    socket.setTimeout(10_000, () => reject(new Error(`no answer to ${bytes.slice(0, 60)}`)));
  });
}

const BODIES = {
  "half of a pair": ['{"payload":"\\ud800"}', 400],
  "keys of prototypes": ['{"__proto__":{"a":1},"payload":"1","options":{"__proto__":{},"constructor":1}}', 200],
  "a number above all doubles": ['{"payload":1e400}', 400],
  deep: [`{"payload":${nested(LEVELS)}}`, 400],
  "deep objects": [`{"payload":"1","context":${nested(LEVELS, '{"a":', "1", "}")}}`, 400],
  "many tags": [
    JSON.stringify({ payload: "1", options: { tags: Array.from({ length: 300_000 }, (_, at) => `t${at}`) } }),
    422,
  ],
  "a key of megabytes": [`{"${"k".repeat(4 << 20)}":1,"payload":"1"}`, 200],
  NUL: ['{"payload":"\\u0000","options":{"tags":["\\u0000"],"idempotencyKey":"\\u0000"}}', 200],
  cut: ['{"payload":', 400],
  nothing: ["", 400],
  "an array": ["[]", 400],
  "too much": [`{"payload":"${"x".repeat(11 << 20)}"}`, 413],
  "a key twice": ['{"payload":"1","payload":"2"}', 200],
  "a delay that is no date": ['{"payload":"1","options":{"delay":"never"}}', 200],
  "a delay beyond all dates": ['{"payload":"1","options":{"delay":"275761-01-01T00:00:00Z"}}', 200],
  "a ttl beyond integers": ['{"payload":"1","options":{"ttl":9007199254740993}}', 200],
  "attempts beyond numbers": ['{"payload":"1","options":{"maxAttempts":1e30}}', 400],
};

const QUERIES = [
  "/api/v1/runs?__proto__=1&filter[__proto__]=1&constructor[prototype][a]=1",
  `/api/v1/runs?${"a=1&".repeat(1_500)}`,
  "/api/v1/runs?page[size]=1e400",
  "/api/v1/runs?page[size]=NaN&page[after]=%00",
  "/api/v1/runs?filter[createdAt][from]=9007199254740993999",
  `/api/v1/runs?filter[createdAt][period]=${"9".repeat(400)}d`,
  `/realtime/v1/runs?tags=${Array(1_500).fill("a").join()}`,
  "/realtime/v1/runs?tags=%00&createdAt=%ED%A0%80",
  `/realtime/v1/runs?tags=a&createdAt=${"9".repeat(300)}d`,
  "/realtime/v1/runs/run_x?offset=9999999999999999999999_1&live=__proto__",
  `/realtime/v1/runs/run_x?handle=${"x".repeat(5_000)}&offset=-1&cursor=1e400`,
  "/realtime/v1/streams/run_x/%00",
  "/realtime/v1/streams/run_x/__proto__",
  "/api/v1/tasks/%ED%A0%80/trigger",
  "/api/v1/tasks/%zz/trigger",
  "/%",
  "//",
];

const HEADS = [
  "GET / HTTP/1.1\r\n\r\n",
  "GET /realtime/v1/runs/run_1 HTTP/1.1\r\nhost: a\r\n__proto__: a\r\nconstructor: b\r\n\r\n",
  "GET /realtime/v1/runs/run_1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer \0\r\n\r\n",
  "GET /realtime/v1/runs/run_1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer \xff\xfe\r\n\r\n",
  `GET /realtime/v1/runs/run_1 HTTP/1.1\r\nhost: a\r\n${"a: b\r\n".repeat(2_000)}\r\n`,
  `GET /${"a".repeat(100_000)} HTTP/1.1\r\nhost: a\r\n\r\n`,
  `POST /api/v1/tasks/t/trigger HTTP/1.1\r\nhost: a\r\ncontent-length: ${"9".repeat(30)}\r\n\r\n`,
  "POST /api/v1/tasks/t/trigger HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
  "POST /api/v1/tasks/t/trigger HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
  "\0\0\0\0\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
];

describe("hostile requests", { timeout: 300_000 }, () => {
  let server;
  let relay;
  before(async () => {
    server = await startServer();
    relay = await handlerOver(server).listen();
  });
  after(async () => {
    await relay.close();
    await server.stop();
  });

  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const trigger = (body, more = {}) =>
    fetch(`${server.url}/api/v1/tasks/t/trigger`, { method: "POST", headers: { ...headers, ...more }, body });

  test("hostile calls are answered, and the emulator goes on", async () => {
    for (const [name, [body, status]] of Object.entries(BODIES)) {
      const response = await trigger(body);
      await response.text();
      assert.equal(response.status, status, name);
    }
    // Nobody unpacks what is sent: a bomb is no JSON.
    const packed = await trigger(gzipSync(Buffer.alloc(100 << 20)), { "content-encoding": "gzip" });
    assert.equal(packed.status, 400);
    assert.equal((await trigger('{"payload":"1"}')).status, 200);
  });

  test("hostile paths and queries are answered by the emulator and the relay, and both go on", async () => {
    const id = await server.makeRun();
    for (const { url, answered } of [
      { url: server.url, answered: headers },
      { url: relay.url, answered: bearer("read:runs", "read:tags") },
    ]) {
      for (const path of QUERIES) {
        const response = await fetch(url + path, { headers: answered, signal: AbortSignal.timeout(10_000) });
        await response.body?.cancel();
        assert.ok(response.status < 500, `${path.slice(0, 60)}: ${response.status}`);
      }
      for (const head of HEADS) {
        const status = await raw(url, Buffer.from(head, "latin1"));
        assert.ok(status === "" || Number(status) < 500, `${head.slice(0, 60)}: ${status}`);
      }
      const response = await fetch(`${url}/realtime/v1/runs/${id}?offset=-1`, { headers: answered });
      assert.equal(response.status, 200);
      await response.text();
    }
  });
});
