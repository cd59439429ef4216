"use strict";

/**
 * The server, the key and the branch of a call: what `configure()` was given, then environment variables
 * (docs/server-protocol.md 1), in the official SDK's order.
 */

const { ConfigError } = require("../errors/errors.js");
const native = require("../native/native.js");
const { checkRequestOptions, pick } = require("./request-options.js");
const { boundHere, currentScope, shared } = require("./scope.js");

/**
 * @typedef {object} RequestOptions
 * @property {{ maxAttempts?: number, minTimeoutInMs?: number, maxTimeoutInMs?: number, factor?: number, randomize?: boolean }} [retry]
 * @property {Record<string, string>} [additionalHeaders]
 *
 * @typedef {object} Configuration
 * @property {string} [baseURL] default: `TRIGGER_API_URL`, then `https://api.trigger.dev`
 * @property {string | (() => string | Promise<string>)} [accessToken] default: `TRIGGER_SECRET_KEY`, then
 *   `TRIGGER_ACCESS_TOKEN`; a function is called when a token is needed (`js/config/refresh.js`)
 * @property {string} [secretKey] deprecated name of `accessToken`; wins when both are given, as in the SDK
 * @property {string} [previewBranch] default: `TRIGGER_PREVIEW_BRANCH`, `VERCEL_GIT_COMMIT_REF`, `TRIGGER_DEV_BRANCH`; an empty one means none
 * @property {RequestOptions} [requestOptions]
 * @property {() => Promise<string>} [refreshAccessToken]
 * @property {string} [externalDeploymentId]
 * @property {{ v2RealtimeStreams?: boolean }} [future]
 * @property {{ connections?: number }} [realtime] the budget of long-polls; 0 is no limit
 *
 * @typedef {Record<string, string | undefined>} Environment variables by name
 *
 * @typedef {object} Resolved
 * @property {string} baseURL without a trailing slash
 * @property {string | undefined} accessToken a plain one; the first one, where `refreshAccessToken` makes more
 * @property {string | undefined} branch
 * @property {Readonly<RequestOptions> | undefined} requestOptions
 * @property {"v1" | "v2"} streamsVersion
 * @property {(() => string | Promise<string>) | undefined} refreshAccessToken makes another token
 * @property {string | undefined} externalDeploymentId
 * @property {number | undefined} connections the budget of long-polls, where it was given
 * @property {boolean} inheritContext whether a trigger takes its version and deployment from the environment
 */

const DEFAULT_URL = "https://api.trigger.dev";

/** The type of each option. @satisfies {import("./request-options.js").Types} */
const OPTIONS = {
  baseURL: "string",
  accessToken: "string or function",
  secretKey: "string",
  previewBranch: "string",
  requestOptions: "object",
  refreshAccessToken: "function",
  externalDeploymentId: "string",
  future: "object",
  realtime: "object",
};

/** A configuration as it was given, and what it resolved to last. */
class Source {
  #explicit;
  #inheritContext;
  /** In a scope, URL and branch stay as they were when it was entered; a key is read anew. */
  #fixed;
  /** @type {Resolved | undefined} */
  #last;
  /** The inputs `#last` was made from. @type {unknown[]} */
  #inputs = [];
  /** The version of the environment at that time. @type {number | undefined} */
  #version;

  /**
   * @param {Readonly<Configuration>} explicit
   * @param {{ inheritContext?: boolean, fixed?: { url?: string, branch?: string } }} [options]
   */
  constructor(explicit, { inheritContext = true, fixed } = {}) {
    this.#explicit = explicit;
    this.#inheritContext = inheritContext;
    this.#fixed = fixed;
  }

  get explicit() {
    return this.#explicit;
  }

