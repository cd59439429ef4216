/**
 * Every recorded stream, replayed to the official SDK and to us: the same values however the bytes
 * are cut, the same refusals.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, describe } from "node:test";
import { gzipSync } from "node:zlib";
import { ACCESS_TOKEN } from "./support/against.mjs";
import { isStreamRead, STREAM } from "./support/cases.mjs";
import { anySeed, cut, random } from "./support/chunks.mjs";
import { withRecordings } from "./support/recordings.mjs";
import { DONE } from "./support/sse.mjs";
import { startStreamClient } from "./support/stream-client.mjs";

const FAILSAFE_MS = 20_000;
const OWN_HEADERS = new Set(["connection", "keep-alive", "transfer-encoding", "content-length", "date"]);
const seed = anySeed();

let official;
let ours;
before(async () => {
  [official, ours] = await Promise.all([startStreamClient("official"), startStreamClient("ours")]);
});
after(() => Promise.all([official.close(), ours.close()]));

/**
 * Serves the recorded answer to the first request. Those that resume (some recorded clients left
 * before the end) get nothing new, and the end of the window.
 */
async function serve(exchange, mode, use) {
  const { status, headers, texts, contentEncoding } = exchange.response;
  const gzip = contentEncoding === "gzip";
  const kept = headers.filter(([name]) => !OWN_HEADERS.has(name.toLowerCase()));
  const bytes = gzip ? gzipSync(texts.join("")) : Buffer.from(texts.join(""));
  let requests = 0;
  const server = http.createServer(async (_request, response) => {
    requests += 1;
    if (requests > 1) {
      response.writeHead(status, kept.filter(([name]) => name.toLowerCase() !== "content-encoding").flat());
      response.end(headers.some(([name]) => name.toLowerCase() === "x-stream-version") ? DONE : "");
      return;
    }
    response.writeHead(status, kept.flat());
    for (const part of cut(bytes, mode)) {
      response.write(part);
      if (mode.kind !== "whole") await new Promise((resolve) => setImmediate(resolve));
    }
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

withRecordings("stream", 36, (all, test) => {
  const cases = all.flatMap(({ name, exchanges }) =>
    exchanges
      .filter((exchange) => isStreamRead(exchange) && exchange.response !== null)
      .map((exchange) => ({ title: `${name} ${exchange.n} ${exchange.path}`, exchange })),
  );
  const streams = cases.filter(({ exchange }) => exchange.response.status === 200);
  const refusals = cases.filter(({ exchange }) => exchange.response.status >= 400);

  const readOf = ({ path, headers }) => {
    const [, runId, key] = STREAM.exec(path);
    const seconds = Number(headers.get("timeout-seconds"));
    const after = Number(headers.get("last-event-id"));
    const options = {
      ...(seconds >= 1 && seconds <= 600 && { timeoutInSeconds: seconds }),
      ...(headers.has("last-event-id") && Number.isSafeInteger(after) && { startIndex: after + 1 }),
    };
    return { call: "streams.read", args: [runId, key], options, timeoutMs: FAILSAFE_MS };
  };
  const quick = (job) => ({ ...job, options: { ...job.options, retry: { minDelayMs: 1, maxDelayMs: 5 } } });

  describe(`recorded streams (seed ${seed}: repeat with TEST_SEED=${seed})`, { concurrency: 4 }, () => {
    for (const { title, exchange } of streams) {
      test(title, async () => {
        const job = readOf(exchange);
        const theirs = await serve(exchange, { kind: "whole" }, (config) => official.read({ ...job, config }));
        assert.equal(theirs.ended, true);
        // Control records hold no value: the official client yields undefined for them, we nothing.
        const expected = theirs.values.filter((value) => value !== undefined);
        for (const mode of [{ kind: "whole" }, { kind: "byte" }, { kind: "random", next: random(seed) }]) {
          const mine = await serve(exchange, mode, (config) => ours.read({ ...quick(job), config }));
          assert.deepEqual(
            { values: mine.values, error: mine.error, ended: mine.ended },
            { values: expected, error: null, ended: true },
            mode.kind,
          );
        }
      });
    }

    test("there are streams of both versions to compare, with values in them", () => {
      const versions = streams.map(({ exchange }) =>
        exchange.response.headers.some(([name]) => name.toLowerCase() === "x-stream-version"),
      );
      assert.ok(versions.includes(true) && versions.includes(false));
    });
  });

  describe("recorded refusals of streams", { concurrency: 4 }, () => {
    assert.ok(refusals.length > 0);
    for (const { title, exchange } of refusals) {
      test(title, async () => {
        const job = { ...readOf(exchange), options: {} };
        const [theirs, mine] = await Promise.all(
          [official, ours].map((client) =>
            serve(exchange, { kind: "whole" }, (config) => client.read({ ...job, config })),
          ),
        );
        const kind = ({ name, className, status }) => ({ name, className, status });
        assert.deepEqual(kind(mine.error), kind(theirs.error));
        assert.deepEqual(mine.values, []);
      });
    }
  });
});
