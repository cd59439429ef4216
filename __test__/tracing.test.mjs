// Trace context and spans, with OpenTelemetry's own SDK, beside what the official SDK sends in the same app.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import { after, before, beforeEach, describe, it } from "node:test";
import { context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { core, NodeSDK, tracing } from "@opentelemetry/sdk-node";
import * as official from "@trigger.dev/sdk";
import * as ours from "trigger-native";
import { runProgram } from "./support/program.mjs";

const accessToken = "tr_dev_tracingtracingtracingtra";

/** A server that notes what it is asked, with the headers of a trace, and never answers about `run_silent`. */
async function listen() {
  const seen = [];
  const asked = new EventEmitter();
  const server = http.createServer((request, response) => {
    request.resume().on("end", () => {
      const { traceparent, tracestate, baggage } = request.headers;
      const path = request.url.split("?")[0];
      seen.push({ asked: `${request.method} ${path}`, traceparent, tracestate, baggage });
      asked.emit(path);
      if (path.includes("run_silent")) return;
      response.setHeader("content-type", "application/json");
      if (path.startsWith("/realtime") || path.includes("run_none")) response.statusCode = 404;
      response.end(JSON.stringify(answerOf(path)));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, seen, asked, baseURL: `http://127.0.0.1:${server.address().port}` };
}

function answerOf(path) {
  if (path.endsWith("/batches")) return { id: "batch_1", runCount: 1, isCached: false };
  if (path.endsWith("/items")) return { id: "batch_1", itemsAccepted: 1, itemsDeduplicated: 0, sealed: true };
  if (path.endsWith("/claims")) return { sub: "env_1", pub: true };
  if (path.startsWith("/realtime") || path.includes("run_none")) return { error: "Not found" };
  return { id: "run_1" };
}

/** What a script does with either SDK. */
const SCRIPT = {
  trigger: ({ tasks }) => tasks.trigger("my-task", { secret: "payload-1234" }),
  cancel: ({ runs }) => runs.cancel("run_1"),
  batch: ({ tasks }) => tasks.batchTrigger("my-task", [{ payload: 1 }]),
  token: ({ auth }) => auth.createPublicToken({ scopes: { read: { runs: ["run_1"] } } }),
};

describe("an app that traces with OpenTelemetry", () => {
  const exporter = new tracing.InMemorySpanExporter();
  const sdk = new NodeSDK({
    serviceName: "app",
    instrumentations: [],
    spanProcessors: [new tracing.SimpleSpanProcessor(exporter)],
  });
  let server;
  let seen;
  let asked;
  let baseURL;

  before(async () => {
    sdk.start();
    ({ server, seen, asked, baseURL } = await listen());
    for (const { configure } of [ours, official]) configure({ baseURL, accessToken });
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await sdk.shutdown();
  });
  beforeEach(() => {
    seen.length = 0;
    exporter.reset();
  });

  /** Does `work` as the app would: in a span of its own, with baggage. */
  const inApp = (work) => {
    const baggage = propagation.createBaggage({ tenant: { value: "7" } });
    return context.with(propagation.setBaggage(context.active(), baggage), () =>
      trace.getTracer("app").startActiveSpan("app", async (span) => {
        try {
          return await work(span.spanContext());
        } finally {
          span.end();
        }
      }),
    );
  };
  const spans = () => exporter.getFinishedSpans().filter((span) => span.instrumentationScope.name === "trigger-native");

  it("finds its trace in every call, wherever the official SDK sends it", async () => {
    const both = [];
    for (const which of [official, ours]) {
      seen.length = 0;
      await inApp(async ({ traceId }) => {
        for (const call of Object.values(SCRIPT)) await call(which);
        both.push(
          new Map(
            seen.map(({ asked, ...sent }) => [
              asked,
              { ...sent, isOfTrace: sent.traceparent?.startsWith(`00-${traceId}-`) },
            ]),
          ),
        );
      });
    }
    const [theirs, mine] = both;
    assert.deepEqual([...mine.keys()], [...theirs.keys()]);
    for (const [asked, { isOfTrace, baggage, tracestate }] of theirs) {
      if (!isOfTrace) continue;
      assert.deepEqual(
        [mine.get(asked).isOfTrace, mine.get(asked).baggage, mine.get(asked).tracestate],
        [true, baggage, tracestate],
        asked,
      );
    }
    assert.ok(
      mine.get("POST /api/v3/batches/batch_1/items").isOfTrace,
      "items too, where the official SDK sends nothing",
    );
  });

  it("sees a span for each call, as the conventions for HTTP clients have it", async () => {
    const app = await inApp(async (span) => {
      await ours.tasks.trigger("my-task", { secret: "payload-1234" });
      return span;
    });
    const [span, ...more] = spans();
    assert.deepEqual(more, []);
    assert.equal(span.name, "POST /api/v1/tasks/{taskId}/trigger");
    assert.equal(span.kind, SpanKind.CLIENT);
    assert.equal(span.parentSpanContext.spanId, app.spanId);
    assert.deepEqual(span.attributes, {
      "http.request.method": "POST",
      "http.response.status_code": 200,
      "server.address": "127.0.0.1",
      "server.port": server.address().port,
      "url.full": `${baseURL}/api/v1/tasks/my-task/trigger`,
      "url.template": "/api/v1/tasks/{taskId}/trigger",
    });
    assert.equal(seen[0].traceparent, `00-${app.traceId}-${span.spanContext().spanId}-01`, "it is the server's parent");
  });

  it("sees what failed, and no secret", async () => {
    const configured = baseURL.replace("http://", "http://user:password-1234@");
    const call = () => ours.runs.cancel("run_none", { retry: { maxAttempts: 1 } });
    await assert.rejects(ours.auth.withAuth({ baseURL: configured, accessToken }, call));
    await ours.tasks.trigger("my-task", { secret: "payload-1234" });
    const leaving = new AbortController();
    asked.once("/api/v2/runs/run_silent/cancel", () => leaving.abort());
    await assert.rejects(ours.runs.cancel("run_silent", { signal: leaving.signal }), { name: "AbortError" });
    const [refused, , aborted] = spans();
    assert.equal(refused.attributes["error.type"], "404");
    assert.equal(refused.status.code, SpanStatusCode.ERROR);
    assert.match(refused.attributes["url.full"], /^http:\/\/REDACTED:REDACTED@/);
    assert.equal(aborted.status.code, SpanStatusCode.ERROR);
    const all = JSON.stringify(
      spans().map(({ name, attributes, status, events }) => ({ name, attributes, status, events })),
    );
    for (const secret of [accessToken, "payload-1234", "password-1234"]) assert.ok(!all.includes(secret), secret);
  });

  it("sees a span for each subscription and stream that was read, until it is over", async () => {
    const feed = ours.runs.subscribeToRun("run_1");
    assert.deepEqual(spans(), [], "none before it is read");
    await inApp(() => assert.rejects(feed.next(), { status: 404 }));
    const tags = ours.runs.subscribeToRunsWithTag(["a", "b"]);
    const pending = tags.next();
    tags.unsubscribe();
    await pending;
    const stream = await ours.streams.read("run_1", "logs");
    await assert.rejects(stream[Symbol.asyncIterator]().next());
    const told = spans().map(({ name, attributes, status }) => [name, attributes["error.type"], status.code]);
    assert.deepEqual(told, [
      ["GET /realtime/v1/runs/{runId}", "404", SpanStatusCode.ERROR],
      ["GET /realtime/v1/runs", undefined, SpanStatusCode.UNSET],
      ["GET /realtime/v1/streams/{runId}/{streamKey}", "404", SpanStatusCode.ERROR],
    ]);
    assert.equal(spans()[1].attributes["url.full"], `${baseURL}/realtime/v1/runs?tags=a%2Cb`);
  });

  it("sees nothing where it suppressed tracing", async () => {
    await context.with(core.suppressTracing(context.active()), () => ours.runs.cancel("run_1"));
    assert.equal(seen[0].traceparent, undefined);
    assert.deepEqual(spans(), []);
  });
});

describe("an app without OpenTelemetry, or with a broken one", () => {
  let server;
  let seen;
  let baseURL;
  before(async () => {
    ({ server, seen, baseURL } = await listen());
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const CALL = `
    const { configure, runs } = require("./index.js");
    configure({ baseURL, accessToken });
    runs.cancel("run_1").then(({ id }) => console.log(id, Object.keys(require.cache).some((file) => /tracing|opentelemetry/.test(file))));`;

  const called = async (prelude) => {
    seen.length = 0;
    const { out, err } = await runProgram(prelude + CALL, { baseURL, timeoutMs: 20_000 });
    return { out: out.trim(), err, traceparent: seen[0]?.traceparent };
  };

  it("loads nothing of it, and sends nothing", async () => {
    assert.deepEqual(await called(""), { out: "run_1 false", err: "", traceparent: undefined });
  });

  it("is called all the same where the tracer throws", async () => {
    const broken = `
      const fail = () => { throw new Error("broken"); };
      globalThis[Symbol.for("opentelemetry.js.api.1")] = { trace: { getTracer: fail }, propagation: { inject: fail } };`;
    assert.deepEqual(await called(broken), { out: "run_1 true", err: "", traceparent: undefined });
  });

  it("sends what a propagator gives where nothing else was registered", async () => {
    const traceparent = "00-11111111111111111111111111111111-2222222222222222-01";
    const alone = `
      const inject = (_, carrier, setter) => setter.set(carrier, "traceparent", "${traceparent}");
      globalThis[Symbol.for("opentelemetry.js.api.1")] = { propagation: { inject } };`;
    assert.deepEqual(await called(alone), { out: "run_1 true", err: "", traceparent });
  });
});
