// Seeded choices, and the texts that readers of JSON, of arrays and of events trip over.

/** A small seeded generator (mulberry32) with what cases are made of. @param {number} seed */
export function choices(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (/** @type {number} */ n) => Math.floor(next() * n);
  return {
    below,
    chance: (/** @type {number} */ p) => next() < p,
    /** @template T @param {readonly T[]} list @returns {T} */
    pick: (list) => list[below(list.length)],
    /** @template T @param {number} most @param {() => T} make @returns {T[]} */
    times: (most, make) => Array.from({ length: below(most + 1) }, make),
  };
}

/** @typedef {ReturnType<typeof choices>} Choices */

const TEXTS = [
  "",
  "a",
  "NULL",
  "null",
  "plain text",
  'q"q',
  "back\\slash",
  "a,b",
  "{}",
  "{a}",
  "line\nline\r\n",
  "é ü 🚀 \u2028",
  "\u0000\u001f\u007f",
  "\ud83d",
  "tail\udc00",
  "__proto__",
  "constructor",
  "0",
  "-0",
  "1e400",
  "9007199254740993",
  ": ",
  " leading",
  "data: x",
  "[DONE]",
  "\ufeffbom",
];

/** Any text. @param {Choices} random */
export function text(random) {
  const one = random.pick(TEXTS);
  return random.chance(0.1)
    ? one.repeat(1 + random.below(400))
    : one + random.times(2, () => random.pick(TEXTS)).join("");
}

/** Any value of JSON. @param {Choices} random @param {number} [depth] @returns {any} */
export function value(random, depth = 0) {
  const kind = random.below(depth > 3 ? 5 : 7);
  if (kind === 0) return null;
  if (kind === 1) return random.chance(0.5);
  if (kind === 2) return random.pick([0, -0, 1, -1.5, 1e21, 2 ** 53, 1e-7, 0.1]);
  if (kind < 5) return text(random);
  if (kind === 5) return random.times(3, () => value(random, depth + 1));
  return Object.fromEntries(random.times(3, () => [text(random), value(random, depth + 1)]));
}

/**
 * JSON as another writer has it: with letters as escapes, and with spaces unless it has to be one line.
 *
 * @param {Choices} random @param {any} json @param {boolean} [isLine]
 */
export function written(random, json, isLine = false) {
  const plain = JSON.stringify(json, null, !isLine && random.chance(0.1) ? 2 : undefined);
  if (!random.chance(0.1)) return plain;
  // A letter within a string, and not of an escape.
  return plain.replace(/"(?:[^"\\]|\\.)*"/g, (string) =>
    string.replace(/\\u....|\\.|[a-z]/g, (found) =>
      found.length === 1 && random.chance(0.2) ? `\\u00${found.charCodeAt(0).toString(16)}` : found,
    ),
  );
}
