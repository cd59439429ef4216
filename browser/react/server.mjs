"use client";
// The hooks while a server renders: nothing is known yet, and nothing is asked for.
//
// They call no hook of React. Next.js renders with a React of its own, and has packages of `serverExternalPackages`, which
// ours is, load the app's: its hooks would find no component there.

import { TriggerAuthContext } from "./context.mjs";
import { argumentsOf } from "./stream.mjs";

const nothing = () => {};

/** @typedef {import("../../types/react.js").UseApiClientOptions} Options */

/**
 * What the provider above gives: React's renderers for servers keep it in one of these two, which React does not declare,
 * hence `any`.
 *
 * @returns {import("../../types/react.js").TriggerAuth | undefined}
 */
function given() {
  const { _currentValue: first, _currentValue2: second } = /** @type {any} */ (TriggerAuthContext);
  return first ?? second;
}

export function useTriggerAuthContext() {
  const auth = given();
  if (!auth) throw new Error("There is no TriggerAuthContext.Provider above this component.");
  return auth;
}

export const useTriggerAuthContextOptional = () => given() ?? {};

export const useRealtimeRun = () => ({ run: undefined, error: undefined, stop: nothing });

export const useRealtimeRunWithStreams = () => ({ ...useRealtimeRun(), streams: {} });

export const useRealtimeRunsWithTag = () => ({ runs: [], error: undefined, stop: nothing });

export const useRealtimeBatch = useRealtimeRunsWithTag;

/** @type {typeof import("./stream.mjs").useRealtimeStream} */
export function useRealtimeStream(...asked) {
  argumentsOf(...asked);
  return { parts: [], lastEventId: undefined, error: undefined, stop: nothing };
}

export const useTaskTrigger = () => ({ submit: nothing, isLoading: false, handle: undefined, error: undefined });

export const useRealtimeTaskTrigger = () => ({ ...useTaskTrigger(), ...useRealtimeRun() });

export const useRealtimeTaskTriggerWithStreams = () => ({ ...useTaskTrigger(), ...useRealtimeRunWithStreams() });

/** @param {string | undefined} runId @param {Options} [options] */
export function useRun(runId, options) {
  const isLoading = Boolean(runId) && options?.enabled !== false;
  return { run: undefined, error: undefined, isLoading, isValidating: isLoading, isError: false };
}

/** @param {string} [waitpointId] */
export function useWaitToken(waitpointId) {
  return { complete: nothing, isLoading: false, isCompleted: false, isReady: Boolean(waitpointId), error: undefined };
}

/** @param {string} _streamId @param {string} [runId] @param {Options} [options] */
export function useInputStreamSend(_streamId, runId, options) {
  const isReady = Boolean(runId) && !(options?.enabled === false && !(options.accessToken || given()?.accessToken));
  return { send: nothing, isLoading: false, isReady, error: undefined };
}
