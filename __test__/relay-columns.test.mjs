// A column that a viewer may not see is in none of its answers: in no feed, no poll, no cached body of other viewers.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";

import { startWithRuns, targets, token } from "./support/viewers.mjs";

const VERSION = { "x-trigger-electric-version": "1.0.0-beta.1" };
const SECRET = "hunter2";

/** The columns that a viewer leaves out, where it names them, and what its answers must not contain. */
const VIEWERS = [
  ["nothing", {}, "", []],
  ["payload by its token", { skipColumns: ["payload", "payloadType"] }, "", ["payload", "payloadType"]],
  ["metadata by its request", {}, "metadata,metadataType", ["metadata", "metadataType"]],
  ["both by both", { skipColumns: ["payload"] }, "metadata", ["payload", "metadata"]],
  ["what its request does not name, by its token", { skipColumns: ["payload"] }, "", ["payload"]],
];

for (const [name, start] of Object.entries(targets).filter(([name]) => name !== "emulator")) {
  describe(`columns that viewers of a ${name} leave out`, () => {
    let world;
    let target;
    let feeds;
    before(async () => {
      world = await startWithRuns();
      for (const at of [0, 3]) {
        await world.patch(world.runs[at].id, {
          payload: `"${SECRET}${"x".repeat(3000)}"`,
          metadata: `{"a":"${SECRET}"}`,
        });
      }
      target = await start(world.emulator);
      feeds = [
        ["run", `/realtime/v1/runs/${world.runs[0].id}?`, 0],
        ["tag", "/realtime/v1/runs?tags=x&", 0],
        ["batch", `/realtime/v1/batches/${world.batch}?`, 3],
      ];
    });
    after(async () => {
      await target?.stop();
      await world?.emulator.stop();
    });

    const bearerOf = (realtime) => token(["read:runs", `read:batch:${world.batch}`], { realtime });

    /** Checks an answer, and returns the place after it. */
    async function check(answer, hidden, what) {
      assert.equal(answer.status, 200, what);
      const bytes = Buffer.from(await answer.arrayBuffer());
      // `fetch` decodes the body; a handler's own answer is as it leaves.
      const isCompressed = bytes[0] === 0x1f;
      const text = `${isCompressed ? gunzipSync(bytes) : bytes}`;
      const schema = answer.headers.get("electric-schema");
      const rows = JSON.parse(text).filter((message) => message.value);
      for (const columns of [...rows.map((message) => message.value), ...(schema ? [JSON.parse(schema)] : [])]) {
        for (const column of hidden) assert.ok(!(column in columns), `${what}: ${column}`);
        for (const column of ["payload", "metadata"]) {
          if (!hidden.includes(column)) assert.ok(column in columns, `${what}: ${column} is missing`);
        }
      }
      if (hidden.includes("payload") && hidden.includes("metadata")) assert.ok(!text.includes(SECRET), what);
      return {
        rows: rows.length,
        isCompressed,
        place: { offset: answer.headers.get("electric-offset"), handle: answer.headers.get("electric-handle") },
      };
    }

    test("are in no snapshot, catch-up or live answer of any feed, whoever else reads it at the same time", async () => {
      for (const [feed, path, at] of feeds) {
        // All at once, twice: the second time there are cached bodies of other viewers.
        for (const round of [1, 2]) {
          let told = 0;
          const all = await Promise.all(
            VIEWERS.map(async ([viewer, realtime, skipColumns, hidden]) => {
              const what = `${feed} feed, round ${round}, who leaves out ${viewer}`;
              const ask = (query) => {
                const skipped = skipColumns === "" ? {} : { skipColumns };
                const encoding = round === 1 ? "identity" : "gzip";
                return target.ask(`${path}${new URLSearchParams({ ...query, ...skipped })}`, bearerOf(realtime), {
                  headers: { ...VERSION, "accept-encoding": encoding },
                });
              };
              const first = await check(await ask({ offset: "-1" }), hidden, what);
              assert.ok(first.rows > 0, what);
              return { ask, first, hidden, what };
            }),
          );
          const polls = all.map(({ ask, first }) => ask({ ...first.place, live: "true" }));
          await world.patch(world.runs[at].id, { metadata: `{"round":${round},"feed":"${feed}","a":"${SECRET}"}` });
          for (const [index, { ask, first, hidden, what }] of all.entries()) {
            const live = await check(await polls[index], hidden, `${what}, live`);
            const caughtUp = await check(await ask(first.place), hidden, `${what}, catching up`);
            told += live.rows + caughtUp.rows;
          }
          assert.ok(told >= VIEWERS.length, `${feed}: changes were told`);
        }
      }
    });

    test("are in no compressed body", async () => {
      for (const [feed, path] of feeds) {
        let compressed = 0;
        for (const [viewer, realtime, skipColumns, hidden] of VIEWERS) {
          const skipped = skipColumns === "" ? "" : `&skipColumns=${skipColumns}`;
          const headers = { ...VERSION, "accept-encoding": "gzip" };
          const answer = await undecoded(`${path}offset=-1${skipped}`, bearerOf(realtime), headers);
          const { isCompressed } = await check(answer, hidden, `${feed} feed, who leaves out ${viewer}`);
          compressed += Number(isCompressed);
        }
        // A web handler leaves compression to the framework.
        if (target.url !== undefined) assert.ok(compressed > 1, feed);
        else assert.equal(compressed, 0, feed);
      }
    });

    /** An answer whose body is not decoded. */
    async function undecoded(path, bearer, headers) {
      if (target.url === undefined) return target.ask(path, bearer, { headers });
      const request = http.get(`${target.url}${path}`, {
        headers: { ...headers, authorization: `Bearer ${bearer}` },
        agent: false,
      });
      const [answer] = await once(request, "response");
      const schema = answer.headers["electric-schema"];
      return new Response(Buffer.concat(await answer.toArray()), { headers: { "electric-schema": schema } });
    }

    test("stay left out where a request names them in odd ways", async () => {
      const bearer = bearerOf({ skipColumns: ["payload"] });
      for (const query of [
        "skipColumns=",
        "skipColumns=&skipColumns=metadata",
        "skipColumns=nothing,,%2C",
        "skipColumns[]=metadata",
        "columns=payload",
        "columns=id,payload&skipColumns=status",
      ]) {
        const answer = await target.ask(`${feeds[0][1]}offset=-1&${query}`, bearer, { headers: VERSION });
        const [{ value }] = await answer.json();
        assert.ok(!("payload" in value) && "status" in value && "id" in value, query);
        assert.ok(!("payload" in JSON.parse(answer.headers.get("electric-schema"))), query);
      }
    });
  });
}
