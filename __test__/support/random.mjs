// Random choices that can be repeated: the seed is printed, and TEST_SEED sets it.

/** @param {import("node:test").TestContext} t */
export function random(t) {
  const seed = Number(process.env.TEST_SEED) || (Math.random() * 2 ** 31) >>> 0 || 1;
  t.diagnostic(`seed ${seed}: repeat with TEST_SEED=${seed}`);
  let state = seed;
  /** mulberry32: small, and good enough to choose test data. */
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(next() * n);
  return {
    next,
    below,
    pick: (list) => list[below(list.length)],
    chance: (p) => next() < p,
    times: (most, make) => Array.from({ length: below(most + 1) }, make),
  };
}
