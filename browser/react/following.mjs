"use client";
// How long a hook follows something: while it is mounted and enabled, until `stop()`.

import { useCallback, useEffect, useRef } from "react";

/**
 * Follows while `subject` is a text, and anew when that is another. What is followed does not depend on which objects
 * and functions a render makes: the last ones are used.
 *
 * @param {string | undefined} subject `undefined` waits
 * @param {unknown} view what it is followed for: for another one it is followed anew
 * @param {(subject: string) => () => void} start gives the function that leaves
 * @returns {() => void} stops it
 */
export function useFollowing(subject, view, start) {
  const latest = useRef(start);
  useEffect(() => {
    latest.current = start;
  });
  /** @type {{ current: (() => void) | undefined }} */
  const leave = useRef(undefined);
  const stop = useCallback(() => {
    const leaving = leave.current;
    // What it is told as it leaves may have it follow anew.
    leave.current = undefined;
    leaving?.();
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another view is shown from its beginning
  useEffect(() => {
    if (subject === undefined) return undefined;
    leave.current = latest.current(subject);
    return stop;
  }, [subject, view, stop]);
  return stop;
}

/**
 * Calls at once, then at most every so many milliseconds, and with the last value always.
 *
 * @template T
 * @param {(value: T) => void} call
 * @param {() => number} spacing the milliseconds, which may change: 0 calls each time
 */
export function throttle(call, spacing) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {{ value: T } | undefined} */
  let waiting;
  const tick = () => {
    timer = undefined;
    if (!waiting) return;
    const { value } = waiting;
    waiting = undefined;
    timer = setTimeout(tick, spacing());
    call(value);
  };
  return {
    /** @param {T} value */
    push(value) {
      if (timer === undefined && !(spacing() > 0)) return call(value);
      waiting = { value };
      if (timer === undefined) tick();
    },
    /** Calls with what waits, at once: for the last time, unless more is pushed. */
    flush() {
      clearTimeout(timer);
      timer = undefined;
      const last = waiting;
      waiting = undefined;
      if (last) call(last.value);
    },
  };
}

/**
 * Shows what is followed, as often as the component has it that is there; before one goes, what waits is shown.
 *
 * @template T
 * @param {import("./shared-follow.mjs").SharedFollow} shared
 * @param {(value: T) => void} show
 */
export function updatesOf(shared, show) {
  const updates = throttle(show, () => shared.current.options?.throttleInMs ?? 16);
  shared.flush = updates.flush;
  return updates;
}
