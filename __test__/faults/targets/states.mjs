// What a reader of runs was given: the states of each run, by the number in its metadata.

import assert from "node:assert/strict";

/** The number in the metadata of a run's last state. */
export const LAST = 9;

/** The columns of a run's state: 0 is its first, `LAST` its final one. */
export function columnsOf(number) {
  if (number < LAST) return { status: "EXECUTING", metadata: { number } };
  const output = JSON.stringify({ number });
  return { status: "COMPLETED_SUCCESSFULLY", completedAt: Date.now(), metadata: { number }, output };
}

export class States {
  /** @param {string[]} ids */
  constructor(ids) {
    this.seen = new Map(ids.map((id) => [id, []]));
  }

  /** @param {string} id @param {{ number: number, isFinal: boolean }} state */
  add(id, state) {
    assert.ok(this.seen.has(id), `a run that was not asked for: ${id}`);
    this.seen.get(id).push(state);
  }

  /** Whether each run has a state. */
  get isBegun() {
    return [...this.seen.values()].every((states) => states.length > 0);
  }

  /** Whether the final state of each run came. */
  get isOver() {
    return [...this.seen.values()].every((states) => states.at(-1)?.isFinal);
  }

  /** Final states came; none came twice, and none is older than one before. A server tells the latest state, not each. */
  check({ isOver = true } = {}) {
    for (const [id, states] of this.seen) {
      const numbers = states.map(({ number }) => number);
      for (const [n, number] of numbers.entries()) {
        assert.ok(n === 0 || number > numbers[n - 1], `${id}: a state came again, or late: ${numbers}`);
      }
      if (!isOver) continue;
      assert.deepEqual(states.at(-1), { number: LAST, isFinal: true }, `${id}: ${numbers}`);
    }
  }
}
