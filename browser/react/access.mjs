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
  // Without a path it is the origin's, not that of the page.
  const known = connections.get(name) ?? connect({ url: baseURL || "/", share });
  connections.set(name, known);
  return known;
}

/** So long (ms) after a refresher gave a token, whoever was refused another one takes it. */
const JUST_NOW_MS = 10_000;

/** What refreshers give, or gave last: all with the same one share a call. @type {WeakMap<Refresh, { token: Promise<string>, at: number }>} */
const given = new WeakMap();

/**
 * The token of a refresher, which is asked unless the last one that it gave is good enough.
 *
 * @param {Refresh} refresh
 * @param {string | undefined} refused the token that was refused
 * @param {number} maxAge how old the last one may be, in milliseconds
 * @returns {Promise<string>}
 */
async function refreshed(refresh, refused, maxAge) {
  const known = given.get(refresh);
  if (known && Date.now() - known.at < maxAge) {
    const token = await known.token;
    if (token !== refused) return token;
    // Another one may have asked meanwhile.
    if (given.get(refresh) !== known) return refreshed(refresh, refused, maxAge);
  }
  const asked = { token: Promise.resolve().then(refresh), at: Number.POSITIVE_INFINITY };
  given.set(refresh, asked);
  const forget = () => {
    if (given.get(refresh) === asked) given.delete(refresh);
  };
  asked.token.then((token) => {
    asked.at = Date.now();
    // One that gives none is asked again.
    if (!token) forget();
  }, forget);
  return asked.token;
}

/**
 * The token of what is followed. It is a function, unless there is none: it gives the component's own token first, and one that
 * it was rendered with since; then a fresh one each time it is asked, where there is a refresher.
 *
 * @param {import("./shared-follow.mjs").SharedFollow} shared
 * @returns {import("../../types/connect.js").ConnectOptions["accessToken"]}
 */
export function tokenOf(shared) {
  const { accessToken, refreshAccessToken } = shared.current.access;
  if (!accessToken && !refreshAccessToken) return undefined;
  /** The component's own that was given last. @type {string | undefined} */
  let own;
  /** The last one that was given. @type {string | undefined} */
  let last;
  return async () => {
    const { accessToken, refreshAccessToken } = shared.current.access;
    if (refreshAccessToken && (!accessToken || accessToken === own)) {
      last = await refreshed(refreshAccessToken, last, JUST_NOW_MS);
    } else {
      own = accessToken;
      last = own;
      shared.use(own);
    }
    return last;
  };
}

/**
 * The token of a call: the component's own; where it has none, what its refresher gave last or gives.
 *
 * @param {Access} access
 * @param {string} [refused] the token of the refresher's that was refused
 * @returns {Promise<string | undefined>}
 */
export async function tokenOfCall({ accessToken, refreshAccessToken }, refused) {
  if (accessToken || !refreshAccessToken) return accessToken;
  return refreshed(refreshAccessToken, refused, Number.POSITIVE_INFINITY);
}
