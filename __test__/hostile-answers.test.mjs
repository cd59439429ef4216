// Answers that expand to very much, or never end: each stops at a limit (docs/limits.md), and the process takes no more
// memory than that.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import { describe, test } from "node:test";
import { createGzip, gzipSync } from "node:zlib";
import { createRealtimeHandler } from "trigger-native";
import { SCHEMA } from "./helpers/run-rows.mjs";
import { bearer } from "./support/relay.mjs";

const sdk = createRequire(import.meta.url)("../index.js");

const KEY = "tr_dev_relaynotasecret";
const MB = 1 << 20;
/** What a bomb expands to: four times the limit of a body. */
const EXPANDED = 256 * MB;
/** The limit of a body, its copies while it grows, and the machinery of tests. */
const MOST = 400 * MB;

/** `EXPANDED` bytes of `text` in gzip. */
async function bomb(text) {
  const parts = [];
  const gzip = createGzip({ level: 9 });
  gzip.on("data", (part) => parts.push(part));
  const piece = Buffer.alloc(4 * MB, text);
  for (let at = 0; at < EXPANDED; at += piece.length) {
    if (!gzip.write(piece)) await new Promise((resolve) => gzip.once("drain", resolve));
  }
  gzip.end();
  await new Promise((resolve) => gzip.once("end", resolve));
  return Buffer.concat(parts);
}

const feedHeaders = {
  "electric-handle": "h",
  "electric-offset": "0_0",
  "electric-cursor": "1",
  "electric-schema": SCHEMA,
};

/** Starts a server that answers each request as `answer` says. */
async function serve(t, answer) {
  const server = createServer((request, response) => {
    request.resume();
    const { status = 200, headers, body } = answer(request, server.address().port);
    response.writeHead(status, headers).end(body);
    response.on("error", () => {});
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
    sdk.configure({});
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  sdk.configure({ baseURL: url, accessToken: KEY, requestOptions: { retry: { maxAttempts: 1 } } });
  return url;
}

/** Fails where `work` made the process take more than {@link MOST}. */
async function within(work) {
  let peak = 0;
  const before = process.memoryUsage.rss();
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss() - before);
  }, 5);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  assert.ok(peak < MOST, `${Math.round(peak / MB)} MiB`);
}

describe("an answer that would expand to very much stops at the limit", { timeout: 600_000 }, async () => {
  const packed = { "content-encoding": "gzip" };
  const spaces = await bomb(" ");

  test("a call", async (t) => {
    await serve(t, () => ({ headers: { ...packed, "content-type": "application/json" }, body: spaces }));
    await within(() => assert.rejects(sdk.runs.retrieve("run_1"), { code: "ERR_PROTOCOL", message: /64 MiB/ }));
  });

  test("a refusal of a call", async (t) => {
    await serve(t, () => ({ status: 400, headers: packed, body: spaces }));
    await within(() => assert.rejects(sdk.runs.retrieve("run_1"), { code: "ERR_PROTOCOL", message: /64 MiB/ }));
  });

  test("a feed", async (t) => {
    await serve(t, () => ({
      headers: { ...packed, ...feedHeaders, "content-type": "application/json" },
      body: spaces,
    }));
    const feed = sdk.runs.subscribeToRun("run_1", { retry: { maxElapsedMs: 1 } });
    await within(() => assert.rejects(feed.next(), { message: /64 MiB/ }));
  });

  test("a stream", async (t) => {
    const body = await bomb("data: x");
    for (const version of [{}, { "x-stream-version": "v2" }]) {
      await serve(t, () => ({ headers: { ...packed, ...version, "content-type": "text/event-stream" }, body }));
      await within(async () => {
        const stream = await sdk.streams.read("run_1", "ai", { retry: { maxElapsedMs: 1 } });
        await assert.rejects(stream[Symbol.asyncIterator]().next(), { code: "ERR_TOO_LARGE" });
      });
    }
  });

  test("a stored packet", async (t) => {
    const row = { friendlyId: "run_1", status: "COMPLETED_SUCCESSFULLY", taskIdentifier: "t" };
    const value = { ...row, output: "a/b", outputType: "application/store" };
    const body = JSON.stringify([
      { key: "k", value, headers: { operation: "insert" } },
      { headers: { control: "up-to-date" } },
    ]);
    await serve(t, ({ url }, port) => {
      if (url.startsWith("/stored"))
        return { headers: { ...packed, "content-type": "application/json" }, body: spaces };
      if (url.includes("/packets/"))
        return { body: JSON.stringify({ presignedUrl: `http://127.0.0.1:${port}/stored` }) };
      return { headers: { ...feedHeaders, "content-type": "application/json" }, body };
    });
    await within(async () => {
      const { value: run } = await sdk.runs.subscribeToRun("run_1").next();
      assert.match(run.decodeErrors.output.message, /64 MiB/);
    });
  });

  test("a feed of the relay", async (t) => {
    const url = await serve(t, ({ url: target }) => {
      if (target.includes("/claims")) return { body: JSON.stringify({ sub: "env_relay", pub: true }) };
      return { headers: { ...packed, ...feedHeaders, "content-type": "application/json" }, body: spaces };
    });
    const handler = createRealtimeHandler({ accessToken: KEY, baseURL: url });
    await within(async () => {
      const request = new Request("http://app/realtime/v1/runs/run_1?offset=-1", {
        headers: bearer("read:runs:run_1"),
      });
      const response = await handler(request);
      assert.ok(response.status >= 500, String(response.status));
      await response.text();
    });
    await handler.close?.();
  });

  test("a bomb in a bomb", async (t) => {
    // Unpacked once, it is no JSON; nobody unpacks it again.
    const twice = gzipSync(spaces);
    for (const coding of ["gzip", "gzip, gzip"]) {
      await serve(t, () => ({
        headers: { "content-encoding": coding, "content-type": "application/json" },
        body: twice,
      }));
      await within(() => assert.rejects(sdk.runs.retrieve("run_1"), { code: "ERR_PROTOCOL" }));
    }
  });
});

test("an answer with endless headers is a failed connection", { timeout: 30_000 }, async (t) => {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\n");
      const more = () => {
        while (!socket.destroyed && socket.write(`x-more: ${"x".repeat(1_000)}\r\n`));
      };
      socket.on("drain", more);
      more();
    });
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}`;
  sdk.configure({ baseURL: url, accessToken: KEY, requestOptions: { retry: { maxAttempts: 1 } } });
  t.after(() => sdk.configure({}));
  await within(async () => {
    await assert.rejects(sdk.runs.retrieve("run_1"), { code: "ERR_CONNECTION" });
    const feed = sdk.runs.subscribeToRun("run_1", { retry: { maxElapsedMs: 1 } });
    await assert.rejects(feed.next(), { code: "ERR_CONNECTION" });
    const stream = await sdk.streams.read("run_1", "ai", { retry: { maxElapsedMs: 1 } });
    await assert.rejects(stream[Symbol.asyncIterator]().next(), { code: "ERR_CONNECTION" });
  });
});
