// Streams of runs that are over end through the relay once they were read, and not a minute later (docs/relay-streams.md,
// R10): by the official reader and as raw events.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { bearer, handlerOver, startServer, tokenFor, until } from "./support/relay.mjs";
import { rawEvents } from "./support/relay-streams.mjs";
import { startStreamClient } from "./support/stream-client.mjs";

/** A viewer asks to wait for a minute of silence; with that the tests would take twice as long as they may. */
const MINUTE = { "timeout-seconds": "60" };
const SOON_MS = 15_000;
const VERSIONS = ["v1", "v2"];
const records = (...values) => values.map((data, index) => ({ data, id: `part${values[0]}${index}` }));

describe("the stream of a run that is over", { timeout: 60_000, concurrency: true }, () => {
  let server;
  let handler;
  let url;
  let official;
  before(async () => {
    official = await startStreamClient("official");
    server = await startServer();
    handler = handlerOver(server);
    ({ url } = await handler.listen());
  });
  after(async () => {
    await official.close();
    await handler.close();
    await server.stop();
  });

  const read = (id, options) =>
    rawEvents(`${url}/realtime/v1/streams/${id}/ai`, { ...bearer(`read:runs:${id}`), ...MINUTE }, options);
  const values = (told) =>
    told.v2
      ? told.records.map(({ body }) => JSON.parse(body).data)
      : told.events.map((event) => JSON.parse(/^data: (.*)$/m.exec(event)[1]));
  const ended = { status: "COMPLETED_SUCCESSFULLY", completedAt: new Date().toISOString() };

  for (const version of VERSIONS) {
    it(`ends for a viewer that comes later, ${version}`, async () => {
      const id = await server.makeRun({ status: "EXECUTING", streamsVersion: version });
      await server.write(id, "ai", records(0, 1, 2));
      await server.change(id, ended);
      const begin = performance.now();
      const told = await read(id);
      assert.deepEqual([values(told), told.broken, told.done], [[0, 1, 2], false, version === "v2"]);
      assert.ok(performance.now() - begin < SOON_MS, `${performance.now() - begin} ms`);
    });

    it(`ends with the run, and with what was written just before, ${version}`, async () => {
      const id = await server.makeRun({ status: "EXECUTING", streamsVersion: version });
      await server.write(id, "ai", records(0));
      let text = "";
      const onText = (/** @type {string} */ body) => {
        text = body;
      };
      const reading = read(id, { onText });
      await until(() => text.includes("data"), "it reads");
      const begin = performance.now();
      await server.write(id, "ai", records(1, 2));
      await server.change(id, ended);
      const told = await reading;
      assert.deepEqual([values(told), told.broken, told.done], [[0, 1, 2], false, version === "v2"]);
      assert.ok(performance.now() - begin < SOON_MS, `${performance.now() - begin} ms`);
    });

    it(`ends cleanly for the official reader, ${version}`, async () => {
      const id = await server.makeRun({ status: "EXECUTING", streamsVersion: version });
      await server.write(id, "ai", records(0, 1));
      await server.change(id, ended);
      const begin = performance.now();
      const told = await official.read({
        config: { baseURL: url, accessToken: tokenFor([`read:runs:${id}`]) },
        call: "streams.read",
        args: [id, "ai"],
        options: { timeoutInSeconds: 60 },
        timeoutMs: 60_000,
      });
      assert.deepEqual([told.values, told.error, told.ended], [[0, 1], null, true]);
      assert.ok(performance.now() - begin < SOON_MS, `${performance.now() - begin} ms`);
    });
  }

  it("stays open while the run goes on, and for a minute after it was cancelled", async () => {
    const running = await server.makeRun({ status: "EXECUTING", streamsVersion: "v2" });
    const cancelled = await server.makeRun({ status: "EXECUTING", streamsVersion: "v2" });
    const left = new AbortController();
    const reads = [running, cancelled].map((id) => read(id, { signal: left.signal }));
    await until(() => handler.stats().streams >= 2, "they read");
    await server.change(cancelled, { status: "CANCELED", completedAt: new Date().toISOString() });
    const first = await Promise.race([...reads, sleep(6_000, "open")]);
    assert.equal(first, "open");
    left.abort();
    for (const told of await Promise.all(reads)) assert.equal(told.broken, true);
  });
});
