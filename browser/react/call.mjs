"use client";
// A call that a component makes: its state, and the answer of the last one.

import { useCallback, useInsertionEffect, useRef, useState } from "react";
import { scopeOf } from "./access.mjs";

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
 * What came of a call of one user is not shown to another, nor what came of one task, token or stream for the next.
 *
 * @template {unknown[]} A
 * @template T
 * @param {import("./access.mjs").Access} access
 * @param {unknown} subject what is called
 * @param {(...args: A) => Promise<T>} call
 * @returns {[(...args: A) => void, CallState<T>]}
 */
export function useCall(access, subject, call) {
  const of = JSON.stringify([scopeOf(access), subject]);
  /** @type {CallState<T> & { of: string }} */
  const none = { isLoading: false, data: undefined, error: undefined, of };
  const [state, setState] = useState(none);
  const latest = useRef({ call, none });
  // Before any other effect of the page, which may make the call.
  useInsertionEffect(() => {
    latest.current = { call, none };
  });
  const count = useRef(0);
  const make = useCallback((/** @type {A} */ ...args) => {
    const own = ++count.current;
    const { call, none } = latest.current;
    /** @param {Partial<CallState<T>>} changes */
    const show = (changes) => {
      if (own !== count.current) return;
      setState((before) => ({ ...(before.of === none.of ? before : none), ...changes }));
    };
    show({ isLoading: true });
    new Promise((/** @type {(value: T | Promise<T>) => void} */ resolve) => resolve(call(...args))).then(
      (data) => show({ isLoading: false, data, error: undefined }),
      (/** @type {Error} */ error) => show({ isLoading: false, error }),
    );
  }, []);
  return [make, state.of === of ? state : none];
}