  /**
   * The configuration now: the same object until something changes.
   *
   * @param {Environment} env
   * @returns {Resolved}
   */
  resolve(env) {
    // An empty URL or key is a missing one (docs/server-protocol.md 1). Variables are read only after one of them
    // changed: a look at process.env costs about as much as everything else here.
    const watched = this.#last !== undefined && env === process.env && isEnvironment(env);
    const version = watched ? native.environment() : undefined;
    if (version !== undefined && version === this.#version) return /** @type {Resolved} */ (this.#last);
    this.#version = version;
    const explicit = this.#explicit;
    const url = this.#fixed ? this.#fixed.url : urlOf(explicit, env);
    const token = explicit.secretKey || explicit.accessToken || env.TRIGGER_SECRET_KEY || env.TRIGGER_ACCESS_TOKEN;
    const branch = this.#fixed ? this.#fixed.branch : branchOf(explicit, env);
    const last = this.#last;
    const inputs = this.#inputs;
    const streams = streamsVersion(explicit, env);
    if (last !== undefined && inputs[0] === url && inputs[1] === token && inputs[2] === branch && inputs[3] === streams)
      return last;
    this.#inputs = [url, token, branch, streams];
    this.#last = Object.freeze({
      baseURL: (url || DEFAULT_URL).replace(/\/$/, ""),
      accessToken: plainToken(token),
      // An empty branch is none, and asks no further: the SDK's way to switch a variable off.
      branch: branch || undefined,
      requestOptions: explicit.requestOptions,
      streamsVersion: streams,
      refreshAccessToken: typeof token === "function" ? token : explicit.refreshAccessToken,
      externalDeploymentId: explicit.externalDeploymentId,
      connections: explicit.realtime?.connections,
      inheritContext: this.#inheritContext,
    });
    return this.#last;
  }
}

/** The object that was looked at last, and whether it was the environment. @type {object | undefined} */
let looked;
let isWatched = false;

/**
 * Whether `env` is the environment of the process, which native code sees too: it is in the main thread, unless a test
 * runner or a program replaced it. The second call asks for the first time: `node:worker_threads` is not small, and
 * many programs make one call.
 *
 * @param {object} env
 */
function isEnvironment(env) {
  if (env !== looked) {
    looked = env;
    isWatched = require("node:worker_threads").isMainThread && takesTextOnly(env);
  }
  return isWatched;
}

/** Whether it refuses a name that is a symbol, as only the environment does in every runtime. @param {object} env */
function takesTextOnly(env) {
  const name = Symbol("trigger-native");
  try {
    if (Reflect.set(env, name, "")) Reflect.deleteProperty(env, name);
    return false;
  } catch {
    return true;
  }
}

/** No options, not even inherited ones. @type {Readonly<Configuration>} */
const NONE = Object.freeze(Object.create(null));

/** The configuration that `configure()` set last. */
const configured = shared("configuration", () => ({ source: new Source(NONE), isLogging: false }));

/**
 * Sets the configuration of this process. Replaces what an earlier call set, as in the SDK.
 *
 * @param {Configuration & { logger?: import("./logger.js").Logger }} options
 * @throws {ConfigError} `ERR_INVALID_CONFIG` for an option that is unknown or of a wrong type
 */
function configure(options) {
  const { logger, ...rest } = pick("configure()", options, { ...OPTIONS, logger: "object" });
  const source = new Source(checkConfiguration("configure()", rest));
  // Loaded with the first logger: each file adds to the start of a process.
  if (logger !== undefined || configured.isLogging) require("./logger.js").setLogger("configure()", logger);
  configured.isLogging = logger !== undefined;
  configured.source = source;
}

/**
 * The configuration of the innermost scope, else of the process.
 *
 * @param {Environment} [env]
 * @returns {Resolved}
 */
function resolve(env = process.env) {
  return (currentScope() ?? configured.source).resolve(env);
}

/**
 * The configuration here with that of one call over it (`clientConfig`).
 *
 * @param {string} where names the argument in errors
 * @param {Configuration} options
 * @returns {Resolved}
 */
function resolveWith(where, options) {
  const given = checkConfiguration(where, options);
  const holds = resolve();
  const token = given.secretKey || given.accessToken;
  return Object.freeze({
    ...holds,
    baseURL: (given.baseURL || holds.baseURL).replace(/\/$/, ""),
    accessToken: token ? plainToken(token) : holds.accessToken,
    branch: given.previewBranch === undefined ? holds.branch : given.previewBranch || undefined,
    requestOptions: given.requestOptions ?? holds.requestOptions,
    streamsVersion: given.future === undefined ? holds.streamsVersion : streamsVersion(given, process.env),
    // A refresher of another key would answer with the wrong tenant's token.
    refreshAccessToken:
      typeof token === "function"
        ? token
        : (given.refreshAccessToken ?? (token ? undefined : holds.refreshAccessToken)),
    externalDeploymentId: given.externalDeploymentId ?? holds.externalDeploymentId,
    connections: given.realtime?.connections ?? holds.connections,
  });
}

/**
 * The scope of a `TriggerClient`: its own configuration over the environment's, without that of `configure()`.
 *
 * @param {Configuration & { inheritContext?: boolean }} options
 */
function clientScope(options) {
  const known = /** @type {const} */ ({ ...OPTIONS, inheritContext: "boolean" });
  const { inheritContext, ...rest } = pick("new TriggerClient()", options, known);
  return scopeOf(checkConfiguration("new TriggerClient()", rest), inheritContext ?? false);
}

