/**
 * Every recorded run that was followed together with its streams, replayed to the official SDK's
 * `withStreams()` and to ours: the same runs and the same values, however the bytes are cut.
 */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import { after, before, describe } from "node:test";
import { ACCESS_TOKEN, FAILSAFE_MS, QUICK } from "./support/against.mjs";
import { STREAM } from "./support/cases.mjs";
import { anySeed, cut, random } from "./support/chunks.mjs";
import { withRecordings } from "./support/recordings.mjs";
import { OWN_HEADERS } from "./support/replay-server.mjs";
import { ping } from "./support/sse.mjs";
import { startStreamClient } from "./support/stream-client.mjs";

const seed = anySeed();
/** The official client never ends (defect 4): it is watched for as long as it may take to yield all. */
const WATCH_MS = 2_500;

let official;
let ours;
before(async () => {
  [official, ours] = await Promise.all([startStreamClient("official"), startStreamClient("ours")]);
});
after(() => Promise.all([official.close(), ours.close()]));

const FEED = /^\/realtime\/v1\/runs\/([^/]+)$/;

const isWhole = (exchange) => {
  try {
    JSON.parse(exchange.response.texts.join(""));
    return true;
  } catch {
    return false;
  }
};

/** Runs with a whole feed and at least one answered stream, in each recording. */
function casesOf({ name, exchanges }) {
  const cases = new Map();
  for (const exchange of exchanges) {
    const [, runId] = FEED.exec(exchange.path) ?? STREAM.exec(exchange.path) ?? [];
    if (exchange.method !== "GET" || runId === undefined || exchange.response?.status !== 200) continue;
    const found = cases.get(runId) ?? { title: `${name} ${runId}`, runId, feed: [], streams: new Map() };
    cases.set(runId, found);
    const [, , key] = STREAM.exec(exchange.path) ?? [];
    if (key === undefined) {
      if (isWhole(exchange)) found.feed.push(exchange);
    } else if (!exchange.headers.has("last-event-id") && !found.streams.has(key)) {
      found.streams.set(key, exchange);
    }
  }
  const isAsked = ({ feed, streams }) => {
    const text = feed.flatMap(({ response }) => response.texts).join("");
    return [...streams.keys()].every((key) => text.includes(key));
  };
  return [...cases.values()].filter((found) => found.feed.length > 0 && found.streams.size > 0 && isAsked(found));
}

/**
 * Serves one case. A stream that is asked for again has nothing more: a v2 one says where its tail is, as the server
 * does, a v1 one says what it said.
 *
 * A feed's answer waits for the streams that were asked for before it: their bodies say where the tail was at
 * that time, which is no longer true of a stream that is asked for after its run is over.
 */
async function serve({ feed, streams }, mode, use) {
  const asked = new Set();
  const written = new EventEmitter();
  const given = new Map([...streams.keys()].map((key) => [key, once(written, key)]));
  const write = async (exchange, response) => {
    const headers = exchange.response.headers.filter(([name]) => !OWN_HEADERS.has(name.toLowerCase()));
    response.writeHead(200, headers.flat());
    for (const part of cut(Buffer.from(exchange.response.texts.join("")), mode)) {
      response.write(part);
      if (mode.kind !== "whole") await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const tail = (exchange, response) => {
    const { headers, texts } = exchange.response;
    if (!headers.some(([name]) => name.toLowerCase() === "x-stream-version")) return write(exchange, response);
    const seen = [...texts.join("").matchAll(/"seq_num":(\d+)/g)].map(([, number]) => Number(number));
    // A batch has the number of its last record, a tail that of the next one.
    const next = texts.join("").includes('"tail"') ? Math.max(...seen) : Math.max(...seen) + 1;
    response.writeHead(200, headers.filter(([name]) => !OWN_HEADERS.has(name.toLowerCase())).flat());
    response.write(ping(next));
  };
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, "http://127.0.0.1");
    const [, , key] = STREAM.exec(url.pathname) ?? [];
    if (key !== undefined) {
      if (asked.has(key)) return tail(streams.get(key), response);
      asked.add(key);
      await write(streams.get(key), response);
      written.emit(key);
      return;
    }
    const offset = url.searchParams.get("offset");
    const found = feed.find(
      ({ query }) => query.get("offset") === offset && query.get("live") === url.searchParams.get("live"),
    );
    if (found === undefined) return;
    const before = [...streams].filter(([, stream]) => stream.n < found.n);
    await Promise.all(before.map(([key]) => given.get(key)));
    await write(found, response);
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use({ baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: ACCESS_TOKEN });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** The yielded parts, by type: the network decides whether a row or a value comes first. */
function byType(values) {
  const grouped = {};
  for (const value of values) {
    grouped[value.type] ??= [];
    grouped[value.type].push(value.type === "run" ? value.status : value.chunk);
  }
  return grouped;
}

withRecordings("withStreams()", 4, (all, test) => {
  const cases = all.flatMap(casesOf);

  test("there are runs with streams to compare", () => assert.ok(cases.length > 0));

  describe(`recorded runs with streams (seed ${seed}: repeat with TEST_SEED=${seed})`, { concurrency: 4 }, () => {
    for (const recorded of cases) {
      test(recorded.title, async () => {
        const job = { call: "runs.subscribeToRun", args: [recorded.runId], parts: true };
        const theirs = await serve(recorded, { kind: "whole" }, (config) =>
          official.read({ ...job, options: {}, config, timeoutMs: WATCH_MS }),
        );
        const expected = byType(theirs.values);
        for (const key of recorded.streams.keys()) assert.ok(expected[key]?.length > 0, `nothing of ${key}`);
        for (const mode of [{ kind: "whole" }, { kind: "byte" }, { kind: "random", next: random(seed) }]) {
          const mine = await serve(recorded, mode, (config) =>
            ours.read({ ...job, options: { retry: QUICK }, config, timeoutMs: FAILSAFE_MS }),
          );
          assert.deepEqual([byType(mine.values), mine.error, mine.ended], [expected, null, true], mode.kind);
        }
      });
    }
  });
});
