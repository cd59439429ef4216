"use client";
// What every hook that follows has in common: its connection, its tokens, its time.

import { useEffect, useRef } from "react";
import { connectionOf, tokenOf } from "./access.mjs";
import { useFollowing } from "./following.mjs";

/**
 * @typedef {object} Follow
 * @property {import("../../types/connect.js").Connection} connection
 * @property {import("../../types/connect.js").ConnectOptions["accessToken"]} accessToken
 * @property {import("./shared-follow.mjs").SharedFollow} shared the components that follow this
 */

/**
 * Follows `subject` while the hook is enabled. A new token does not start anew what goes on: it is asked for when the
 * first one is refused; after a failure it does.
 *
 * @param {import("./access.mjs").Access} access
 * @param {{ enabled?: boolean | undefined } | undefined} options
 * @param {string | undefined} subject with the relay that is asked; `undefined` waits
 * @param {import("./view.mjs").View<any>} view what shows it. `any`: of every kind of hook
 * @param {Error | undefined} error that ended it
 * @param {(follow: Follow) => () => void} start gives the function that leaves
 */
export function useFollower(access, options, subject, view, error, start) {
  const { accessToken } = access;
  const canRefresh = access.refreshAccessToken !== undefined;
  const member = useRef({ access, options });
  useEffect(() => {
    member.current = { access, options };
  });
  const key = options?.enabled === false ? undefined : subject;
  const stop = useFollowing(key, view, (text) =>
    view.follow(text, member, (shared) =>
      start({ connection: connectionOf(shared.current.access), accessToken: tokenOf(shared), shared }),
    ),
  );
  useEffect(() => {
    // One of before it was followed anew, for a component that came since, says nothing of the token that it has now.
    if (error && key !== undefined && view.get().error === error) view.retry(key, member, accessToken, canRefresh);
  }, [error, key, accessToken, canRefresh, view]);
  return stop;
}

/** A refusal has the name that an official client's errors have. @param {Error | undefined} error */
export function named(error) {
  if (error && "status" in error && error.name === "Error") error.name = "TriggerApiError";
  return error;
}
