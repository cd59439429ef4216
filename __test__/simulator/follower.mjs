/** A page that follows by trigger-native/client: a run with its streams, and lists, on the live streams of relays. */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "trigger-native/client";
import { StreamWatch, Watch } from "./watch.mjs";
import { SKIPPED, TAGS } from "./world.mjs";

const KEYS = ["ai", "log"];

/** @param {import("./readers.mjs").Scene} scene as of viewers: `url` is the relays' balancer */
export async function follower(scene) {
  const { rng, world, url, accessToken } = scene;
  const connection = connect({ url, accessToken, share: false });
  const leave = () => connection.close();
  scene.signal.addEventListener("abort", leave);
  const pause = rng.pick([0, 0, 30, 300]);
  const slowly = async () => {
    if (pause > 0 && !scene.isCalm()) await sleep(rng.below(pause));
  };
  const skipColumns = rng.oneIn(2) ? [] : [rng.pick(SKIPPED)];
  const skips = [...skipColumns, ...scene.skips];
  const n = rng.below(world.rows.size);

  const oneRun = async () => {
    const watch = new Watch(world, { skips, has: (other) => other === n, mayRepeat: true });
    let last;
    for await (const run of connection.run(`run_${n}`, { skipColumns })) {
      watch.run(run);
      last = run;
      await slowly();
    }
    assert.equal(last?.isFinished, true, `run_${n} ended with ${last?.status}`);
    return watch.checked;
  };
  const streams = new StreamWatch(world);
  const stream = async (key) => {
    for await (const value of connection.stream(`run_${n}`, key)) {
      streams.take(`run_${n}`, key, value);
      await slowly();
    }
    streams.complete(`run_${n}`, key);
    return streams.checked;
  };
  const list = async (followed, has) => {
    const watch = new Watch(world, { skips, has, mayRepeat: true });
    const seen = new Set();
    const isOver = () => scene.isCalm() && watch.isComplete;
    const over = (async () => {
      while (!isOver() && !scene.signal.aborted) await sleep(20);
      return { done: true };
    })();
    const runs = followed[Symbol.asyncIterator]();
    for (let next = runs.next(); ; next = runs.next()) {
      const { done, value } = await Promise.race([next, over]);
      if (done) break;
      for (const run of value) {
        // Of a run that did not change, the list has the same object.
        if (!seen.has(run)) watch.run(run);
        seen.add(run);
      }
      await slowly();
    }
    await runs.return();
    assert.ok(isOver(), `the list ended without ${watch.missing}`);
    return watch.checked;
  };

  const count = 1 + rng.below(TAGS.length);
  const tagged = () => list(connection.runs({ tags: TAGS.slice(0, count) }, { skipColumns }), hasTags(count));
  const inBatch = () => list(connection.batch("batch_1", { skipColumns }), (other) => other % 3 === 0);
  const follows = [oneRun, ...KEYS.map((key) => () => stream(key)), tagged, inBatch].filter(() => !rng.oneIn(3));
  try {
    const checked = await Promise.all(follows.map((follow) => follow()));
    return checked.reduce((sum, one) => sum + one, 0);
  } finally {
    scene.signal.removeEventListener("abort", leave);
    connection.close();
  }
}

/** Every run has the first tag, every second one both. @param {number} count */
const hasTags = (count) => (/** @type {number} */ n) => count === 1 || n % 2 === 0;
