/**
 * What must come out of our client, computed from what came out of the official one on the same
 * bytes and from the numbered promises of defects.md. No recording is named here.
 */
import assert from "node:assert/strict";
import { KNOWN, TERMINAL } from "./model.mjs";

const NO_FLAGS = {
  isQueued: false,
  isWaiting: false,
  isExecuting: false,
  isCompleted: false,
  isFailed: false,
  isSuccess: false,
  isCancelled: false,
};

/**
 * @typedef {object} Promised
 * @property {unknown[]} items
 * @property {string[][]} keys of each item, as they are enumerated
 * @property {boolean[]} finished `isFinished` of each item
 * @property {'ends' | 'error' | 'waits'} end
 * @property {number} [status] of the error
 */

/**
 * @param {import('./scenario.mjs').Followed} official
 * @param {import('./model.mjs').FeedModel} model of the answers the official client was given
 * @param {{ stopOnCompletion?: boolean }} [options]
 * @returns {Promised}
 */
export function promised(official, model, { stopOnCompletion = true } = {}) {
  const { emissions, fatal } = model;
  // If this does not hold, the harness misreads the feed and the promises below mean nothing.
  assert.equal(official.items.length, emissions.length, "the official client yields a row for each published one");
  const items = [];
  const finished = [];
  const keys = [];
  for (const [index, { row, changed }] of emissions.entries()) {
    // 13: rows that did not change are not re-emitted.
    if (!changed) continue;
    const terminal = TERMINAL.has(row.status);
    // 21: an unknown status is passed through as it is.
    items.push(
      KNOWN.has(row.status) ? official.items[index] : { ...official.items[index], ...NO_FLAGS, status: row.status },
    );
    finished.push(terminal);
    keys.push(official.keys[index]);
    // 18, 22: the status shows the end, whatever `completedAt` says.
    if (terminal && stopOnCompletion) return { items, keys, finished, end: "ends" };
  }
  // 1: a fatal answer rejects; the official client stays pending.
  if (fatal) return { items, keys, finished, end: "error", status: fatal.status };
  return { items, keys, finished, end: "waits" };
}

/**
 * @param {import('./scenario.mjs').Followed} ours
 * @param {Promised} expected
 */
export function assertKept(ours, expected) {
  const rest = ours.items.map(({ isFinished, ...run }) => run);
  assert.deepEqual(rest, expected.items);
  assert.deepEqual(ours.keys, expected.keys, "the same keys in the same order");
  // 21: `isFinished` is added beside the official flags.
  assert.deepEqual(
    ours.items.map((run) => run.isFinished),
    expected.finished,
  );
  assertEnd(ours, expected);
}

/** How it ended, without the items. */
export function assertEnd(ours, expected) {
  switch (expected.end) {
    case "ends":
      assert.equal(ours.error, null);
      assert.equal(ours.ended, true, "ends by itself");
      break;
    case "waits":
      assert.equal(ours.error, null);
      assert.equal(ours.hung, true, "waits for more");
      break;
    case "error":
      assert.equal(ours.error?.name, "TriggerApiError");
      assert.equal(ours.error.status, expected.status);
      break;
    default:
      assert.fail(`no such end: ${expected.end}`);
  }
}

/** Whether `part` is `whole` with items left out, and the same last item. */
export function assertCoalesced(part, whole) {
  let at = 0;
  for (const item of part) {
    while (at < whole.length && !isDeepEqual(item, whole[at])) at += 1;
    assert.ok(at < whole.length, "every item is one the feed went through, in order");
    at += 1;
  }
  // 9: the final state is never lost.
  assert.deepEqual(part.at(-1), whole.at(-1));
}

function isDeepEqual(a, b) {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}
