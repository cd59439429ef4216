"use strict";

/**
 * Callbacks for the abort of a user's signal. Each signal gets one listener, however many calls wait for it: Node warns
 * of a leak above ten.
 */

const { abortError } = require("../errors/errors.js");

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

/**
 * Throws the reason of an aborted signal. `signal.throwIfAborted()` is not called: the signals of polyfills,
 * such as the package abort-controller, have no such function.
 *
 * @param {AbortSignal | undefined} signal
 */
function throwIfAborted(signal) {
  if (signal?.aborted) throw abortError(signal);
}

/**
 * Requests by their signals. Node aborts the signal of a request only while the request is there, and not the signal alone:
 * a client that leaves would not be noticed once the request was collected.
 *
 * @type {WeakMap<AbortSignal, object>}
 */
const requests = new WeakMap();

/**
 * The signal of a request, which is aborted for as long as somebody listens to it.
 *
 * @param {{ signal?: AbortSignal | null } | null | undefined} request
 * @returns {AbortSignal | undefined}
 */
function signalOf(request) {
  const signal = request?.signal ?? undefined;
  if (signal && request) requests.set(signal, request);
  return signal;
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

module.exports = { onAbort, closeOnAbort, signalOf, throwIfAborted };
