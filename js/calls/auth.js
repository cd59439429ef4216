"use strict";

/**
 * Public tokens. With known claims a token is minted synchronously inside the promise, without the network and without
 * a thread hop (defect 14). All one-time tokens are distinct (defect 2).
 */

const { throwIfAborted } = require("../async/aborts.js");
const { bounded } = require("../async/bounded.js");
const { clientOf } = require("../config/client.js");
const { authScope, refresherOf, resolve } = require("../config/config.js");
const errors = require("../errors/errors.js");
const { expiryOf } = require("../config/expiry.js");
const native = require("../native/native.js");
const { isTexts } = require("../config/options.js");
const { checkBounds } = require("../config/request-options.js");
const { withScope } = require("../config/scope.js");
const { describe, flattenScopes, isPlain, scopesText, taskScopes } = require("../config/scopes.js");
const { traced } = require("./trace.js");

const { ArgumentError } = errors;

/** The kinds of token, by their numbers in `src/bridge/mint.rs`. */
const PUBLIC = 0;
const ONCE = 1;
const MULTIPLE = 2;

const PUBLIC_OPTIONS = new Set(["scopes", "expirationTime", "realtime"]);
const TRIGGER_OPTIONS = new Set(["expirationTime", "multipleUse", "realtime"]);

/**
 * A token a browser can use, with the scopes given.
 *
 * @param {{
 *   scopes?: object,
 *   expirationTime?: number | Date | string,
 *   realtime?: { skipColumns?: string[] },
 * }} [options] `expirationTime`: a period such as `"1h"`, a Date or Unix seconds; default 15 minutes
 * @param {{ signal?: AbortSignal, timeoutInMs?: number }} [bounds]
 * @returns {Promise<string>}
 */
async function createPublicToken(options, bounds) {
  const given = checkOptions("createPublicToken", options, PUBLIC_OPTIONS);
  const scopes = given?.scopes === undefined || given.scopes === null ? undefined : flattenScopes(given.scopes);
  const token = mint("createPublicToken", PUBLIC, scopes, given, bounds);
  if (scopes !== undefined && scopes.length > 0) return token;
  // The warning comes after the token: a failure needs none.
  const minted = await token;
  require("./hints.js").unscoped();
  return minted;
}

/**
 * A token that triggers a task once, or again and again with `multipleUse`.
 *
 * @param {string | string[]} task
 * @param {{
 *   expirationTime?: number | Date | string,
 *   multipleUse?: boolean,
 *   realtime?: { skipColumns?: string[] },
 * }} [options]
 * @param {{ signal?: AbortSignal, timeoutInMs?: number }} [bounds]
 * @returns {Promise<string>}
 */
async function createTriggerPublicToken(task, options, bounds) {
  const given = checkOptions("createTriggerPublicToken", options, TRIGGER_OPTIONS);
  return mint("createTriggerPublicToken", usage(given), taskScopes("trigger", task), given, bounds);
}

/**
 * As {@link createTriggerPublicToken}, for batches.
 *
 * @param {string | string[]} task
 * @param {Parameters<typeof createTriggerPublicToken>[1]} [options]
 * @param {{ signal?: AbortSignal, timeoutInMs?: number }} [bounds]
 * @returns {Promise<string>}
 */
async function createBatchTriggerPublicToken(task, options, bounds) {
  const given = checkOptions("createBatchTriggerPublicToken", options, TRIGGER_OPTIONS);
  return mint("createBatchTriggerPublicToken", usage(given), taskScopes("batchTrigger", task), given, bounds);
}

/**
 * Runs `work` with another configuration: across every await within, and nowhere else.
 *
 * @template R
 * @param {import("../config/config.js").Configuration} configuration over the one around it
 * @param {() => Promise<R>} work
 * @returns {Promise<R>}
 */
async function withAuth(configuration, work) {
  const scope = authScope(configuration);
  if (typeof work === "function") return withScope(scope, work);
  throw new ArgumentError("ERR_INVALID_ARGUMENT", `auth.withAuth() got ${describe(work)} instead of a function`);
}

