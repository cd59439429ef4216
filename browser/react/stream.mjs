"use client";
// A stream of a run.

import { useMemo } from "react";
import { scopeOf, useAccess } from "./access.mjs";
import { named, useFollower } from "./follower.mjs";
import { updatesOf } from "./following.mjs";
import { subscribeToParts } from "./parts.mjs";
import { useView } from "./view.mjs";

/** @typedef {import("../../types/connect.js").StreamPart<any>} Part `any`: a part of any stream */
/** @typedef {import("../../types/react.js").UseRealtimeStreamOptions<any>} Options `any`: of any stream */

/**
 * @typedef {object} StreamView
 * @property {string | undefined} subject that the rest is of
 * @property {any[]} parts `any`: the values that a task wrote
 * @property {string | undefined} lastEventId
 * @property {Error | undefined} error
 */

/** @type {StreamView} */
const NOTHING = { subject: undefined, parts: [], lastEventId: undefined, error: undefined };

/**
 * Takes a run's id and a key, a run's id alone, or a defined stream and a run's id.
 *
 * @param {string | { id: string } | undefined} first
 * @param {string | Options} [second]
 * @param {Options} [third]
 */
export function useRealtimeStream(first, second, third) {
  const [runId, key, options] = argumentsOf(first, second, third);
  return useStream(runId, key, options);
}

/**
 * @param {string | { id: string } | undefined} first
 * @param {string | Options} [second]
 * @param {Options} [third]
 * @returns {[string | undefined, string, Options | undefined]}
 */
export function argumentsOf(first, second, third) {
  if (typeof first === "object" && first !== null) {
    if (second !== undefined && typeof second !== "string") {
      throw new Error("useRealtimeStream takes the id of a run after a defined stream.");
    }
    return [second, first.id, third];
  }
  return typeof second === "string" ? [first, second, third] : [first, "default", second ?? third];
}

/** @param {string | undefined} runId @param {string} key @param {Options | undefined} options */
function useStream(runId, key, options) {
  const access = useAccess(options);
  const scope = scopeOf(access);
  const subject = runId ? JSON.stringify([...scope, runId, key]) : undefined;
  const [view, state] = useView(`stream ${key}`, options?.id, scope, subject, NOTHING);
  const shown = subject && state.subject !== subject ? NOTHING : state;
  const stop = useFollower(access, options, subject, view, shown.error, ({ connection, accessToken, shared }) => {
    view.begin(subject);
    /** @type {Part[]} */
    let waiting = [];
    /** @type {string | undefined} */
    let reached;
    const updates = updatesOf(shared, (/** @type {Error | undefined} */ error) => {
      const batch = waiting;
      waiting = [];
      if (batch.length === 0) return view.show({ error });
      const parts = newest([...view.get().parts, ...batch.map(({ chunk }) => chunk)], mostParts(shared.members));
      view.show({ parts, lastEventId: reached, error });
      // Each has an array of its own: one may take out what it was told.
      for (const { current } of shared.members) call(current.options?.onParts, [...batch]);
    });
    const place = placeOf(view.get().lastEventId, shared.current.options);
    shared.fits = (options) => (options?.timeoutInSeconds || undefined) === place.timeoutInSeconds;
    const stream = connection.stream(runId, key, { accessToken, ...place });
    const leave = subscribeToParts(stream, ({ state, lastEventId, error }, parts) => {
      if (shared.recovers(error)) return;
      named(error);
      if (state === "live") shared.works();
      for (const part of parts) waiting.push(part);
      reached = lastEventId;
      if (parts.length > 0 || error !== view.get().error) updates.push(error);
      for (const { chunk } of parts) for (const { current } of shared.members) call(current.options?.onData, chunk);
      // Nothing more comes that it could be shown with.
      if (state === "ended") updates.flush();
    });
    return () => {
      leave();
      updates.flush();
    };
  });
  const maxParts = options?.maxParts;
  const parts = useMemo(() => newest(shown.parts, maxParts), [shown.parts, maxParts]);
  return { parts, lastEventId: shown.lastEventId, error: shown.error, stop };
}

/**
 * Calls back. The fault of one callback is nothing to the others, and is not hidden.
 *
 * @template T
 * @param {((value: T) => void) | undefined} callback
 * @param {T} value
 */
function call(callback, value) {
  try {
    callback?.(value);
  } catch (error) {
    Promise.reject(error);
  }
}

/**
 * Where a stream is gone on with, and how much of it is kept.
 *
 * @param {string | undefined} reached by this view
 * @param {Options | undefined} options
 */
function placeOf(reached, options) {
  const { startIndex, timeoutInSeconds, maxParts } = options ?? {};
  const given = options?.lastEventId;
  const lastEventId = reached ?? (given != null ? String(given) : startIndex ? String(startIndex - 1) : undefined);
  return {
    ...(lastEventId ? { lastEventId } : {}),
    ...(timeoutInSeconds ? { timeoutInSeconds } : {}),
    ...(isBound(maxParts) ? { maxParts } : {}),
  };
}

/** @param {unknown} max @returns {max is number} */
function isBound(max) {
  return typeof max === "number" && max >= 0;
}

/** The most parts that one of the components shows. @param {Iterable<import("./shared-follow.mjs").Member>} members */
function mostParts(members) {
  const each = Array.from(members, ({ current }) => current.options?.maxParts);
  return each.length > 0 && each.every(isBound) ? Math.max(...each) : undefined;
}

/** @template T @param {T[]} parts @param {number | undefined} max */
function newest(parts, max) {
  return isBound(max) && parts.length > max ? parts.slice(parts.length - max) : parts;
}
