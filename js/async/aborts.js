"use strict";

/**
 * What is done when a signal of the user's is aborted: one listener of ours for each signal, however much of ours waits
 * for it. Node warns of a leak where there are more than ten.
 */

/** @typedef {{ work: Set<{ do: () => void }>, listener: () => void }} Listening */

/** @type {WeakMap<AbortSignal, Listening>} */
const listening = new WeakMap();

/**
 * Has `work` done once `signal` is aborted, unless what this gives is called before.
 *
 * @param {AbortSignal | undefined} signal not aborted yet; without one nothing is done
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

/** @param {AbortSignal} signal */
function listenTo(signal) {
  const work = new Set();
  const listener = () => {
    listening.delete(signal);
    // What is done may take others out, which then are not done.
    for (const entry of work) entry.do();
  };
  const known = { work, listener };
  listening.set(signal, known);
  signal.addEventListener("abort", listener, { once: true });
  return known;
}

function noop() {}

module.exports = { onAbort };
