"use client";
// A call that a component makes: its state, and the answer of the last one.

import { useCallback, useEffect, useRef, useState } from "react";

/**
 * @template T
 * @typedef {object} CallState
 * @property {boolean} isLoading
 * @property {T | undefined} data of the last call that succeeded
 * @property {Error | undefined} error of the last call, if it failed
 */

/**
 * Of calls that overlap the last one counts. A failure is in `error`, and is never an unhandled rejection.
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
  useEffect(() => {
    latest.current = call;
  });
  const count = useRef(0);
  const make = useCallback((/** @type {A} */ ...args) => {
    const own = ++count.current;
    setState(({ data, error }) => ({ isLoading: true, data, error }));
    Promise.resolve()
      .then(() => latest.current(...args))
      .then(
        (data) => own === count.current && setState({ isLoading: false, data, error: undefined }),
        (/** @type {Error} */ error) =>
          own === count.current && setState(({ data }) => ({ isLoading: false, data, error })),
      );
  }, []);
  return [make, state];
}
