// Waits with an end: a cell that hangs fails, and says for what it waited.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

/** @template T @param {Promise<T>} promise @param {number} ms @param {string} what */
export async function within(promise, ms, what) {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).then(
    () => assert.fail(`not within ${ms} ms: ${what}`),
    () => new Promise(() => {}),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/** Waits until `look` gives 0; fails with what it gives otherwise. */
export async function none(look, ms, what) {
  let found;
  for (const end = performance.now() + ms; performance.now() < end; await sleep(25)) {
    found = await look();
    if (found === 0) return;
  }
  assert.fail(`left after ${ms} ms: ${found} ${what}`);
}
