"use client";
// A run, asked for now and then.

import { useEffect, useRef, useSyncExternalStore } from "react";
import { scopeOf, useAccess } from "./access.mjs";
import { queryOf, UNKNOWN } from "./query.mjs";

/** Nothing is asked for. */
const WAITING = { run: undefined, error: undefined, isValidating: false };

const nowhere = () => () => {};

/** @param {string | undefined} runId @param {import("../../types/react.js").UseRunOptions} [options] */
export function useRun(runId, options) {
  const access = useAccess(options);
  const latest = useRef({ access, options });
  useEffect(() => {
    latest.current = { access, options };
  });
  const query = runId && options?.enabled !== false ? queryOf(scopeOf(access), runId) : undefined;
  const state = useSyncExternalStore(
    query ? query.view.subscribe : nowhere,
    query ? query.view.get : () => WAITING,
    () => (query ? UNKNOWN : WAITING),
  );
  const { accessToken } = access;
  const refreshInterval = options?.refreshInterval;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another token or interval asks anew
  useEffect(() => query?.join(latest), [query, accessToken, refreshInterval]);
  const { run, error, isValidating } = state;
  return {
    run,
    error,
    isLoading: isValidating && run === undefined,
    isValidating,
    isError: error !== undefined,
  };
}
