"use client";
// Where a hook's requests go and with which token: from its options, else from the context.

import { connect } from "../client.mjs";
import { MAX_TOKEN_MS } from "../token.mjs";
import { within } from "../token-tries.mjs";
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

/**
 * Where a hook asks, and for which user: what is shown for one is not shown for another.
 *
 * @param {Access} access
 * @returns {[url: string, share: boolean | string]}
 */
export function scopeOf({ baseURL, share }) {
  // Without a path it is the origin's, not that of the page.
  const url = baseURL || "/";
  try {
    return [new URL(url, globalThis.location?.href).href.replace(/\/+$/, ""), share];
  } catch {
    // The client says what is wrong with it.
    return [url, share];
  }
}

/** The connections of the page, by the relay's URL and whether tabs share it. @type {Map<string, Connection>} */
const connections = new Map();

/** The page's one connection to a relay; it opens when something is followed. @param {Access} access */
export function connectionOf(access) {
  const [url, share] = scopeOf(access);
  const name = JSON.stringify([url, share]);
  const known = connections.get(name) ?? connect({ url, share });
  connections.set(name, known);
  return known;
}

/** So long (ms) after a refresher gave a token, whoever was refused another one takes it. */
const JUST_NOW_MS = 10_000;

/**
 * What refreshers give, or gave just now: all of a user with the same one share a call.
 *
 * @type {WeakMap<Refresh, { share: boolean | string, token: Promise<string>, at: number }>}
 */
const given = new WeakMap();

/** Asks a refresher. One that does not answer for long has failed; it may fail with anything. @param {Refresh} refresh */
export async function askRefresher(refresh) {
  try {
    return await within((async () => refresh())(), MAX_TOKEN_MS);
  } catch (cause) {
    if (cause instanceof Error) throw cause;
    throw new Error(`refreshAccessToken failed: ${cause ?? "it does not say why"}`, { cause });
  }
}

/**
 * The token of a refresher, which is asked unless it gave another one than the refused just now.
 *
 * @param {Refresh} refresh
 * @param {boolean | string} share the user, of whom the token is
 * @param {string | undefined} refused the token that was refused
 * @returns {Promise<string>}
 */
async function refreshed(refresh, share, refused) {
  const known = given.get(refresh);
  if (known && known.share === share && Date.now() - known.at < JUST_NOW_MS) {
    const token = await known.token;
    if (token !== refused) return token;
    // Another one may have asked meanwhile.
    if (given.get(refresh) !== known) return refreshed(refresh, share, refused);
  }
  const asked = { share, token: askRefresher(refresh), at: Number.POSITIVE_INFINITY };
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
 * The token of what is followed. Where there is a refresher it is a function: it gives the component's own token first, and one that
 * it was rendered with since; then a fresh one each time it is asked, where there is a refresher. A refresher may also have its
 * component rendered with what it gives: that is none that was rendered since.
 *
 * @param {import("./shared-follow.mjs").SharedFollow} shared
 * @returns {import("../../types/connect.js").ConnectOptions["accessToken"]}
 */
export function tokenOf(shared) {
  if (!shared.refresh) return shared.current.access.accessToken;
  const { starts } = shared;
  /** The component's own of the last time. @type {string | undefined} */
  let own;
  /** The last one that was given. @type {string | undefined} */
  let last;
  return async () => {
    const { accessToken, share } = shared.current.access;
    // One of before that failed is tried again, though nobody waits for it.
    if (shared.starts !== starts) return accessToken;
    const isNew = accessToken && accessToken !== own && accessToken !== last && !shared.isRefused(accessToken);
    own = accessToken;
    const refresh = isNew ? undefined : shared.refresh;
    shared.use(accessToken, refresh !== undefined);
    last = refresh ? await refreshed(refresh, share, last) : accessToken;
    return last;
  };
}
