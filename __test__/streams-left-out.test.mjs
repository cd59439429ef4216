/** Streams that cannot be read, in a feed of several runs: they end none of the others (defect 16). */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { describe, test } from "node:test";
import * as trigger from "trigger-native";
import { executing, SCHEMA } from "./support/rows.mjs";
import { v2 } from "./support/sse.mjs";

/**
 * A server of three runs with a tag. The second names these streams in its metadata, the others have one called `ai`;
 * a stream whose key holds `gone` answers with this status, all others with one value.
 *
 * @param {string[]} keys
 * @param {number} [status]
 */
async function serve(keys, status = 404) {
  const asked = [];
  const ids = ["run_a", "run_b", "run_c"];
  const server = http.createServer((request, response) => {
    const [, run, key] = /^\/realtime\/v1\/streams\/([^/]+)\/([^/?]+)$/.exec(request.url) ?? [];
    if (run !== undefined) {
      asked.push(key);
      if (key.includes("gone")) {
        response.writeHead(status, { "content-type": "application/json" });
        return response.end('{"error":"no such stream"}');
      }
      response.writeHead(200, { "content-type": "text/event-stream", "x-stream-version": "v2" });
      return response.write(v2(0, `${run}/${decodeURIComponent(key)}`));
    }
    if (request.url.includes("live=true")) return;
    response.writeHead(200, {
      "content-type": "application/json",
      "electric-handle": "h",
      "electric-offset": "1_0",
      "electric-cursor": "1",
      "electric-schema": SCHEMA,
    });
    const messages = ids.map((id) => ({
      key: id,
      value: executing({
        id,
        friendlyId: id,
        ...(id === "run_b" ? { metadata: JSON.stringify({ $$streams: keys }) } : { realtimeStreams: "{ai}" }),
      }),
      headers: { operation: "insert" },
    }));
    response.end(JSON.stringify([...messages, { headers: { control: "up-to-date" } }]));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    asked,
    options: { baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: "tr_dev_aaaaaaaaaaaaaaaaaaaa" },
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What a tag feed with these streams gives until it has `values` of them; and what it says of those left out. */
async function read({ keys, status, values }) {
  const server = await serve(keys, status);
  const left = [];
  const got = { runs: [], chunks: [], left, asked: server.asked };
  const isAll = () => got.chunks.length >= values && got.runs.length >= 3 && left.length >= keys.length - values + 2;
  let iterator;
  try {
    const parts = await trigger.auth.withAuth(server.options, () =>
      trigger.runs
        .subscribeToRunsWithTag(
          "a",
          {},
          {
            onItemError: (error, key) => {
              left.push([error.status ?? error.code, key]);
              // What is left out may be told last.
              if (isAll()) iterator.return();
            },
          },
        )
        .withStreams(),
    );
    iterator = parts[Symbol.asyncIterator]();
    for await (const part of iterator) {
      if (part.type === "run") got.runs.push(part.run.id);
      else got.chunks.push(part.chunk);
      if (isAll()) break;
    }
  } finally {
    await server.stop();
  }
  got.runs.sort();
  got.chunks.sort();
  return got;
}

describe("a stream that cannot be read, in a feed of several runs", () => {
  test("is left out when its key cannot be one: the other streams and runs go on, and onItemError is told", async () => {
    const { runs, chunks, left } = await read({ keys: ["", "..", "logs/../x", "log"], values: 3 });
    assert.deepEqual(runs, ["run_a", "run_b", "run_c"]);
    assert.deepEqual(chunks, ["run_a/ai", "run_b/log", "run_c/ai"]);
    assert.deepEqual(
      left,
      Array.from({ length: 3 }, () => ["ERR_INVALID_ID", "run_b"]),
    );
  });

  test("has a key with a slash as one segment", async () => {
    const { chunks, asked } = await read({ keys: ["logs/main"], values: 3 });
    assert.deepEqual(chunks, ["run_a/ai", "run_b/logs/main", "run_c/ai"]);
    assert.ok(asked.includes("logs%2Fmain"));
  });

  test("is left out when the server does not know it", async () => {
    const { chunks, left } = await read({ keys: ["gone", "log"], values: 3 });
    assert.deepEqual(chunks, ["run_a/ai", "run_b/log", "run_c/ai"]);
    assert.deepEqual(left, [[404, "run_b"]]);
  });

  test("ends the feed when it is the token that is refused", async () => {
    await assert.rejects(read({ keys: ["gone", "log"], status: 403, values: 9 }), { status: 403 });
  });
});
