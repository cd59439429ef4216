"use client";
// What every hook that follows has in common: its connection, its tokens, its time.

import { useEffect, useRef, useState } from "react";
import { connectionOf, tokenOf } from "./access.mjs";
import { useFollowing } from "./following.mjs";

/**
 * @typedef {object} Follow
 * @property {import("../../types/connect.js").Connection} connection
 * @property {import("../../types/connect.js").ConnectOptions["accessToken"]} accessToken
 * @property {Set<{ readonly current: any }>} members the options of each component that follows this, as it was rendered last. `any`: of every kind of hook
 */

/**
 * Follows `subject` while the hook is enabled. A new token does not start anew what goes on: it is asked for when the
 * first one is refused; after a failure it does.
 *
 * @param {import("./access.mjs").Access} access
 * @param {{ enabled?: boolean | undefined } | undefined} options
 * @param {string | undefined} subject `undefined` waits
 * @param {import("./view.mjs").View<any>} view what shows it. `any`: of every kind of hook
 * @param {Error | undefined} error that ended it
 * @param {(follow: Follow) => () => void} start gives the function that leaves
 */
export function useFollower(access, options, subject, view, error, start) {
  const { accessToken, baseURL, share } = access;
  const [tried, setTried] = useState(accessToken);
  if (error && tried !== accessToken) setTried(accessToken);
  const latest = useRef(access);
  const member = useRef(options);
  useEffect(() => {
    latest.current = access;
    member.current = options;
  });
  const enabled = options?.enabled !== false && subject !== undefined;
  return useFollowing(enabled ? JSON.stringify([baseURL, share, subject, tried]) : undefined, view, (text) =>
    view.follow(text, member, (members) =>
      start({ connection: connectionOf(latest.current), accessToken: tokenOf(latest), members }),
    ),
  );
}

/** A refusal has the name that an official client's errors have. @param {Error | undefined} error */
export function named(error) {
  if (error && "status" in error && error.name === "Error") error.name = "TriggerApiError";
  return error;
}
