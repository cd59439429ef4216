// Which mutants a run takes: a sample by seed, the same on every machine. Pure.

/** @typedef {import("./weave.mjs").Listed} Listed */

/** The folder that a mutant counts for: `src/hub`, or `src` for a file at its top. @param {{ file: string }} mutant */
export function folderOf({ file }) {
  const [top = "", folder, rest] = file.split("/");
  return rest === undefined ? top : `${top}/${folder}`;
}

/** A mutant's name without its place, which every edit above it moves. @param {Listed} mutant */
export const nameOf = ({ name }) => name.replace(/^([^:]+):\d+:\d+:/, "$1:");

/** Numbers in [0, 1) from a seed (mulberry32). @param {number} seed */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * All of `mutants` in an order that the seed decides. The order within a group does not depend on the other groups.
 *
 * @template {Listed} T
 * @param {readonly T[]} mutants
 * @param {number} seed
 * @param {string} group
 * @returns {T[]}
 */
export function shuffled(mutants, seed, group) {
  let mixed = seed;
  for (const character of group) mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x01000193);
  const next = random(mixed);
  const order = [...mutants].sort((one, other) => (one.name < other.name ? -1 : 1));
  for (let at = order.length - 1; at > 0; at -= 1) {
    const other = Math.floor(next() * (at + 1));
    [order[at], order[other]] = [/** @type {T} */ (order[other]), /** @type {T} */ (order[at])];
  }
  return order;
}

/**
 * One of each list in turn: a run that ends early has tested as many of each.
 *
 * @template T
 * @param {readonly (readonly T[])[]} lists
 * @returns {T[]}
 */
export function inTurn(lists) {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) => lists.flatMap((list) => list.slice(at, at + 1))).flat();
}
