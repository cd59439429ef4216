// One event stream for all that a page follows: over each way to mount the relay, and against what the ordinary feed says.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { apply, asking, eventsOf, nothing, places } from "./support/live.mjs";
import { random } from "./support/random.mjs";
import { bearer, handlerOver, KEY, startServer, tokenFor, until, WAYS } from "./support/relay.mjs";

const PATH = "/api/trigger/relay/v1/live";

/** The claim of a token that leaves columns out. */
const left = ({ skipColumns }) => ({ realtime: { skipColumns } });

/** Reads on until `check` holds for what the wants have. */
async function readUntil(events, wants, check) {
  while (!check()) {
    const { done, value } = await events.next();
    assert.ok(!done, "the response ended");
    const [name, id, told] = value;
    if (id !== undefined) apply(wants[id], name, told);
  }
}

for (const { name, open } of WAYS) {
  describe(`a page that follows through ${name}`, { timeout: 120_000 }, () => {
    let server;
    let handler;
    let way;
    before(async () => {
      server = await startServer();
      handler = handlerOver(server, { keepMs: 100 });
      way = await open(handler);
    });
    after(async () => {
      await way.stop();
      await handler.close();
      await server.stop();
    });

    it("is told of runs, tags and batches on one response, each change alone, and frees all by leaving", async () => {
      const id = await server.makeRun({ status: "EXECUTING", runTags: ["live"], payload: `"${"p".repeat(5000)}"` });
      const wants = { a: nothing(), b: nothing(), c: nothing() };
      const leaving = new AbortController();
      const asked = [
        { id: "a", run: id },
        { id: "b", tags: ["live"], createdAt: "1h", skipColumns: ["payload"] },
        { id: "c", batch: "batch_none" },
      ];
      const headers = bearer(`read:runs:${id}`, "read:tags:live", "read:batch:batch_none");
      const response = await way.ask(PATH, { ...asking(asked, headers), signal: leaving.signal });
      assert.equal(response.status, 200);
      assert.match(response.headers.get("content-type"), /^text\/event-stream/);
      assert.equal(response.headers.get("cache-control"), "no-store");
      const events = eventsOf(response);
      await readUntil(events, wants, () => wants.a.ready && wants.b.ready);
      await until(() => handler.stats().viewers.now >= 2, "each want counts as a viewer");
      const run = (want) => [...want.rows.values()][0]?.run;
      assert.equal(run(wants.a).payload.data.length, 5002);
      assert.equal(run(wants.b).payload, undefined);
      const before = handler.stats().bytes;
      await server.change(id, { metadata: { step: 7 } });
      const isTold = (want) => run(want).metadata?.data === '{"step":7}';
      await readUntil(events, wants, () => isTold(wants.a) && isTold(wants.b));
      assert.ok(handler.stats().bytes - before < 2500, "the payload is not told again");
      if (name === "the handler") await events.return();
      else leaving.abort();
      await until(async () => {
        const { viewers, feeds } = handler.stats();
        return viewers.now === 0 && feeds === 0 && (await server.held()) === 0;
      }, "all is let go");
    });

    it("is refused a want that it may not read, and told of the others", async () => {
      const [mine, other] = [await server.makeRun({}), await server.makeRun({})];
      const asked = [
        { id: "__proto__", run: other },
        { id: "none", run: other, token: "nonsense" },
        { id: "other", run: other, token: tokenFor([`read:runs:${other}`]) },
        { id: "old", run: other, token: tokenFor([`read:runs:${other}`], { exp: 1 }) },
        { id: "mine", run: mine },
        { id: "stream", stream: { run: other, key: "k" } },
      ];
      const told = [];
      for await (const event of eventsOf(await way.ask(PATH, asking(asked, bearer(`read:runs:${mine}`))))) {
        told.push([event[0], event[1], event[2]?.status]);
        if (told.length === 8) break;
      }
      assert.deepEqual(told.sort(), [
        ["error", "__proto__", 403],
        ["error", "none", 401],
        ["error", "old", 401],
        ["error", "stream", 403],
        ["ready", "mine", undefined],
        ["ready", "other", undefined],
        ["row", "mine", undefined],
        ["row", "other", undefined],
      ]);
    });

    it("asks by POST alone, and its preflight is answered", async () => {
      for (const method of ["GET", "PUT"]) {
        const response = await way.ask(PATH, { method, headers: bearer("read:runs") });
        assert.equal(response.status, 405, method);
        await response.text();
      }
      const headers = { origin: "https://app.example", "access-control-request-headers": "authorization,content-type" };
      const response = await way.ask(PATH, { method: "OPTIONS", headers });
      assert.ok(response.ok);
      assert.match(response.headers.get("access-control-allow-headers"), /content-type|\*/);
      await response.text();
    });

    // The last one: a body that is not read to its end costs its connection.
    it("is refused a body that names no wants with a sentence, whatever it holds", async () => {
      const many = Array.from({ length: 10_000 }, (_, at) => ({ id: `${at}`, run: "run_1" }));
      const bodies = [
        ["", 400],
        ["[]", 400],
        ['{"wants":[]}', 400],
        ['{"wants":[{"id":"a","run":"r"},{"id":"a","run":"r"}]}', 400],
        ['{"wants":[{"id":"a","run":"mine","run":"victim"}]}', 400],
        ['{"wants":[{"id":"a","run":"r","__proto__":{"token":"x"}}]}', 400],
        ['{"wants":[{"id":"a","run":"r","constructor":{}}]}', 400],
        ['{"wants":[{"id":"\\ud800","run":"r"}]}', 400],
        [`{"wants":[{"id":"a","run":"r","at":${"[".repeat(5000)}}]}`, 400],
        [JSON.stringify({ wants: many.slice(0, 101) }), 400],
        [JSON.stringify({ wants: many }), 413],
        ["x".repeat(3_000_000), 413],
      ];
      for (const [body, status] of bodies) {
        const response = await way.ask(PATH, { method: "POST", headers: bearer("read:runs"), body });
        const text = await response.text();
        assert.equal(response.status, status, `${body.slice(0, 60)} ${text}`);
        assert.match(JSON.parse(text).error, /\w+ .+/);
      }
      assert.equal(handler.stats().viewers.now, 0);
    });
  });
}

