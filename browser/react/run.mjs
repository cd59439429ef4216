"use client";
// One run, alone or with its streams.

import { useEffect, useRef } from "react";
import { tokenOf, useAccess } from "./access.mjs";
import { named, useFollower } from "./follower.mjs";
import { throttle, throttleOf } from "./following.mjs";
import { subscribeToParts } from "./parts.mjs";
import { useView } from "./view.mjs";

/** @typedef {import("../../types/run.js").AnyRealtimeRun} Run */
/** @typedef {import("../../types/react.js").UseRealtimeSingleRunOptions} Options */
/** @typedef {import("./follower.mjs").Follow} Follow */

/**
 * @typedef {object} RunView
 * @property {string | undefined} id of the run that the rest is of
 * @property {Run | undefined} run
 * @property {boolean} over whether `run` is as it will be
 * @property {Record<string, unknown[]>} streams
 * @property {Map<string, string | undefined>} places the place after the last part of each stream
 * @property {Error | undefined} error of the run
 * @property {Error | undefined} failure of a stream
 */

/** @type {RunView} */
const NOTHING = {
  id: undefined,
  run: undefined,
  over: false,
  streams: {},
  places: new Map(),
  error: undefined,
  failure: undefined,
};

/** @param {string} [runId] @param {Options} [options] */
export function useRealtimeRun(runId, options) {
  const { run, error, stop } = useRunView(runId, options, false);
  return { run, error, stop };
}

/** @param {string} [runId] @param {Options} [options] */
export function useRealtimeRunWithStreams(runId, options) {
  const { run, streams, error, stop } = useRunView(runId, options, true);
  return { run, streams, error, stop };
}

/**
 * @param {string | undefined} runId
 * @param {Options | undefined} options
 * @param {boolean} withStreams
 */
function useRunView(runId, options, withStreams) {
  const access = useAccess(options);
  const [view, state] = useView("run", options?.id, NOTHING);
  // What another run showed is not shown as this one's. A component that only names an `id` shows what others follow.
  const { failure, ...own } = runId && state.id !== runId ? NOTHING : state;
  const shown = withStreams ? { ...own, error: own.error ?? failure } : own;
  const { skipColumns, stopOnCompletion = true } = options ?? {};
  const subject = runId ? JSON.stringify([runId, stopOnCompletion, skipColumns ?? [], withStreams]) : undefined;
  const stop = useFollower(access, options, subject, view, shown.error, (follow) => {
    const id = /** @type {string} */ (runId);
    if (view.get().id !== id) view.show({ ...NOTHING, id });
    // Components with the same `id` may be given another run: what is shown is that of the last one.
    const isShown = () => view.get().id === id;
    const streams = withStreams ? streamsOf(id, follow, view, throttleOf(options)) : undefined;
    const leave = follow.connection
      .run(id, { accessToken: follow.accessToken, stopOnCompletion, ...(skipColumns ? { skipColumns } : {}) })
      .subscribe(({ value, state, error }) => {
        if (!isShown()) return;
        const run = /** @type {Run | undefined} */ (value) ?? view.get().run;
        const over = Boolean(run?.isFinished && (state === "ended" || !stopOnCompletion));
        view.show({ run, over, error: named(error) });
        if (run) streams?.open(run);
      });
    return () => {
      leave();
      streams?.leave();
    };
  });
  useCompletion(shown, options?.onComplete);
  return { ...shown, stop };
}

/**
 * Calls back once for each run, with its last state, when that was shown; also where other runs were shown in between.
 *
 * @param {Pick<RunView, "run" | "over" | "error">} shown
 * @param {Options["onComplete"]} onComplete
 */
function useCompletion({ run, over, error }, onComplete) {
  const called = useRef(/** @type {Set<string>} */ (new Set()));
  useEffect(() => {
    if (!run || !over || !onComplete || called.current.has(run.id)) return;
    called.current.add(run.id);
    onComplete(run, error);
  }, [run, over, error, onComplete]);
}

/**
 * The streams that a run names, as they come to be known. Each is followed once for the view, whatever else its components
 * follow of the run.
 *
 * @param {string} id
 * @param {Follow} follow
 * @param {import("./view.mjs").View<RunView>} view
 * @param {number} ms between two updates
 */
function streamsOf(id, { connection, shared, scope }, view, ms) {
  /** @type {Map<string, () => void>} */
  const open = new Map();
  /** Of one component that follows the run in two ways, each is a member. */
  const own = {
    get current() {
      return shared.current;
    },
  };
  /** Of each stream. Keys are whatever a task names, such as "constructor". @type {Map<string, unknown[]>} */
  const waiting = new Map();
  /** The place after those. @type {Map<string, string | undefined>} */
  const reached = new Map();
  const updates = throttle(() => {
    if (view.get().id !== id) return;
    const next = new Map(Object.entries(view.get().streams));
    for (const [key, chunks] of waiting) next.set(key, [...(next.get(key) ?? []), ...chunks]);
    waiting.clear();
    view.show({ streams: Object.fromEntries(next), places: new Map([...view.get().places, ...reached]) });
    reached.clear();
  }, ms);
  /** @param {string} key @param {import("./shared-follow.mjs").SharedFollow} shared those who follow the stream */
  const start = (key, shared) => {
    if (view.get().failure) view.show({ failure: undefined });
    const lastEventId = view.get().places.get(key);
    const options = { accessToken: tokenOf(shared), ...(lastEventId ? { lastEventId } : {}) };
    const stream = connection.stream(id, key, options);
    const leave = subscribeToParts(stream, (state, parts) => {
      if (parts.length > 0) {
        const chunks = waiting.get(key) ?? [];
        for (const { chunk } of parts) chunks.push(chunk);
        waiting.set(key, chunks);
        reached.set(key, state.lastEventId);
        updates.push(undefined);
      }
      const { failure } = view.get();
      if (state.error && state.error !== failure && view.get().id === id) view.show({ failure: named(state.error) });
    });
    return () => {
      leave();
      // Who goes on with it begins after what came.
      updates.flush();
    };
  };
  return {
    /** @param {Run} run */
    open(run) {
      for (const key of keysOf(run)) {
        if (open.has(key)) continue;
        open.set(key, () => {});
        const subject = JSON.stringify([...scope, "stream", id, key]);
        open.set(
          key,
          view.follow(subject, own, (shared) => start(key, shared)),
        );
        if (view.get().failure) view.retry(subject, own, own.current.access.accessToken);
      }
    },
    leave() {
      for (const leave of open.values()) leave();
      updates.flush();
    },
  };
}

/** The keys of a run's streams: metadata has them where a task wrote them the older way. @param {Run} run @returns {string[]} */
function keysOf({ metadata, realtimeStreams }) {
  const older = metadata?.$$streams;
  if (Array.isArray(older) && older.length > 0 && older.every((key) => typeof key === "string")) return older;
  return realtimeStreams ?? [];
}
