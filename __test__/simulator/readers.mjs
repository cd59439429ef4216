/** Readers of every kind. Each resolves to the number of values that it checked, once it has all there is. */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { TriggerClient } from "trigger-native";
import { back, events } from "../support/events.mjs";
import { pathOf } from "./feeds.mjs";
import { StreamWatch, Watch } from "./watch.mjs";
import { SKIPPED, TAGS } from "./world.mjs";

const RETRY = { minDelayMs: 5, maxDelayMs: 100 };
const OPTIONS = { retry: RETRY, silenceTimeoutMs: 12_000 };

/**
 * @typedef {object} Scene what all readers of a scenario have
 * @property {import('./world.mjs').World} world
 * @property {ReturnType<typeof import('./world.mjs').dice>} rng
 * @property {string} url
 * @property {string} accessToken
 * @property {string[]} skips columns that the token leaves out
 * @property {boolean} isRelayed whether relays answer, in turns
 * @property {() => boolean} isCalm whether nothing happens any more
 * @property {AbortSignal} signal ends what never ends by itself
 */

const pauseOf = (rng) => rng.pick([0, 0, 0, 30, 300]);
const ownSkips = (rng) => (rng.oneIn(2) ? [] : [rng.pick(SKIPPED)]);
const clientOf = ({ url, accessToken }) => new TriggerClient({ baseURL: url, accessToken });

/** Waits a while as a slow reader does, but not once nothing happens any more. */
const slowly = async (scene, pause) => {
  if (pause > 0 && !scene.isCalm()) await sleep(scene.rng.below(pause));
};

/** Calls `leave` once nothing happens any more and `hasAll`: nothing that comes would tell a reader so. */
function leaveWithAll(scene, hasAll, leave) {
  const timer = setInterval(() => scene.isCalm() && hasAll() && leave(), 20);
  return () => clearInterval(timer);
}

/** One run, to its end. */
export async function oneRun(scene) {
  const { rng, world } = scene;
  const n = rng.below(world.rows.size);
  const [pause, skips] = [pauseOf(rng), ownSkips(rng)];
  const watch = new Watch(world, { skips: [...skips, ...scene.skips], has: (other) => other === n });
  const options = { ...OPTIONS, skipColumns: skips, signal: scene.signal };
  let last;
  for await (const run of clientOf(scene).runs.subscribeToRun(`run_${n}`, options)) {
    watch.run(run);
    last = run;
    await slowly(scene, pause);
  }
  assert.equal(last?.isFinished, true, `run_${n} ended with ${last?.status}`);
  return watch.checked;
}

/** Runs with tags, or of a batch. Some readers leave amid the feed. */
export async function manyRuns(scene) {
  const { rng, world } = scene;
  const [pause, skips, leaves, isBatch] = [pauseOf(rng), ownSkips(rng), rng.oneIn(4), rng.oneIn(3)];
  const count = 1 + rng.below(TAGS.length);
  const has = isBatch ? (n) => n % 3 === 0 : (n) => count === 1 || n % 2 === 0;
  const watch = new Watch(world, { skips: [...skips, ...scene.skips], has });
  const { runs } = clientOf(scene);
  const options = { ...OPTIONS, signal: scene.signal };
  const subscription = isBatch
    ? runs.subscribeToBatch("batch_1", { ...options, skipColumns: skips })
    : runs.subscribeToRunsWithTag(TAGS.slice(0, count), { skipColumns: skips }, options);
  const left = leaveWithAll(
    scene,
    () => watch.isComplete,
    () => subscription.close(),
  );
  try {
    for await (const run of subscription) {
      watch.run(run);
      if (leaves && rng.oneIn(10)) return watch.checked;
      await slowly(scene, pause);
    }
  } finally {
    left();
  }
  assert.ok(scene.isCalm() && watch.isComplete, `the feed ended without ${watch.missing}`);
  return watch.checked;
}

/** A run and its streams, to the end of all. */
export async function runWithStreams(scene) {
  const { rng, world } = scene;
  const n = rng.below(world.rows.size);
  const pause = pauseOf(rng);
  const watch = new Watch(world, { skips: scene.skips, has: (other) => other === n });
  const streams = new StreamWatch(world);
  const parts = clientOf(scene)
    .runs.subscribeToRun(`run_${n}`, { ...OPTIONS, signal: scene.signal })
    .withStreams();
  for await (const part of parts) {
    if (part.type === "run") watch.run(part.run);
    else streams.take(part.run.id, part.type, part.chunk);
    await slowly(scene, pause);
  }
  assert.ok(watch.isComplete, `the last state of ${watch.missing}`);
  for (const key of ["ai", "log"]) streams.complete(`run_${n}`, key);
  return watch.checked + streams.checked;
}