/**
 * Runs `work` as somebody who has only a token made by {@link createPublicToken}.
 *
 * @template R
 * @param {Parameters<typeof createPublicToken>[0]} options
 * @param {() => Promise<R>} work
 * @returns {Promise<R>}
 */
async function withPublicToken(options, work) {
  return withAuth({ accessToken: await createPublicToken(options) }, work);
}

/**
 * Runs `work` as somebody who has only a token made by {@link createTriggerPublicToken}.
 *
 * @template R
 * @param {string | string[]} task
 * @param {Parameters<typeof createTriggerPublicToken>[1]} options
 * @param {() => Promise<R>} work
 * @returns {Promise<R>}
 */
async function withTriggerPublicToken(task, options, work) {
  return withAuth({ accessToken: await createTriggerPublicToken(task, options) }, work);
}

/**
 * Runs `work` as somebody who has only a token made by {@link createBatchTriggerPublicToken}.
 *
 * @template R
 * @param {string | string[]} task
 * @param {Parameters<typeof createTriggerPublicToken>[1]} options
 * @param {() => Promise<R>} work
 * @returns {Promise<R>}
 */
async function withBatchTriggerPublicToken(task, options, work) {
  return withAuth({ accessToken: await createBatchTriggerPublicToken(task, options) }, work);
}

/**
 * The token; a promise of it where the server is called first.
 *
 * @param {string} name of the call, for messages
 * @param {number} kind
 * @param {string[] | undefined} scopes
 * @param {Record<string, unknown> | undefined} options
 * @param {{ signal?: AbortSignal, timeoutInMs?: number } | undefined} bounds
 * @returns {string | Promise<string>}
 */
function mint(name, kind, scopes, options, bounds) {
  const request = bounds == null ? undefined : checkBounds("the request options", bounds);
  // An aborted signal is checked first (defect 17).
  throwIfAborted(request?.signal);
  const scopesJson = scopes === undefined ? null : scopesText(scopes);
  const realtimeJson = realtime(options?.realtime);
  const { seconds, period } = expiryOf(options?.expirationTime);
  const grant = { kind, scopes: scopesJson, realtime: realtimeJson, seconds, period };
  const resolved = resolve();
  const refresher = refresherOf(resolved);
  const { baseURL } = resolved;
  if (refresher === undefined) return mintWith(clientOf(resolved), grant, request, baseURL);
  return mintRenewed(refresher, name, grant, request, baseURL);
}

/**
 * The arguments of `native.mint`.
 *
 * @typedef {{ kind: number, scopes: string | null, realtime: string | null, seconds: number, period: string | null }} Grant
 */

/**
 * Mints with the token in use, which is made first where it has to be (defect 5).
 *
 * @param {import("../config/refresh.js").TokenRefresher} refresher
 * @param {string} name of the call
 * @param {Grant} grant
 * @param {import("../async/bounded.js").Bounds | undefined} bounds
 * @param {string} baseURL
 * @returns {Promise<string>}
 */
function mintRenewed(refresher, name, grant, bounds, baseURL) {
  const { Deadline } = require("../async/deadline.js");
  const deadline = new Deadline(name, bounds?.timeoutInMs);
  const left = () => ({ signal: bounds?.signal, timeoutInMs: deadline.left() });
  return refresher.authorized(() => mintWith(refresher.signer, grant, left(), baseURL), left);
}

/** @typedef {import("../native/addon.js").Client} Client */

/**
 * @param {Client} client
 * @param {Grant} grant
 * @param {import("../async/bounded.js").Bounds | undefined} bounds
 * @param {string} baseURL
 */
function mintWith(client, grant, bounds, baseURL) {
  const minted = tryMint(client, grant);
  return minted !== null && isToken(minted) ? minted : mintSlowly(minted, client, grant, bounds, baseURL);
}

