"use client";
// A call that a component makes: its state, and the answer of the last one.

import { useCallback, useInsertionEffect, useRef, useState } from "react";

/**
 * @template T
 * @typedef {object} CallState
 * @property {boolean} isLoading
 * @property {T | undefined} data of the last call that succeeded
 * @property {Error | undefined} error of the last call, if it failed
 */

/**
 * A call is made at once, with what the component was rendered with by then: a handler that calls and then goes on to the next
 * thing means the one before. Of calls that overlap the last one counts. A failure is in `error`, and is never an unhandled rejection.
 *
 * @template {unknown[]} A
 * @template T
 * @param {(...args: A) => Promise<T>} call
 * @returns {[(...args: A) => void, CallState<T>]}
 */
export function useCall(call) {
  const [state, setState] = useState(
    /** @type {CallState<T>} */ ({ isLoading: false, data: undefined, error: undefined }),
  );
  const latest = useRef(call);
  // Before any other effect of the page, which may make the call.
  useInsertionEffect(() => {
    latest.current = call;
  });
  const count = useRef(0);
  const make = useCallback((/** @type {A} */ ...args) => {
    const own = ++count.current;
    setState(({ data, error }) => ({ isLoading: true, data, error }));
    new Promise((/** @type {(value: T | Promise<T>) => void} */ resolve) => resolve(latest.current(...args))).then(
      (data) => own === count.current && setState({ isLoading: false, data, error: undefined }),
      (/** @type {Error} */ error) =>
        own === count.current && setState(({ data }) => ({ isLoading: false, data, error })),
    );
  }, []);
  return [make, state];
}