/**
 * The scope of `auth.withAuth()`: the configuration given, over that around it. A key that is given replaces one under
 * either of its two names.
 *
 * @param {Configuration} options
 */
function authScope(options) {
  const given = checkConfiguration("auth.withAuth()", options);
  const around = /** @type {Configuration} */ ({ __proto__: null, ...(currentScope() ?? configured.source).explicit });
  if (given.accessToken || given.secretKey) {
    delete around.accessToken;
    delete around.secretKey;
    delete around.refreshAccessToken;
  }
  return scopeOf(Object.freeze(/** @type {Configuration} */ ({ __proto__: null, ...around, ...given })), true);
}

/** @param {Readonly<Configuration>} explicit @param {boolean} inheritContext */
function scopeOf(explicit, inheritContext) {
  const env = process.env;
  const fixed = { url: urlOf(explicit, env), branch: branchOf(explicit, env) };
  return new Source(explicit, { inheritContext, fixed });
}

/**
 * @param {string} where names the argument in errors
 * @param {unknown} options
 * @returns {Readonly<Configuration>}
 */
function checkConfiguration(where, options) {
  const checked = /** @type {Configuration} */ (pick(where, options, OPTIONS));
  if (checked.requestOptions !== undefined) {
    checked.requestOptions = checkRequestOptions(`${where} requestOptions`, checked.requestOptions);
  }
  if (checked.realtime !== undefined) checked.realtime = checkRealtime(where, checked.realtime);
  // A function that makes tokens runs with the async context of where it was given, whichever call needs a token, and
  // its tokens serve that configuration alone. Else one request's store would make the token of another.
  const { accessToken, refreshAccessToken } = checked;
  if (typeof accessToken === "function") checked.accessToken = boundHere(accessToken);
  if (typeof refreshAccessToken === "function") checked.refreshAccessToken = boundHere(refreshAccessToken);
  return Object.freeze(checked);
}

/**
 * @param {string} where names the argument in errors
 * @param {object} given
 * @returns {Readonly<{ connections?: number }>}
 */
function checkRealtime(where, given) {
  const { connections } = pick(`${where} realtime`, given, { connections: "number" });
  if (connections !== undefined && !(Number.isInteger(connections) && connections >= 0 && connections <= 1_000_000)) {
    throw new ConfigError(
      "ERR_INVALID_CONFIG",
      `${where} realtime: connections must be a whole number from 1, or 0 for no limit`,
    );
  }
  return Object.freeze({ connections });
}

/** A token that is no function. @param {Configuration["accessToken"]} token */
function plainToken(token) {
  return typeof token === "function" ? undefined : token || undefined;
}

/** @param {Readonly<Configuration>} explicit @param {Environment} env */
function urlOf(explicit, env) {
  return explicit.baseURL || env.TRIGGER_API_URL;
}

/** @param {Readonly<Configuration>} explicit @param {Environment} env */
function branchOf(explicit, env) {
  return explicit.previewBranch ?? env.TRIGGER_PREVIEW_BRANCH ?? env.VERCEL_GIT_COMMIT_REF ?? devBranch(env);
}

/**
 * The wire version of realtime streams to ask for: `v2`, unless switched off (docs/server-protocol.md 1).
 *
 * @param {Readonly<Configuration>} explicit
 * @param {Environment} env
 * @returns {"v1" | "v2"}
 */
function streamsVersion(explicit, env) {
  const off = (/** @type {string | undefined} */ value) => value === "0" || value === "false";
  if (explicit.future?.v2RealtimeStreams === false) return "v1";
  return off(env.TRIGGER_V2_REALTIME_STREAMS) || off(env.TRIGGER_REALTIME_STREAMS_V2) ? "v1" : "v2";
}

/** @param {Environment} env */
function devBranch(env) {
  const branch = env.TRIGGER_DEV_BRANCH;
  return branch === "default" ? undefined : branch;
}

/**
 * The refresher of a configuration; `undefined` when its token is a plain one.
 *
 * @param {Resolved} resolved
 * @returns {import("./refresh.js").TokenRefresher | undefined}
 */
function refresherOf(resolved) {
  // Loaded on demand: few programs have one, and every file costs time at the start of a process.
  return resolved.refreshAccessToken === undefined ? undefined : require("./refresh.js").refresherOf(resolved);
}

module.exports = { authScope, clientScope, configure, refresherOf, resolve, resolveWith };