/** A page behind a route, that loses its connection after some events and comes back with the last id. */
export async function page(scene) {
  const { rng, world } = scene;
  const isOne = rng.oneIn(2);
  const n = rng.below(world.rows.size);
  const has = (other) => !isOne || other === n;
  // The runs of the last 10 s come once more, and from a relay or a server that is behind in an older state.
  const mayGoBack = !isOne;
  const watch = new Watch(world, { skips: scene.skips, has, mayRepeat: true, mayGoBack });
  const streams = new StreamWatch(world);
  const hasAll = () =>
    watch.isComplete &&
    [...world.rows.keys()].filter(has).every((each) => {
      const count = (key) => streams.values.get(`run_${each}/${key}`)?.length ?? 0;
      return ["ai", "log"].every((key) => count(key) === world.valuesOf(`run_${each}`, key).length);
    });
  let last;
  for (let visits = 0; ; visits++) {
    const { runs } = clientOf(scene);
    const options = { ...OPTIONS, signal: scene.signal };
    const source = isOne
      ? runs.subscribeToRun(`run_${n}`, options)
      : runs.subscribeToRunsWithTag("a", undefined, options);
    const response = source.withStreams().toResponse(back(last));
    if (response.status === 204) break;
    const leftWithAll = leaveWithAll(
      scene,
      () => !isOne && hasAll(),
      () => source.close(),
    );
    let left = scene.isCalm() ? Number.POSITIVE_INFINITY : 1 + rng.below(12);
    let isOver = false;
    let count = 0;
    for await (const { event, data, id, comment } of events(response)) {
      if (comment !== undefined) continue;
      last = id ?? last;
      const value = data === undefined ? undefined : JSON.parse(data);
      assert.notEqual(event, "error", data);
      assert.notEqual(event, "item-error", data);
      count += 1;
      watch.where = `${isOne ? "one run" : "many"}, event ${count} of visit ${visits}, id ${id}, relayed ${scene.isRelayed}`;
      if (event === "run") watch.event(value);
      if (event === "chunk") streams.take(value.runId, value.type, value.chunk);
      if (event === "restart") streams.restart(value.runId, value.type);
      isOver = event === "end";
      left -= 1;
      if (isOver || left <= 0) break;
    }
    leftWithAll();
    if (isOver || (!isOne && scene.isCalm() && hasAll())) break;
    assert.ok(!scene.signal.aborted, `after ${visits} visits without ${watch.missing}`);
    if (rng.oneIn(3)) await sleep(rng.below(200));
  }
  assert.ok(watch.isComplete, `the last state of ${watch.missing}`);
  for (const each of [...world.rows.keys()].filter(has)) {
    for (const key of ["ai", "log"]) streams.complete(`run_${each}`, key);
  }
  return watch.checked + streams.checked;
}

/**
 * A request that is made again where the server closed the idle connection on which it went out, as browsers do by
 * themselves. Once: a server that closes each connection fails the scenario.
 */
async function ask(url, headers, { signal }) {
  try {
    return await fetch(url, { headers, signal });
  } catch (error) {
    if (!["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(error.cause?.code)) throw error;
    return await fetch(url, { headers, signal });
  }
}

/** A viewer of relays, which speaks the protocol as the official hooks do, and goes to another relay now and then. */
export async function viewer(scene, urls) {
  const { rng, world } = scene;
  const [pause, skips, leaves] = [pauseOf(rng), ownSkips(rng), rng.oneIn(5)];
  const n = rng.below(world.rows.size);
  const [path, has] = rng.pick([
    [pathOf.run(n), (other) => other === n],
    [pathOf.tags(1), () => true],
    [pathOf.tags(2), (other) => other % 2 === 0],
    [pathOf.batch(), (other) => other % 3 === 0],
  ]);
  const watch = new Watch(world, { skips: [...skips, ...scene.skips], has, mayRepeat: true });
  const headers = {
    authorization: `Bearer ${scene.accessToken}`,
    "x-trigger-electric-version": "1.0.0-beta.1",
    "x-trigger-api-version": "2025-07-16",
  };
  const rows = new Map();
  let query = { offset: "-1" };
  let polls = 0;
  while (!(scene.isCalm() && watch.isComplete)) {
    assert.ok(!scene.signal.aborted, `after ${polls} polls without ${watch.missing}`);
    const url = new URL(path, rng.pick(urls));
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    if (skips.length > 0) url.searchParams.set("skipColumns", skips.join(","));
    const response = await ask(url, headers, scene);
    polls += 1;
    const text = await response.text();
    const handle = response.headers.get("electric-handle");
    if (response.status === 409) {
      rows.clear();
      query = { offset: "-1", ...(handle ? { handle } : {}) };
    } else if (response.status === 200) {
      let isLive = query.live === "true";
      for (const message of JSON.parse(text)) {
        if (message.headers.control === "up-to-date") isLive = true;
        if (message.key === undefined) continue;
        assert.notEqual(message.headers.operation, "delete", text);
        const row = { ...rows.get(message.key), ...message.value };
        rows.set(message.key, row);
        watch.row(row);
      }
      query = { offset: response.headers.get("electric-offset"), handle };
      if (isLive) query = { ...query, live: "true", cursor: response.headers.get("electric-cursor") ?? "" };
    } else {
      assert.ok([204, 429, 502, 503, 504].includes(response.status), `${response.status} ${text}`);
      await sleep(50);
    }
    if (leaves && rng.oneIn(20)) break;
    await slowly(scene, pause);
  }
  return watch.checked;
}