describe("a page that follows where the app's session decides", { timeout: 60_000 }, () => {
  it("gets what authorize() grants for each want, is asked about once, and never from another origin", async () => {
    const server = await startServer();
    const [mine, other] = [await server.makeRun({ payload: "1" }), await server.makeRun({})];
    const asked = [];
    const handler = createRealtimeHandler({
      accessToken: KEY,
      baseURL: server.url,
      async authorize(request) {
        asked.push([request.method, new URL(request.url).pathname, (await request.clone().json()).wants.length]);
        return { scopes: [`read:runs:${mine}`], skipColumns: ["payload"], id: "user" };
      },
    });
    try {
      const wants = [
        { id: "a", run: mine },
        { id: "b", run: other, token: tokenFor([`read:runs:${other}`]) },
      ];
      const ask = (headers) => handler(new Request(`http://app.example${PATH}`, asking(wants, headers)));
      const told = {};
      for await (const [name, id, event] of eventsOf(await ask({}))) {
        told[`${name} ${id}`] = event;
        if (Object.keys(told).length === 3) break;
      }
      assert.deepEqual(Object.keys(told).sort(), ["error b", "ready a", "row a"]);
      assert.equal(told["row a"].run.payload, undefined);
      assert.deepEqual(asked, [["POST", PATH, 2]]);
      const foreign = await ask({ origin: "https://evil.example", "content-type": "text/plain" });
      assert.equal(foreign.status, 403);
      assert.equal(asked.length, 1);
    } finally {
      await handler.close();
      await server.stop();
    }
  });
});