/** @param {Client} client @param {Grant} grant @returns {string | null} */
function tryMint(client, { kind, scopes, realtime, seconds, period }) {
  return native.mint(client, kind, scopes, realtime, Date.now(), seconds, period);
}

/**
 * @param {string | null} minted the result of the first attempt
 * @param {Client} client
 * @param {Grant} grant
 * @param {import("../async/bounded.js").Bounds | undefined} bounds
 * @param {string} baseURL
 */
async function mintSlowly(minted, client, grant, bounds, baseURL) {
  /** @template T @param {string} path @param {(trace?: string) => Promise<T>} work */
  const asked = (path, work) =>
    traced(
      () => ({ baseURL, method: "POST", path }),
      (headers) => work(headers && JSON.stringify(headers)),
    );
  let outcome = minted;
  if (outcome === null) {
    await asked("/api/v1/auth/jwt/claims", (trace) =>
      bounded(bounds, (cancel, timeout) => native.loadClaims(client, cancel, timeout, trace)),
    );
    outcome = tryMint(client, grant);
  }
  if (outcome?.startsWith("@")) {
    // The key cannot sign: the server mints (docs/server-protocol.md 2).
    const body = outcome.slice(1);
    return asked("/api/v1/auth/public-tokens", (trace) =>
      bounded(bounds, (cancel, timeout) => native.mintRemotely(client, body, cancel, timeout, trace)),
    );
  }
  if (outcome?.startsWith("{")) throw errors.fromNative(outcome);
  if (!outcome) throw new errors.TriggerNativeError("ERR_INTERNAL", "no token came of a successful call");
  return outcome;
}

/** @param {string} minted */
function isToken(minted) {
  const first = minted.charCodeAt(0);
  return first !== 0x7b /* { */ && first !== 0x40 /* @ */;
}

/** @param {Record<string, unknown> | undefined} options */
function usage(options) {
  const multiple = options?.multipleUse;
  if (multiple === undefined || multiple === null) return ONCE;
  if (typeof multiple !== "boolean") {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `multipleUse must be true or false, not ${describe(multiple)}`);
  }
  return multiple ? MULTIPLE : ONCE;
}

/** @param {unknown} options @returns {string | null} */
function realtime(options) {
  if (options === undefined || options === null) return null;
  /** @type {(why: string) => never} */
  const refuse = (why) => {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `realtime ${why}, such as { skipColumns: ["payload"] }`);
  };
  if (!isPlain(options)) return refuse(`must be an object, not ${describe(options)}`);
  for (const name of Object.keys(options)) {
    if (name !== "skipColumns" && options[name] != null) return refuse(`takes skipColumns only, not "${name}"`);
  }
  const columns = options.skipColumns ?? undefined;
  if (columns !== undefined && !isTexts(columns)) return refuse("skipColumns must be an array of column names");
  return JSON.stringify({ skipColumns: columns });
}

/**
 * @param {string} name
 * @param {unknown} options
 * @param {Set<string>} known
 * @returns {Record<string, unknown> | undefined}
 */
function checkOptions(name, options, known) {
  if (options === undefined || options === null) return undefined;
  if (!isPlain(options)) {
    throw new ArgumentError(
      "ERR_INVALID_OPTIONS",
      `the options of ${name} must be an object, not ${describe(options)}`,
    );
  }
  for (const option of Object.keys(options)) {
    // A misspelt option would mint a token that lives longer, or may do less, than intended.
    if (!known.has(option) && options[option] != null) {
      throw new ArgumentError(
        "ERR_INVALID_OPTIONS",
        `${name}: unknown option "${option}", expected one of ${[...known].join(", ")}`,
      );
    }
  }
  return options;
}

module.exports = {
  createBatchTriggerPublicToken,
  createPublicToken,
  createTriggerPublicToken,
  withAuth,
  withBatchTriggerPublicToken,
  withPublicToken,
  withTriggerPublicToken,
};
