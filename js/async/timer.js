"use strict";

/** The longest delay of a timer, in milliseconds. Node fires a longer one at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * Calls `work` after `ms`, or after 24.8 days where that is less.
 *
 * @param {number} ms
 * @param {() => void} work
 */
function after(ms, work) {
  return setTimeout(work, Math.min(ms, MAX_DELAY_MS));
}

module.exports = { after };