describe("pages that come and go between two relays", { timeout: 120_000 }, () => {
  it("have in the end what the ordinary feed says, never go back, and see nothing that they may not", async (t) => {
    const rng = random(t);
    const server = await startServer();
    const handlers = [handlerOver(server), handlerOver(server)];
    const ways = [await WAYS[0].open(handlers[0]), await WAYS[2].open(handlers[1])];
    const runs = [];
    const makeRun = async () =>
      runs.push(await server.makeRun({ status: "EXECUTING", runTags: ["sim"], payload: `"${"p".repeat(500)}"` }));
    for (let at = 0; at < 4; at++) await makeRun();
    const pages = Array.from({ length: 5 }, (_, at) => ({
      skipColumns: at % 2 === 0 ? [] : ["metadata"],
      wants: { tags: nothing(), one: nothing() },
      visits: 0,
    }));
    let isOver = false;
    const change = async () => {
      for (let at = 0; at < 120; at++) {
        if (rng.chance(0.05)) await makeRun();
        else await server.change(rng.pick(runs), { metadata: { at, long: "m".repeat(rng.below(200)) } });
      }
      isOver = true;
    };
    const isLast = (page) => isOver && page.visits > 0;

    /** Reads one response for a while, slowly, and leaves it amid its events. */
    async function visit(page, events) {
      const { wants } = page;
      for (const want of Object.values(wants)) want.ready = false;
      page.visits++;
      const leaving = new AbortController();
      const headers = bearer("read:tags:sim", `read:runs:${runs[0]}`);
      const token = page.skipColumns.length ? tokenFor(["read:tags:sim", "read:runs"], left(page)) : undefined;
      const asked = [
        { id: "tags", tags: ["sim"], token, at: places(wants.tags) },
        { id: "one", run: runs[0], token, at: places(wants.one) },
      ];
      const response = await rng.pick(ways).ask(PATH, { ...asking(asked, headers), signal: leaving.signal });
      assert.equal(response.status, 200);
      const stream = eventsOf(response);
      for (let more = events; more > 0 && !isLast(page); more--) {
        const { done, value } = await Promise.race([stream.next(), ended]);
        if (done || value === undefined) break;
        const [name, id, told] = value;
        assert.ok(name !== "error", JSON.stringify(told));
        const before = wants[id].rows.get(told?.key)?.run;
        const text = JSON.stringify(told?.set ?? {});
        assert.ok(!before || !text.includes("ppp"), "a payload that did not change comes again");
        apply(wants[id], name, told);
        const after = wants[id].rows.get(told?.key)?.run;
        if (before && after) {
          assert.ok(after.updatedAt >= before.updatedAt, "back in time");
          assert.notDeepEqual(after, before, "the same again");
        }
        if (page.skipColumns.length) assert.equal(after?.metadata, undefined, "a column that the token leaves out");
        if (rng.chance(0.3)) await new Promise((resolve) => setTimeout(resolve, rng.below(20)));
      }
      leaving.abort();
      await stream.return().catch(() => {});
    }

    let end;
    const ended = new Promise((resolve) => (end = () => resolve({ done: true })));
    const follow = async (page) => {
      while (!isOver)
        await visit(page, 1 + rng.below(12)).catch((error) => error.name === "AbortError" || Promise.reject(error));
    };
    try {
      const following = pages.map(follow);
      await change();
      end();
      await Promise.all(following);
      const truth = await feedOf(ways[0], "tags=sim", bearer("read:tags:sim"));
      for (const page of pages) {
        // One more visit, at the relay that is as far as the ordinary feed.
        const { wants } = page;
        const token = page.skipColumns.length ? tokenFor(["read:tags:sim"], left(page)) : tokenFor(["read:tags:sim"]);
        const asked = [{ id: "tags", tags: ["sim"], token, at: places(wants.tags) }];
        const events = eventsOf(await ways[0].ask(PATH, asking(asked)));
        const newest = (id) => truth.get(id).updatedAt;
        const isWhole = () =>
          wants.tags.rows.size === truth.size &&
          [...wants.tags.rows.values()].every(({ run }) => run.updatedAt === newest(run.id));
        await readUntil(events, wants, isWhole);
        await events.return();
        for (const { run } of wants.tags.rows.values()) {
          const row = truth.get(run.id);
          assert.equal(run.payload.data, row.payload);
          assert.equal(run.metadata?.data, page.skipColumns.length ? undefined : row.metadata);
        }
      }
      assert.ok(pages.every(({ visits }) => visits > 1));
    } finally {
      for (const way of ways) await way.stop();
      for (const handler of handlers) await handler.close();
      await server.stop();
    }
  });
});

/** The rows of the ordinary feed, by the id of their run. */
async function feedOf(way, query, headers) {
  const response = await way.ask(`/realtime/v1/runs?${query}&offset=-1`, { headers });
  const rows = (await response.json()).flatMap((message) => message.value ?? []);
  const read = (row) => ({
    updatedAt: Date.parse(`${row.updatedAt}Z`),
    payload: row.payload,
    metadata: row.metadata ?? undefined,
  });
  return new Map(rows.map((row) => [row.friendlyId, read(row)]));
}
