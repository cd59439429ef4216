// Streams of runs on the relay's live stream: every value once and in order, to the end of its run, wherever a page goes on.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { asking, eventsOf } from "./support/live.mjs";
import { bearer, handlerOver, startServer, tokenFor, until, WAYS } from "./support/relay.mjs";
import { startStreamClient } from "./support/stream-client.mjs";

const PATH = "/api/trigger/relay/v1/live";
const VERSIONS = ["v1", "v2"];
const OVER = { status: "COMPLETED_SUCCESSFULLY", completedAt: new Date().toISOString() };

/** Writers that retry an append do so under its id. */
const records = (...values) => values.map((data) => ({ data, id: `part${JSON.stringify(data)}` }));
const numbers = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);

/** Follows one stream. Gives what it was told, and goes on to read while `more` says so. */
async function follow(way, stream, { at, token }, more) {
  const told = { values: [], ids: [], times: [], at, names: [], error: undefined };
  const leaving = new AbortController();
  const want = { id: "s", stream, ...(at === undefined ? {} : { at }) };
  const headers = token === undefined ? bearer(`read:runs:${stream.run}`) : { authorization: `Bearer ${token}` };
  const response = await way.ask(PATH, { ...asking([want], headers), signal: leaving.signal });
  assert.equal(response.status, 200);
  for await (const [name, , data] of eventsOf(response)) {
    told.names.push(name);
    if (name === "error") told.error = data;
    if (name === "chunk") {
      told.at = data.at;
      for (const { id, chunk, timestamp } of data.parts) {
        told.values.push(chunk);
        told.ids.push(id);
        told.times.push(timestamp);
      }
    }
    if (!more(told)) break;
  }
  leaving.abort();
  return told;
}

const toTheEnd = () => true;

for (const { name, open } of WAYS) {
  describe(`streams on a live stream through ${name}`, { timeout: 120_000, concurrency: true }, () => {
    let server;
    const handlers = [];
    const ways = [];
    before(async () => {
      server = await startServer();
      for (let index = 0; index < 2; index++) {
        handlers.push(handlerOver(server, { keepMs: 100 }));
        ways.push(await open(handlers[index]));
      }
    });
    after(async () => {
      for (const way of ways) await way.stop();
      for (const handler of handlers) await handler.close();
      await server.stop();
    });

    for (const version of VERSIONS) {
      it(`tells every value once and in order, and ends with the run, ${version}`, async () => {
        const run = await server.makeRun({ status: "EXECUTING", streamsVersion: version });
        await server.write(run, "ai", records(0, "two\nlines \u2028 é", { a: [null, 1.5] }));
        const stages = [() => server.write(run, "ai", records(3, 4)), () => server.change(run, OVER)];
        const told = await follow(ways[0], { run, key: "ai" }, {}, ({ values, names }) => {
          if (values.length === 3 && names.includes("ready") && stages.length === 2) stages.shift()();
          if (values.length === 5 && stages.length === 1) stages.shift()();
          return true;
        });
        assert.deepEqual(told.values, [0, "two\nlines \u2028 é", { a: [null, 1.5] }, 3, 4]);
        assert.equal(told.names.at(-1), "end");
        assert.equal(told.names.filter((one) => one === "ready").length, 1);
        assert.ok(
          told.times.every((time) => Math.abs(time - Date.now()) < 60_000),
          String(told.times),
        );
      });

      it(`goes on at another relay after any value, and for those who come late, ${version}`, async () => {
        const run = await server.makeRun({ status: "EXECUTING", streamsVersion: version });
        const all = numbers(0, 12);
        for (const part of [all.slice(0, 5), all.slice(5, 6), all.slice(6)])
          await server.write(run, "ai", records(...part));
        const first = await follow(ways[0], { run, key: "ai" }, {}, ({ values }) => values.length < 12);
        assert.deepEqual(first.values, all);
        await server.write(run, "ai", records(12));
        await server.change(run, OVER);
        const second = await follow(ways[1], { run, key: "ai" }, { at: first.at }, toTheEnd);
        assert.deepEqual([second.values, second.names.at(-1)], [[12], "end"]);
        // An id of the server's is a place, too: after all that have it.
        for (const id of new Set(first.ids)) {
          const rest = await follow(ways[1], { run, key: "ai" }, { at: id }, toTheEnd);
          assert.deepEqual(rest.values, [...all, 12].slice(first.ids.lastIndexOf(id) + 1), id);
        }
      });

      it(`tells what the official reader reads, of streams longer than a relay keeps too, ${version}`, async () => {
        const run = await server.makeRun({ status: "EXECUTING", streamsVersion: version });
        const long = "x".repeat(100_000);
        for (let index = 0; index < 60; index++) await server.write(run, "ai", records(`${index}${long}`));
        await server.change(run, OVER);
        const official = await startStreamClient("official");
        try {
          const token = tokenFor([`read:runs:${run}`]);
          const { values } = await official.read({
            config: { baseURL: server.url, accessToken: token },
            call: "streams.read",
            args: [run, "ai"],
            options: { timeoutInSeconds: 2 },
            timeoutMs: 60_000,
          });
          assert.equal(values.length, 60);
          // A page comes back until it is told the end, as clients do: the server's own body may have been cut.
          const told = { values: [], at: undefined, end: undefined };
          while (told.end !== "end") {
            const more = await follow(ways[0], { run, key: "ai" }, { at: told.at, token }, toTheEnd);
            told.values.push(...more.values);
            [told.at, told.end] = [more.at, more.names.at(-1)];
            assert.ok(told.end === "end" || more.error?.retry, JSON.stringify(more.error));
          }
          assert.deepEqual(
            told.values.map((value) => value.length),
            values.map((value) => value.length),
          );
          assert.deepEqual(told.values, values);
        } finally {
          await official.close();
        }
      });
    }

    it("tells what was sent to a run", async () => {
      const run = await server.makeRun({ status: "EXECUTING" });
      const send = (data) =>
        fetch(`${server.url}/realtime/v1/streams/${run}/input/approval`, {
          method: "POST",
          headers: { "content-type": "application/json", ...bearer(`write:inputStreams:${run}`) },
          body: JSON.stringify({ data }),
        });
      assert.equal((await send({ yes: 1 })).status, 200);
      const told = await follow(ways[0], { run, key: "approval", input: true }, {}, ({ values }) => values.length < 1);
      assert.deepEqual(told.values, ['{"yes":1}'], "as the server keeps it");
    });

    it("is refused a place that is none, and frees all by leaving", async () => {
      // The others follow streams meanwhile.
      const handler = handlerOver(server, { keepMs: 100 });
      const way = await open(handler);
      try {
        const run = await server.makeRun({ status: "EXECUTING" });
        const { error } = await follow(way, { run, key: "ai" }, { at: "nowhere" }, toTheEnd);
        assert.deepEqual([error.status, error.retry], [400, false]);
        await follow(way, { run, key: "ai" }, {}, ({ names }) => !names.includes("ready"));
        await until(() => handler.stats().viewers.now === 0, "all is let go");
      } finally {
        await way.stop();
        await handler.close();
      }
    });
  });
}
