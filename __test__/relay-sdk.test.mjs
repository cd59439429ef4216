// The official SDK through a relay shows the same of a run as the official SDK at the emulator itself.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, it } from "node:test";
import { TriggerClient } from "@trigger.dev/sdk";
import { handlerOver, KEY, serve, startServer, tokenFor, until } from "./support/relay.mjs";

const SCOPES = ["read:runs", "read:tags", "read:batch"];

/** A client of the official SDK with a viewer's token. */
const viewerAt = (baseURL) => new TriggerClient({ baseURL, accessToken: tokenFor(SCOPES) });

/** All values of an iteration, as JSON. */
async function all(iterable, done = () => false) {
  const seen = [];
  for await (const one of iterable) {
    seen.push(one);
    if (done(one)) break;
  }
  return JSON.parse(JSON.stringify(seen));
}

/** The states of a run that every viewer sees: how often a state in between was seen depends on timing. */
const last = (states) => states.at(-1);

/** A proxy that sends the requests of each connection to the next of `targets` in turn. */
async function roundRobin(targets) {
  let turn = 0;
  return serve((request, response) => {
    const to = new URL(targets()[turn++ % targets().length]);
    const { method, url: path, headers } = request;
    const out = http.request(
      { hostname: to.hostname, port: to.port, method, path, headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.on("error", () => response.destroy());
        answer.pipe(response);
      },
    );
    out.on("error", () => response.destroy());
    response.on("close", () => out.destroy());
    request.pipe(out);
  });
}

