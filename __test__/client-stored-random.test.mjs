// Packets that are stored elsewhere, for whatever is followed, left and followed again, at a store that does as it likes.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "trigger-native/client";
import { clientRelay, pass, refusal, runFields, simulate, url } from "./support/client-relay.mjs";
import { random } from "./support/random.mjs";

const RUNS = ["run_0", "run_1", "run_2", "run_3", "run_4"];
const MAX_AT_ONCE = 4;

/** Runs that change, and the fields of each: an output is stored elsewhere, is told, or is none. */
function makeTruth(rng) {
  const runs = new Map(RUNS.map((id) => [id, { id, version: 1, path: `${id}/1`, isOver: false }]));
  return {
    runs,
    change(id, path = rng.pick([`${id}/${runs.get(id).version + 1}`, `${id}/${runs.get(id).version + 1}`, undefined])) {
      const run = runs.get(id);
      run.version++;
      run.path = path;
    },
    fieldsOf({ id, version, path, isOver }) {
      const output = path && { data: path, type: "application/store" };
      const status = isOver ? "COMPLETED" : "EXECUTING";
      return runFields(id, { updatedAt: 2000 + version, durationMs: version, output, status, isFinished: isOver });
    },
  };
}

/**
 * The packets of a relay, and the store. `isKind` says whether all succeeds. `busy` has how many requests of a host are under
 * way, `asked` every URL.
 */
function makeStore(rng, truth, tokens) {
  const store = { isKind: false, asked: [], busy: new Map(), most: 0 };

  const answerOf = async (to, headers) => {
    const { host, pathname, searchParams } = new URL(to);
    const isOfRelay = host === "app.example";
    // Now and then most requests fail.
    const whim = store.isKind ? 99 : rng.below(Date.now() % 200_000 < 50_000 ? 14 : 60);
    await new Promise((resolve) => setTimeout(resolve, store.isKind ? 50 : rng.below(rng.pick([10, 1000, 8000]))));
    if (whim === 0) return new Promise(() => {});
    if (whim < 4) throw new TypeError("Failed to fetch");
    if (whim < 8) return refusal(rng.pick([408, 429, 500, 503]), {}, rng.pick([{}, { "retry-after": "9" }]));
    if (whim < 10) return refusal(rng.pick([400, 404]));
    if (isOfRelay) {
      if (headers?.authorization !== `Bearer ${tokens.valid}`) return refusal(401);
      // Servers of before know the path alone.
      const [, id, named] = /(?:\/runs\/([^/]+))?\/packets\/(.*)$/.exec(pathname);
      const path = id ? truth.runs.get(id).path : named;
      const until = Date.now() + (whim < 20 ? 1 : 61_000);
      const at = `http://store${rng.below(2)}.example/${path ?? "gone"}?until=${until}`;
      return Response.json({ presignedUrl: at });
    }
    assert.equal(headers, undefined, "no token for the store");
    if (Date.now() > searchParams.get("until")) return refusal(403);
    const text = JSON.stringify({ path: pathname.slice(1) });
    let timer;
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text.slice(0, 5)));
        const end = () => {
          if (whim < 13) return controller.error(new TypeError("terminated"));
          controller.enqueue(new TextEncoder().encode(text.slice(5)));
          controller.close();
        };
        if (whim !== 13) timer = setTimeout(end, 20);
      },
      cancel: () => clearTimeout(timer),
    });
    return new Response(body, { headers: { "content-type": "application/json" } });
  };

  store.fetch = async (to, { headers, signal }) => {
    const { host } = new URL(to);
    store.asked.push(to);
    const busy = (store.busy.get(host) ?? 0) + 1;
    store.busy.set(host, busy);
    store.most = Math.max(store.most, busy);
    let abort;
    const aborted = new Promise((_, reject) => {
      abort = () => reject(Object.assign(new Error("aborted"), { name: "AbortError" }));
      signal.addEventListener("abort", abort);
    });
    try {
      return await Promise.race([answerOf(`${to}`, headers), aborted]);
    } finally {
      signal.removeEventListener("abort", abort);
      store.busy.set(host, store.busy.get(host) - 1);
    }
  };
  return store;
}

