"use client";
// Where a hook's requests go and with which token: from its options, else from the context.

import { connect } from "../client.mjs";
import { useTriggerAuthContextOptional } from "./context.mjs";

/** The relay's mount point where none is named: that of the guides (docs/relay.md). */
const BASE_URL = "/api/trigger";

/** @typedef {import("../../types/connect.js").Connection} Connection */
/** @typedef {() => Promise<string>} Refresh */

/**
 * @typedef {object} Access
 * @property {string} baseURL without a `/` at its end
 * @property {string | undefined} accessToken
 * @property {(() => Promise<string>) | undefined} refreshAccessToken
 * @property {string | undefined} previewBranch
 * @property {boolean | string} share
 * @property {import("../../types/config.js").ApiRequestOptions} requestOptions
 */

/** @param {import("../../types/react.js").UseApiClientOptions} [options] @returns {Access} */
export function useAccess(options) {
  const auth = useTriggerAuthContextOptional();
  return {
    baseURL: (options?.baseURL ?? auth.baseURL ?? BASE_URL).replace(/\/+$/, ""),
    accessToken: options?.accessToken || auth.accessToken || undefined,
    refreshAccessToken: options?.refreshAccessToken ?? auth.refreshAccessToken,
    previewBranch: options?.previewBranch ?? auth.previewBranch,
    share: options?.share ?? auth.share ?? true,
    requestOptions: { ...auth.requestOptions, ...options?.requestOptions },
  };
}

/** The connections of the page, by the relay's URL and whether tabs share it. @type {Map<string, Connection>} */
const connections = new Map();

/** The page's one connection to a relay; it opens when something is followed. @param {Access} access */
export function connectionOf({ baseURL, share }) {
  const name = JSON.stringify([baseURL, share]);
  const known = connections.get(name) ?? connect({ url: baseURL, share });
  connections.set(name, known);
  return known;
}

/** Refreshes under way, by their function: hooks with the same one share a call. @type {WeakMap<Refresh, Promise<string>>} */
const underWay = new WeakMap();

/** @param {Refresh} refresh */
function refreshOnce(refresh) {
  const made =
    underWay.get(refresh) ??
    Promise.resolve()
      .then(refresh)
      .finally(() => underWay.delete(refresh));
  underWay.set(refresh, made);
  return made;
}

/**
 * The token of what a hook follows. With a refresher it is a function: it gives the hook's own token first, and one that
 * the hook was rendered with since; then a fresh one each time it is asked.
 *
 * @param {{ readonly current: Access }} latest the access of the last render
 * @returns {import("../../types/connect.js").ConnectOptions["accessToken"]}
 */
export function tokenOf(latest) {
  if (!latest.current.refreshAccessToken) return latest.current.accessToken;
  /** @type {string | undefined} */
  let given;
  return () => {
    const { accessToken, refreshAccessToken } = latest.current;
    if (refreshAccessToken && (!accessToken || accessToken === given)) return refreshOnce(refreshAccessToken);
    given = accessToken;
    return accessToken;
  };
}
