"use client";
// One run, alone or with its streams.

import { useEffect, useRef } from "react";
import { scopeOf, useAccess } from "./access.mjs";
import { named, useFollower } from "./follower.mjs";
import { updatesOf } from "./following.mjs";
import { subscribeToParts } from "./parts.mjs";
import { useView } from "./view.mjs";

/** @typedef {import("../../types/run.js").AnyRealtimeRun} Run */
/** @typedef {import("../../types/react.js").UseRealtimeSingleRunOptions} Options */
/** @typedef {import("./follower.mjs").Follow} Follow */

/**
 * @typedef {object} RunView
 * @property {string | undefined} subject that the rest is of
 * @property {Run | undefined} run
 * @property {boolean} over whether `run` is as it will be
 * @property {Record<string, unknown[]>} streams
 * @property {Map<string, string | undefined>} places the place after the last part of each stream
 * @property {Error | undefined} error
 */

/** @type {RunView} */
const NOTHING = { subject: undefined, run: undefined, over: false, streams: {}, places: new Map(), error: undefined };

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
  const { skipColumns, stopOnCompletion = true } = options ?? {};
  const scope = scopeOf(access);
  const shownOf = runId ? JSON.stringify([...scope, runId]) : undefined;
  const wanted = [...scope, runId, stopOnCompletion, skipColumns ?? [], withStreams];
  const subject = runId ? JSON.stringify(wanted) : undefined;
  const [view, state] = useView("run", options?.id, scope, subject, NOTHING);
  // What another run showed is not shown as this one's. A component that only names an `id` shows what others follow.
  const shown = shownOf && state.subject !== shownOf ? NOTHING : state;
  const stop = useFollower(access, options, subject, view, shown.error, (follow) => {
    const id = /** @type {string} */ (runId);
    view.begin(shownOf);
    /** Of the run itself. @type {Error | undefined} */
    let failure;
    const streams = withStreams ? streamsOf(id, follow, view, () => failure) : undefined;
    const leave = follow.connection
      .run(id, { accessToken: follow.accessToken, stopOnCompletion, ...(skipColumns ? { skipColumns } : {}) })
      .subscribe(({ value, state, error }) => {
        if (follow.shared.recovers(error)) return;
        const run = /** @type {Run | undefined} */ (value) ?? view.get().run;
        const over = Boolean(run?.isFinished && (state === "ended" || !stopOnCompletion));
        failure = named(error);
        // Others may show the run already where its id alone is named.
        view.show({ ...(run && { run, over }), error: failure ?? streams?.error() });
        if (run) streams?.open(run);
        if (state === "live" && !streams?.isWaiting()) follow.shared.works();
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
 * The streams that a run names, as they come to be known.
 *
 * @param {string} id
 * @param {Follow} follow
 * @param {import("./view.mjs").View<RunView>} view
 * @param {() => Error | undefined} ofRun the error of the run, which is shown before those of streams
 */
function streamsOf(id, { connection, accessToken, shared }, view, ofRun) {
  /** @type {Map<string, () => void>} */
  const open = new Map();
  /** Of each stream. Keys are whatever a task names, such as "constructor". @type {Map<string, unknown[]>} */
  const waiting = new Map();
  /** The place after those. @type {Map<string, string | undefined>} */
  const reached = new Map();
  /** What ended streams. @type {Map<string, Error>} */
  const failures = new Map();
  /** Those whose token is not known to work. @type {Set<string>} */
  const untold = new Set();
  /** @returns {Error | undefined} */
  const error = () => [...failures.values()][0];
  const updates = updatesOf(shared, () => {
    const next = new Map(Object.entries(view.get().streams));
    for (const [key, chunks] of waiting) next.set(key, [...(next.get(key) ?? []), ...chunks]);
    waiting.clear();
    view.show({ streams: Object.fromEntries(next), places: new Map([...view.get().places, ...reached]) });
    reached.clear();
  });
  /** @param {string} key */
  const follow = (key) => {
    untold.add(key);
    const lastEventId = view.get().places.get(key);
    const stream = connection.stream(id, key, { accessToken, ...(lastEventId ? { lastEventId } : {}) });
    return subscribeToParts(stream, (state, parts) => {
      if (parts.length > 0) {
        const chunks = waiting.get(key) ?? [];
        for (const { chunk } of parts) chunks.push(chunk);
        waiting.set(key, chunks);
        reached.set(key, state.lastEventId);
        updates.push(undefined);
      }
      if (state.error) untold.add(key);
      else if (state.state === "live") untold.delete(key);
      if (shared.recovers(state.error)) return;
      if (state.error && state.error !== failures.get(key)) {
        failures.set(key, /** @type {Error} */ (named(state.error)));
        view.show({ error: ofRun() ?? error() });
      }
      // Nothing more comes that it could be shown with.
      if (state.state === "ended") updates.flush();
    });
  };
  return {
    error,
    isWaiting: () => untold.size > 0,
    /** @param {Run} run */
    open(run) {
      for (const key of keysOf(run)) {
        if (!open.has(key)) open.set(key, () => {}).set(key, follow(key));
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
