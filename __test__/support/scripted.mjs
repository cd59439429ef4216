/**
 * Scripted servers fail their test: by a handler that throws, and by an answer in a list that no request asked for. Either
 * means that the test did not play what it says. Both are thrown by the server's `stop()`; of a server that nothing
 * stopped, at the end of the file.
 */
import assert from "node:assert/strict";
import { after } from "node:test";

/** Servers that run, by what is wrong with them. @type {Set<() => Error | undefined>} */
const running = new Set();

after(() => {
  const found = [...running].flatMap((problem) => problem() ?? []);
  running.clear();
  assert.deepEqual(found, [], "scripted servers that nothing stopped");
});

/**
 * Watches a server until it stops.
 *
 * @param {{ unasked?: () => string[] }} script
 * @param {Error[]} failures of its handler
 * @returns {() => void} to be called when the server stops: throws what is wrong with it
 */
export function watched(script, failures) {
  const problem = () => {
    const unasked = script.unasked?.() ?? [];
    if (failures.length > 0 || unasked.length === 0) return failures[0];
    return new Error(`answers that no request asked for: ${unasked.join("; ")}`);
  };
  running.add(problem);
  return () => {
    running.delete(problem);
    const error = problem();
    if (error) throw error;
  };
}

/** @typedef {{ isOptional?: true }} Optional what no request has to ask for */

/**
 * A list of answers, given in order; the last one is repeated, or `otherwise` follows it.
 *
 * @template {Optional} T
 * @param {string} name
 * @param {T[]} list
 * @param {T} [otherwise]
 * @returns {{ next: () => T, unasked: () => string[] }}
 */
export function answersOf(name, list, otherwise = list.at(-1)) {
  const needed = list.findLastIndex((answer) => !answer.isOptional) + 1;
  let given = 0;
  return {
    next: () => list[given++] ?? otherwise,
    unasked: () => (given < needed ? [`${name}, ${given} of ${needed}`] : []),
  };
}

/** An answer that a client may ask for or not: a test that uses it says which clients do not. @template T @param {T} answer */
export const maybe = (answer) => Object.assign((...given) => answer(...given), { isOptional: true });