/** Tells each request what it lacks. */
async function tellAll(relay, truth, tokens, told) {
  for (const ask of relay.open()) {
    if (!told.has(ask)) {
      // A place is the run and its version.
      const versionsOf = ({ at = [] }) => new Map(at.map((place) => place.split(":")).map(([id, n]) => [id, +n]));
      told.set(ask, new Map(ask.wants.map((want) => [want.id, versionsOf(want)])));
    }
    const events = [];
    for (const { id, run: only, token } of ask.wants) {
      const versions = told.get(ask).get(id);
      if (!versions) continue;
      if (token !== tokens.valid) {
        events.push(["error", id, { status: 401, message: "expired", retry: false }]);
        told.get(ask).delete(id);
        continue;
      }
      for (const run of truth.runs.values()) {
        if (only && run.id !== only) continue;
        const key = `k-${run.id}`;
        const at = `${run.id}:${run.version}:${run.isOver}`;
        const fields = truth.fieldsOf(run);
        if (!versions.has(run.id)) events.push(["row", id, { key, at, run: fields }]);
        else if (versions.get(run.id) < run.version)
          events.push(["change", id, { key, at, set: fields, unset: run.path ? [] : ["output"] }]);
        versions.set(run.id, run.version);
      }
      events.push(["ready", id]);
      if (only && truth.runs.get(only).isOver) {
        events.push(["end", id]);
        told.get(ask).delete(id);
      }
    }
    if (events.length > 0) await ask.tell(...events);
  }
}

/** Somebody who follows, leaves, and follows again. */
function makeViewer(rng, connectionOf, tokens) {
  const source = async () => {
    await new Promise((resolve) => setTimeout(resolve, rng.below(500)));
    return tokens.valid;
  };
  const only = rng.pick([undefined, ...RUNS]);
  // Some share the function of the connection.
  const options = rng.chance(0.5) ? { accessToken: source } : {};
  const viewer = {
    only,
    states: [],
    stop: undefined,
    follow(isAnew) {
      if (isAnew || !viewer.followed) {
        const connection = connectionOf();
        viewer.followed = only ? connection.run(only, options) : connection.runs({ tags: "a" }, options);
      }
      viewer.states = [];
      viewer.stop = viewer.followed.subscribe((state) => {
        viewer.states.push(state);
        viewer.check(state);
      });
    },
    leave() {
      viewer.stop?.();
      viewer.stop = undefined;
    },
    runs: () => [viewer.states.at(-1)?.value ?? []].flat(),
    check({ value, error }) {
      if (error) assert.equal(error.status, 401);
      for (const { id, output, decodeErrors } of [value ?? []].flat()) {
        if (output) assert.equal(output.path.split("/")[0].replace("gone", id), id, "the output of another run");
        for (const { message } of Object.values(decodeErrors ?? {})) assert.doesNotMatch(message, /undefined|null/);
      }
    },
  };
  return viewer;
}

