"use strict";

const { onAbort, throwIfAborted } = require("./aborts.js");
const { TimeoutError, abortError, fromNative } = require("../errors/errors.js");
const native = require("../native/native.js");
const { after } = require("./timer.js");

/** @typedef {{ signal?: AbortSignal, timeoutInMs?: number }} Bounds what ends a call before it is done */
/** @typedef {import("../native/addon.js").Cancel} Cancel */
/** @template T @typedef {import("../native/addon.js").Json<T>} Json */
/** @template T @typedef {import("../native/addon.js").Outcome<T>} Outcome */

/**
 * Makes a native call within the caller's bounds, and unwraps its outcome.
 *
 * @template T
 * @param {Bounds | undefined} bounds
 * @param {(cancel: Cancel | null, timeoutMs: number | null) => Promise<Json<Outcome<T>>>} call
 * @returns {Promise<T>} the value under `ok`
 * @throws the signal's reason when it aborts; otherwise the call's own typed error
 */
async function bounded(bounds, call) {
  const { signal, timeoutInMs } = bounds ?? {};
  throwIfAborted(signal);
  const cancel = signal ? new native.Cancel() : null;
  const off = onAbort(signal, () => cancel?.cancel());
  try {
    const outcome = JSON.parse(await call(cancel, timeoutInMs ?? null));
    if (outcome.error) throw outcome.error.kind === "aborted" ? abortError(signal) : fromNative(outcome);
    return outcome.ok;
  } finally {
    off();
  }
}

/**
 * Waits for work that cannot be cancelled, within the caller's bounds. The work itself goes on.
 *
 * @template T
 * @param {Bounds | undefined} bounds
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 * @throws the signal's reason when it aborts, a TimeoutError when the time is up; otherwise what the work throws
 */
function waitWithin(bounds, work) {
  const { signal, timeoutInMs } = bounds ?? {};
  if (signal === undefined && timeoutInMs === undefined) return work;
  return new Promise((resolve, reject) => {
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    let off = () => {};
    const over = () => {
      clearTimeout(timer);
      off();
    };
    // The work is awaited even after the caller left: a late failure must not become an unhandled rejection.
    work.then(resolve, reject).finally(over);
    if (signal?.aborted) return reject(abortError(signal));
    if (timeoutInMs !== undefined) {
      timer = after(timeoutInMs, () => {
        off();
        reject(new TimeoutError("ERR_TIMEOUT", `the call took longer than timeoutInMs: ${timeoutInMs} ms`));
      });
    }
    off = onAbort(signal, () => {
      clearTimeout(timer);
      reject(abortError(signal));
    });
  });
}

module.exports = { bounded, waitWithin };
