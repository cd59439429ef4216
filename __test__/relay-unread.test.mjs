// Answers that are not read, where an app's own server or framework has the connections: they are dropped, and their
// viewers' permits are given back.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { after, before, describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { until } from "./support/relay.mjs";
import { serving } from "./support/relay-face.mjs";

const PATH = "/api/v3/runs/run_1";
const TOKEN = "Bearer a.b.c";
const LARGE = 16 << 20;

describe("an answer that nobody reads", { timeout: 60_000 }, () => {
  let server;
  let baseURL;
  before(async () => {
    const large = Buffer.alloc(LARGE, "x");
    server = http.createServer((req, res) => res.end(req.url.endsWith("small") ? large.subarray(0, 50_000) : large));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    baseURL = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const handlerFor = (sendTimeoutMs) =>
    createRealtimeHandler({ accessToken: "tr_dev_unreadnotasecret", baseURL, limits: { sendTimeoutMs } });
  const given = async (handler, dropped) => {
    await until(() => handler.stats().limited.sendTimeoutMs === dropped, `${dropped} are dropped`);
    await until(() => handler.stats().passing.now === 0, "no place is held");
    assert.equal(handler.stats().upstream.connections, 0);
  };

  it("is dropped with its connection of Node's http, and one that is read slowly is not", async () => {
    const handler = handlerFor(1_000);
    await serving(handler.node, async (url) => {
      const connect = (path) => {
        const socket = net.connect(Number(new URL(url).port), "127.0.0.1");
        socket.on("error", () => {});
        socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\nauthorization: ${TOKEN}\r\n\r\n`);
        return socket;
      };
      const unread = connect(PATH).pause();
      await given(handler, 1);
      const ended = once(unread.resume(), "close");
      await ended;

      // Part by part: each comes within the time, and the whole body does not.
      const slow = connect(PATH);
      let size = 0;
      slow.on("data", (part) => {
        size += part.length;
        slow.pause();
        setTimeout(() => slow.resume(), 5);
      });
      await until(() => size > LARGE, "all of it came", 30_000);
      slow.destroy();
      await given(handler, 1);
    });
    await handler.close();
  });

  it("is dropped with its stream of HTTP/2, a short one too, and the connection goes on", async () => {
    const handler = handlerFor(300);
    await serving(
      handler.node,
      async (url) => {
        const client = http2.connect(url, { settings: { initialWindowSize: 0 } });
        await once(client, "remoteSettings");
        const ended = [PATH, `${PATH}?small`].map((path) => {
          const stream = client.request({ ":path": path, authorization: TOKEN });
          stream.on("error", () => {});
          stream.resume();
          return once(stream, "close");
        });
        await given(handler, 2);
        await Promise.all(ended);
        client.settings({ initialWindowSize: 65_535 });
        const stream = client.request({ ":path": "/elsewhere" });
        const [headers] = await once(stream, "response");
        assert.equal(headers[":status"], 404);
        client.destroy();
      },
      { create: http2.createServer },
    );
    await handler.close();
  });

  it("is dropped where a framework takes the response and no more of it, or stops", async () => {
    const handler = handlerFor(100);
    const ask = () => handler(new Request(`http://app.example${PATH}`, { headers: { authorization: TOKEN } }));
    const untouched = await ask();
    assert.equal(untouched.status, 200);
    assert.equal(handler.stats().passing.now, 1);
    await given(handler, 1);
    await assert.rejects(untouched.text(), /limits\.sendTimeoutMs/);
    const stopped = (await ask()).body.getReader();
    assert.ok((await stopped.read()).value.length > 0);
    await given(handler, 2);
    await assert.rejects(stopped.read(), /limits\.sendTimeoutMs/);
    assert.equal((await (await ask()).arrayBuffer()).byteLength, LARGE);
    await given(handler, 2);
    await handler.close();
  });
});