describe("the official SDK through a relay", { timeout: 120_000 }, () => {
  let server;
  let handler;
  let relay;
  before(async () => {
    server = await startServer({ speed: 4 });
    handler = handlerOver(server);
    relay = await handler.listen();
  });
  after(async () => {
    await handler.close();
    await server.stop();
  });

  const make = (columns) => server.makeRun({ status: "EXECUTING", ...columns });
  const finish = (id, output = { ok: true }) =>
    server.change(id, {
      status: "COMPLETED_SUCCESSFULLY",
      output,
      outputType: "application/json",
      completedAt: new Date().toISOString(),
    });

  it("sees of a run what it sees without the relay", async () => {
    const { id } = await new TriggerClient({ baseURL: server.url, accessToken: KEY }).tasks.trigger("hello", { a: 1 });
    const [direct, relayed] = await Promise.all(
      [server.url, relay.url].map((url) => all(viewerAt(url).runs.subscribeToRun(id))),
    );
    assert.deepEqual(last(relayed), last(direct));
    assert.deepEqual(last(relayed).status, "COMPLETED");
    assert.deepEqual(relayed[0].id, direct[0].id);
  });

  it("sees of a tag and of a batch what it sees without the relay", async () => {
    const batch = "batch_together";
    await server.call("POST", "/emulator/batches", { id: batch });
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push(await make({ runTags: ["both"], batch, metadata: { n } }));
    const follows = [server.url, relay.url].flatMap((url) =>
      [(client) => client.runs.subscribeToRunsWithTag("both"), (client) => client.runs.subscribeToBatch(batch)].map(
        async (subscribe) => {
          const done = new Map();
          for await (const run of subscribe(viewerAt(url))) {
            if (run.finishedAt) done.set(run.id, run);
            if (done.size === 3) break;
          }
          return JSON.parse(JSON.stringify([...done].sort(([a], [b]) => (a < b ? -1 : 1))));
        },
      ),
    );
    await until(async () => handler.stats().viewers.now >= 2, "the relay's viewers wait");
    for (const id of ids) await finish(id, { id });
    const [tagDirect, batchDirect, tagRelayed, batchRelayed] = await Promise.all(follows);
    assert.deepEqual(tagRelayed, tagDirect);
    assert.deepEqual(batchRelayed, batchDirect);
    assert.equal(tagRelayed.length, 3);
  });

  it("reads the parts of a run's streams as it reads them without the relay", async () => {
    const { id } = await new TriggerClient({ baseURL: server.url, accessToken: KEY }).tasks.trigger("streamer", {});
    const [direct, relayed] = await Promise.all(
      [server.url, relay.url].map(async (url) => {
        const parts = {};
        for await (const part of viewerAt(url).runs.subscribeToRun(id).withStreams()) {
          if (part.type === "run") parts.run = part.run;
          else parts[part.type] = [...(parts[part.type] ?? []), part.chunk];
          // The official loop goes on until the streams' own timeout.
          if (parts.run?.finishedAt && parts.ai?.length === 4 && parts.log) break;
        }
        return JSON.parse(JSON.stringify(parts));
      }),
    );
    assert.deepEqual(relayed, direct);
    assert.equal(relayed.ai.length, 4);
  });

  it("50 viewers of a run are told alike, over one upstream", async () => {
    const id = await make({});
    const follows = Array.from({ length: 50 }, () => all(viewerAt(relay.url).runs.subscribeToRun(id)));
    await until(() => handler.stats().viewers.now >= 50, "all wait");
    await finish(id, { told: "all" });
    for (const states of await Promise.all(follows)) assert.deepEqual(last(states).output, { told: "all" });
  });

  it("a viewer that comes late has the present state at once, and the server is not asked again", async () => {
    const id = await make({ metadata: { step: "first" } });
    const early = all(viewerAt(relay.url).runs.subscribeToRun(id));
    await until(() => handler.stats().viewers.now >= 1, "the first one waits");
    await server.change(id, { metadata: { step: "second" } });
    await until(async () => {
      const [run] = await all(viewerAt(relay.url).runs.subscribeToRun(id), () => true);
      return run.metadata.step === "second";
    }, "the change is there for who comes");
    const asked = (await server.stats()).total;
    await all(viewerAt(relay.url).runs.subscribeToRun(id), () => true);
    assert.equal((await server.stats()).total, asked);
    await finish(id);
    await early;
  });

  for (const [what, fault] of [
    ["an upstream that drops", { kind: "drop", count: 2 }],
    ["an upstream that is cut off in an answer", { kind: "cut", bytes: 10, count: 2 }],
    ["an upstream that says 500", { kind: "status", status: 500, count: 2 }],
    ["an upstream that says must-refetch", { kind: "mustRefetch", count: 1 }],
  ]) {
    it(`${what} is not noticed`, async () => {
      const id = await make({ metadata: { step: 0 } });
      const follows = Array.from({ length: 3 }, () => all(viewerAt(relay.url).runs.subscribeToRun(id)));
      await until(() => handler.stats().viewers.now >= 3, "all wait");
      await server.faults([{ ...fault, route: "GET /realtime/v1/runs/{id}" }]);
      await server.change(id, { metadata: { step: 1 } });
      await finish(id, { after: what });
      for (const states of await Promise.all(follows)) assert.deepEqual(last(states).output, { after: what });
      await server.faults([]);
    });
  }

  it("goes on over a relay that is started again behind the same URL", async () => {
    const first = handlerOver(server);
    const { url, close } = await first.listen();
    const port = Number(new URL(url).port);
    const id = await make({ metadata: { step: "before" } });
    const follow = all(viewerAt(url).runs.subscribeToRun(id));
    await until(() => first.stats().viewers.now === 1, "it waits");
    await close();
    await first.close();
    const second = handlerOver(server);
    await second.listen({ port });
    await until(() => second.stats().viewers.now === 1, "it came back");
    await finish(id, { after: "restart" });
    assert.deepEqual(last(await follow).output, { after: "restart" });
    await second.close();
  });

  it("needs no stickiness: two relays behind a proxy in turn are as one", async () => {
    const handlers = [handlerOver(server), handlerOver(server)];
    const listeners = await Promise.all(handlers.map((one) => one.listen()));
    const proxy = await roundRobin(() => listeners.map(({ url }) => url));
    const id = await make({ metadata: { step: 0 } });
    const follows = Array.from({ length: 4 }, () => all(viewerAt(proxy.url).runs.subscribeToRun(id)));
    for (let step = 1; step <= 6; step++) {
      await until(() => handlers.reduce((sum, one) => sum + one.stats().viewers.now, 0) === 4, "all wait");
      await server.change(id, { metadata: { step } });
    }
    await finish(id, { steps: 6 });
    for (const states of await Promise.all(follows)) {
      assert.deepEqual(last(states).output, { steps: 6 });
      const steps = states.map(({ metadata }) => metadata.step);
      assert.deepEqual(
        steps,
        steps.toSorted((a, b) => a - b),
        "no state comes twice or goes back",
      );
    }
    for (const one of handlers) assert.ok(one.stats().updates > 0, "both served");
    await proxy.stop();
    await Promise.all(handlers.map((one) => one.close()));
  });
});
