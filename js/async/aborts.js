"use strict";

/**
 * Callbacks for the abort of a user's signal. Each signal gets one listener, however many calls wait for it: Node warns
 * of a leak above ten.
 */

/** @typedef {{ work: Set<{ do: () => void }>, listener: () => void }} Listening */

/** @type {WeakMap<AbortSignal, Listening>} */
const listening = new WeakMap();

/**
 * Calls `work` once `signal` is aborted, unless the returned function is called before.
 *
 * @param {AbortSignal | undefined} signal not aborted yet; without one nothing happens
 * @param {() => void} work must not throw
 * @returns {() => void}
 */
function onAbort(signal, work) {
  if (signal === undefined) return noop;
  const entry = { do: work };
  const known = listening.get(signal) ?? listenTo(signal);
  known.work.add(entry);
  return () => {
    known.work.delete(entry);
    if (known.work.size > 0 || listening.get(signal) !== known) return;
    listening.delete(signal);
    signal.removeEventListener("abort", known.listener);
  };
}

/**
 * Calls `close` at once where `signal` is aborted, before anything is sent (defect 17), else once it is.
 *
 * @param {AbortSignal | undefined} signal without one nothing happens
 * @param {() => void} close must not throw
 * @returns {() => void} as that of `onAbort`
 */
function closeOnAbort(signal, close) {
  if (signal && !signal.aborted) return onAbort(signal, close);
  if (signal) close();
  return noop;
}

/** @param {AbortSignal} signal */
function listenTo(signal) {
  /** @type {Listening["work"]} */
  const work = new Set();
  const listener = () => {
    listening.delete(signal);
    // A callback may remove others, which are not called then.
    for (const entry of work) entry.do();
  };
  const known = { work, listener };
  listening.set(signal, known);
  signal.addEventListener("abort", listener, { once: true });
  return known;
}

function noop() {}

module.exports = { onAbort, closeOnAbort };
