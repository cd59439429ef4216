"use strict";

/**
 * Where to call and as whom: what `configure()` was given, then environment variables
 * (protocol.md 1), in the official SDK's order.
 */

const { ConfigError } = require("./errors.js");

/**
 * @typedef {object} RequestOptions
 * @property {{ maxAttempts?: number, minTimeoutInMs?: number, maxTimeoutInMs?: number, factor?: number, randomize?: boolean }} [retry]
 * @property {Record<string, string>} [additionalHeaders]
 *
 * @typedef {object} Configuration
 * @property {string} [baseURL] default: `TRIGGER_API_URL`, then `https://api.trigger.dev`
 * @property {string} [accessToken] default: `TRIGGER_SECRET_KEY`, then `TRIGGER_ACCESS_TOKEN`
 * @property {string} [secretKey] deprecated name of `accessToken`; wins when both are given, as in the SDK
 * @property {string} [previewBranch] default: `TRIGGER_PREVIEW_BRANCH`, `VERCEL_GIT_COMMIT_REF`, `TRIGGER_DEV_BRANCH`; an empty one means none
 * @property {RequestOptions} [requestOptions]
 * @property {() => Promise<string>} [refreshAccessToken]
 * @property {string} [externalDeploymentId]
 * @property {{ v2RealtimeStreams?: boolean }} [future]
 *
 * @typedef {object} Resolved
 * @property {string} baseURL without a trailing slash
 * @property {string | undefined} accessToken
 * @property {string | undefined} branch
 * @property {Readonly<RequestOptions> | undefined} requestOptions
 * @property {"v1" | "v2"} streamsVersion
 */

const DEFAULT_URL = "https://api.trigger.dev";

/** What each option has to be. */
const OPTIONS = {
  baseURL: "string",
  accessToken: "string",
  secretKey: "string",
  previewBranch: "string",
  requestOptions: "object",
  refreshAccessToken: "function",
  externalDeploymentId: "string",
  future: "object",
};

const RETRY = {
  maxAttempts: "number",
  minTimeoutInMs: "number",
  maxTimeoutInMs: "number",
  factor: "number",
  randomize: "boolean",
};

/** @type {Readonly<Configuration>} */
let explicit = Object.freeze({});

/** @type {Resolved | undefined} */
let last;
/** The inputs `last` was made from. @type {unknown[]} */
let inputs = [];

/**
 * Sets the configuration of this process. Replaces what an earlier call set, as in the SDK.
 *
 * @param {Configuration} options
 * @throws {ConfigError} `ERR_INVALID_CONFIG` for an option that is unknown or of a wrong type
 */
function configure(options) {
  const checked = pick("configure()", options, OPTIONS);
  if (checked.requestOptions !== undefined) {
    checked.requestOptions = checkRequestOptions("configure() requestOptions", checked.requestOptions);
  }
  explicit = Object.freeze(checked);
  last = undefined;
}

/**
 * What holds now. Cheap: while nothing changed, the same object comes back.
 *
 * @param {Record<string, string | undefined>} [env]
 * @returns {Resolved}
 */
function resolve(env = process.env) {
  // An empty URL or key is a missing one (protocol.md 1). Only what can matter is read: each
  // look at process.env costs about as much as everything else here.
  const url = explicit.baseURL || env.TRIGGER_API_URL;
  const token = explicit.secretKey || explicit.accessToken || env.TRIGGER_SECRET_KEY || env.TRIGGER_ACCESS_TOKEN;
  const branch = explicit.previewBranch ?? env.TRIGGER_PREVIEW_BRANCH ?? env.VERCEL_GIT_COMMIT_REF ?? devBranch(env);
  if (last !== undefined && inputs[0] === url && inputs[1] === token && inputs[2] === branch) return last;
  inputs = [url, token, branch];
  last = Object.freeze({
    baseURL: (url || DEFAULT_URL).replace(/\/$/, ""),
    accessToken: token || undefined,
    // An empty branch is none, and asks no further: the SDK's way to switch a variable off.
    branch: branch || undefined,
    requestOptions: explicit.requestOptions,
    streamsVersion: streamsVersion(env),
  });
  return last;
}

/** The wire version of realtime streams asked for: `v2`, unless switched off (protocol.md 1). */
function streamsVersion(env) {
  const off = (/** @type {string | undefined} */ value) => value === "0" || value === "false";
  if (explicit.future?.v2RealtimeStreams === false) return "v1";
  return off(env.TRIGGER_V2_REALTIME_STREAMS) || off(env.TRIGGER_REALTIME_STREAMS_V2) ? "v1" : "v2";
}

/** @param {Record<string, string | undefined>} env */
function devBranch(env) {
  const branch = env.TRIGGER_DEV_BRANCH;
  return branch === "default" ? undefined : branch;
}

/**
 * Checks the request options of all calls.
 *
 * @param {string} where names the argument in errors
 * @param {unknown} options
 * @returns {Readonly<RequestOptions>}
 */
function checkRequestOptions(where, options) {
  const checked = pick(where, options, { retry: "object", additionalHeaders: "object" });
  if (checked.retry !== undefined) checked.retry = Object.freeze(pick(`${where}.retry`, checked.retry, RETRY));
  if (checked.additionalHeaders !== undefined) {
    for (const [name, value] of Object.entries(checked.additionalHeaders)) {
      if (typeof value !== "string") refuse(`${where}.additionalHeaders: "${name}" must be a string`);
    }
    checked.additionalHeaders = Object.freeze({ ...checked.additionalHeaders });
  }
  return Object.freeze(checked);
}

/**
 * Checks what bounds one call: a signal and a time (defect 19).
 *
 * @param {string} where names the argument in errors
 * @param {unknown} options
 * @returns {{ signal?: AbortSignal, timeoutInMs?: number }} `timeoutInMs` for the whole call, retries included
 */
function checkBounds(where, options) {
  const checked = pick(where, options, { timeoutInMs: "number", signal: "object" });
  const { timeoutInMs, signal } = checked;
  if (timeoutInMs !== undefined && !(Number.isSafeInteger(timeoutInMs) && timeoutInMs > 0 && timeoutInMs < 2 ** 32)) {
    refuse(`${where}.timeoutInMs must be a whole number of milliseconds above 0`);
  }
  if (signal !== undefined && typeof signal.addEventListener !== "function") {
    refuse(`${where}.signal must be an AbortSignal`);
  }
  return checked;
}

/**
 * Copies the known options, each of its type; `undefined` and `null` are missing.
 *
 * @param {string} where
 * @param {any} options
 * @param {Record<string, string>} known
 * @returns {any}
 */
function pick(where, options, known) {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    refuse(`${where} must be an object`);
  }
  /** @type {Record<string, unknown>} */
  const picked = {};
  for (const name of Object.keys(options)) {
    const value = options[name];
    if (value === undefined || value === null) continue;
    if (!Object.hasOwn(known, name)) {
      refuse(`${where}: unknown option "${name}", expected one of ${Object.keys(known).join(", ")}`);
    }
    if (typeof value !== known[name] || Number.isNaN(value)) {
      // The value is not shown: it can be a key.
      refuse(`${where}: "${name}" must be a ${known[name]}, not ${Number.isNaN(value) ? "NaN" : `a ${typeof value}`}`);
    }
    picked[name] = value;
  }
  return picked;
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new ConfigError("ERR_INVALID_CONFIG", message);
}

module.exports = { configure, resolve, checkBounds };