describe("stored packets of runs that change, are left and followed again, at a store that does as it likes", () => {
  it("are in the end those that are true, nothing is under way, and nothing is asked for without end", async (t) => {
    const rng = random(t);
    // The jitter is repeated as well.
    t.mock.method(Math, "random", rng.next);
    simulate(t);
    const relay = clientRelay();
    const truth = makeTruth(rng);
    const tokens = { valid: "token 1", count: 1 };
    const store = makeStore(rng, truth, tokens);
    const told = new WeakMap();
    const faults = [];
    const onFault = (error) => faults.push(error);
    process.on("unhandledRejection", onFault);
    t.after(() => process.off("unhandledRejection", onFault));
    const fetch = (to, init) => (/live$/.test(to) ? relay.fetch(to, init) : store.fetch(to, init));
    const accessToken = async () => tokens.valid;
    const open = () => connect({ url, accessToken }, { fetch });
    let connection = open();
    t.after(() => connection.close());
    const viewers = Array.from({ length: 6 }, () => makeViewer(rng, () => connection, tokens));

    for (let step = 0; step < 200; step++) {
      const what = rng.below(20);
      const viewer = rng.pick(viewers);
      if (what < 5) {
        if (viewer.stop) viewer.leave();
        else viewer.follow(rng.chance(0.3));
      } else if (what < 10) {
        const id = rng.pick(RUNS);
        if (!truth.runs.get(id).isOver) truth.change(id);
      } else if (what === 10) tokens.valid = `token ${++tokens.count}`;
      else if (what === 11 && rng.chance(0.2)) {
        connection.close();
        connection = open();
        for (const one of viewers) {
          one.leave();
          one.followed = undefined;
        }
      } else if (what === 12 && relay.open().length > 0) await rng.pick(relay.open()).cut();
      else if (what === 13 && rng.chance(0.1)) {
        const id = rng.pick(RUNS);
        truth.change(id);
        truth.runs.get(id).isOver = true;
      } else await tellAll(relay, truth, tokens, told);
      await pass(t, rng.below(rng.pick([100, 2000, 10_000])), 250);
    }
    // Each change has each viewer ask for it with some tries alone.
    const changes = [...truth.runs.values()].reduce((sum, { version }) => sum + version, 0);
    assert.ok(store.asked.length < 20 * changes * viewers.length, `${store.asked.length} requests, ${changes} changes`);

    store.isKind = true;
    await pass(t, 70_000, 500);
    // What failed for good is asked for with the next change.
    for (const id of RUNS) truth.change(id, `${id}/last`);
    for (const viewer of viewers) {
      const isLost = viewer.states.at(-1)?.state === "ended";
      if (viewer.stop && isLost) viewer.leave();
      if (!viewer.stop) viewer.follow(true);
    }
    for (let more = 0; more < 40; more++) {
      await pass(t, 2000, 250);
      await tellAll(relay, truth, tokens, told);
    }
    for (const viewer of viewers) {
      const { state, error } = viewer.states.at(-1);
      assert.equal(error, undefined);
      assert.notEqual(state, "connecting");
      const shown = viewer.runs().map(({ id, durationMs, output, decodeErrors }) => ({
        id,
        version: durationMs,
        path: output?.path,
        error: decodeErrors?.output.message,
      }));
      const wanted = [...truth.runs.values()].filter(({ id }) => !viewer.only || id === viewer.only);
      assert.deepEqual(
        shown.sort((a, b) => (a.id < b.id ? -1 : 1)),
        wanted.map(({ id, version, path }) => ({ id, version, path, error: undefined })),
      );
      const versions = viewer.only ? viewer.states.flatMap(({ value }) => value?.durationMs ?? []) : [];
      assert.deepEqual(
        versions,
        [...versions].sort((a, b) => a - b),
        "no state is older than one before it",
      );
    }
    assert.ok(store.most <= MAX_AT_ONCE, `${store.most} requests at once`);
    const count = store.asked.length;
    await pass(t, 120_000, 500);
    assert.equal(store.asked.length, count, "requests for what is there");
    for (const id of RUNS) truth.change(id, `${id}/more`);
    for (const viewer of viewers) viewer.follow(true);
    await pass(t, 1000, 250);
    await tellAll(relay, truth, tokens, told);
    await pass(t, rng.below(100), 10);
    connection.close();
    const atClose = store.asked.length;
    await pass(t, 120_000, 500);
    assert.equal(store.asked.length, atClose, "requests of a connection that is closed");
    assert.deepEqual([...new Set(store.busy.values())], [0]);
    assert.deepEqual(faults, []);
  });
});
