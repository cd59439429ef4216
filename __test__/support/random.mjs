// Random choices that can be repeated: the seed is printed, and TEST_SEED sets it.

import { anySeed, random as seeded } from "./chunks.mjs";

/** @param {import("node:test").TestContext} t */
export function random(t) {
  const seed = anySeed();
  t.diagnostic(`seed ${seed}: repeat with TEST_SEED=${seed}`);
  const next = seeded(seed);
  const below = (n) => Math.floor(next() * n);
  return {
    next,
    below,
    pick: (list) => list[below(list.length)],
    chance: (p) => next() < p,
    times: (most, make) => Array.from({ length: below(most + 1) }, make),
  };
}
