"use strict";

/** The longest wait a timer can take; longer ones would be over at once. */
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
