/** How bytes are cut into writes. Every client must see the same values whatever the cuts. */

/** `TEST_SEED`, or any other. To be printed, so that a failure can be repeated. */
export const anySeed = () => Number(process.env.TEST_SEED) || 1 + Math.floor(Math.random() * 2 ** 31);

/** A small seeded generator (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** In longer bodies only so many bytes at either end are sent one by one, and the middle in 64 parts. */
const BYTEWISE = 64;

function cutEvery(bytes, size) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size));
  return parts;
}

/**
 * `recorded`: as many parts as were recorded.
 *
 * @typedef {{ kind: 'whole' | 'byte' } | { kind: 'recorded', count: number } | { kind: 'random', next: () => number }} Mode
 *
 * @param {Buffer} bytes the body as it goes over the wire
 * @param {Mode} mode
 * @returns {Buffer[]}
 */
export function cut(bytes, mode) {
  if (bytes.length === 0) return [];
  switch (mode.kind) {
    case "whole":
      return [bytes];
    case "byte": {
      if (bytes.length <= 2 * BYTEWISE) return cutEvery(bytes, 1);
      const end = bytes.length - BYTEWISE;
      return [
        ...cutEvery(bytes.subarray(0, BYTEWISE), 1),
        ...cutEvery(bytes.subarray(BYTEWISE, end), Math.ceil((end - BYTEWISE) / 64)),
        ...cutEvery(bytes.subarray(end), 1),
      ];
    }
    case "recorded":
      return cutEvery(bytes, Math.ceil(bytes.length / Math.max(1, mode.count)));
    case "random": {
      const parts = [];
      let at = 0;
      while (at < bytes.length) {
        // Mostly small parts; large bodies are not cut into thousands.
        const most = mode.next() < 0.5 ? 7 : Math.max(64, bytes.length / 8);
        const size = 1 + Math.floor(mode.next() * most);
        parts.push(bytes.subarray(at, at + size));
        at += size;
      }
      return parts;
    }
    default:
      throw new Error(`no such chunk mode: ${mode.kind}`);
  }
}
