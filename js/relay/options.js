"use strict";

/** The options of `createRealtimeHandler()`, checked when it is called, before they are needed. */

const { ArgumentError } = require("../errors/errors.js");
const { callback, milliseconds, takeOptions } = require("../config/options.js");
const { HOLD_MS } = require("../config/heartbeat.js");
const { describe, isPlain } = require("../config/scopes.js");

const CALL = "createRealtimeHandler";

/** How long `authorize` may take, by default. */
const AUTHORIZE_TIMEOUT_MS = 10_000;

/** How long a client may read nothing, by default: the same as in the native relay. */
const SEND_TIMEOUT_MS = 30_000;

/** The families of routes that `allow` may name. */
const FAMILIES = [
  "runs",
  "tags",
  "batches",
  "streams",
  "trigger",
  "batchTrigger",
  "waitTokens",
  "inputs",
  "retrieve",
  "sessions",
];

/** @template [T=unknown] @typedef {import("../config/options.js").Check<T>} Check */

/** @type {Check<number>} */
const count = (value) => (Number.isSafeInteger(value) && value > 0 ? undefined : "must be a whole number above 0");

/** @type {Check<string>} */
const text = (value) => (typeof value === "string" ? undefined : `must be a string, not ${describe(value)}`);

/** @type {Check<string>} */
const secretKey = (value) =>
  typeof value === "function"
    ? "must be the secret key itself, not a function: viewers' tokens are verified with it"
    : text(value);

/** @type {Check<string>} */
const serverURL = (value) => {
  const fix = 'must be the http(s) URL of the Trigger.dev server, such as "https://api.trigger.dev"';
  if (typeof value !== "string") return fix;
  // An empty one is a missing one, as everywhere.
  if (value === "") return undefined;
  if (!URL.canParse(value)) return fix;
  return /^https?:$/.test(new URL(value).protocol) ? undefined : fix;
};

/** @type {Check<string>} */
const basePath = (value) => {
  const fix = 'must be the path of your route, such as "/api/trigger"';
  if (typeof value !== "string") return `${fix}, not ${describe(value)}`;
  if (value === "" || value === "/") return undefined;
  return isPath(value.replace(/\/$/, "")) ? undefined : `${fix}, without wildcards, query or host`;
};

/** @type {Check<boolean | string>} */
const metrics = (value) =>
  typeof value === "boolean" || (typeof value === "string" && isPath(value))
    ? undefined
    : 'must be true (for "/metrics"), false, or the whole path of the metrics, such as "/api/trigger/metrics"';

/** @type {Check<string[]>} */
const allow = (value) => {
  const known = `expected some of ${FAMILIES.join(", ")}`;
  if (!Array.isArray(value)) return `must be an array, ${known}`;
  const wrong = Array.from(value).findIndex((name) => !FAMILIES.includes(name));
  return wrong === -1 ? undefined : `has ${JSON.stringify(value[wrong])} in it, ${known}`;
};

/** @type {Check<string[]>} */
const allowOrigins = (value) => {
  const fix = 'must be an array of origins as browsers send them, such as ["https://app.example"]';
  if (!Array.isArray(value)) return `${fix}, not ${describe(value)}`;
  const wrong = Array.from(value).find((one) => !isOrigin(one));
  return wrong === undefined && !Array.from(value).includes(undefined)
    ? undefined
    : `${fix}: ${JSON.stringify(wrong)} is none. "*" would let every page act as whoever visits it`;
};

/** @param {unknown} value */
function isOrigin(value) {
  return typeof value === "string" && URL.canParse(value) && /^https?:/.test(value) && new URL(value).origin === value;
}

/** @type {Check<Record<string, unknown>>} */
const limits = (value) => (isPlain(value) ? undefined : `must be an object, not ${describe(value)}`);

/** @type {Check<Record<string, unknown>>} */
const upstream = limits;

/** @type {Check<number>} */
const budget = (value) =>
  Number.isSafeInteger(value) && value >= 0 && value <= 1_000_000
    ? undefined
    : "must be a whole number from 1, or 0 for no limit";

/** @type {Check<string>} */
const tag = (value) =>
  typeof value === "string" && value !== "" && !/[,"\\\p{Cc}]/u.test(value) && value.isWellFormed()
    ? undefined
    : "must be one tag of the runs to follow, without commas, quotes, backslashes and control characters";

const UPSTREAM = { connections: budget, tag, rowsPerSecond: count, bytesPerSecond: count };

const OPTIONS = {
  accessToken: secretKey,
  baseURL: serverURL,
  basePath,
  authorize: /** @type {Check<(request: Request) => unknown>} */ (callback),
  authorizeTimeoutMs: milliseconds,
  allowOrigins,
  allow,
  limits,
  upstream,
  keepMs: milliseconds,
  holdMs: milliseconds,
  metrics,
};

const LIMITS = {
  viewersPerToken: count,
  heldPerBrowser: count,
  viewersPerFeed: count,
  viewers: count,
  feeds: count,
  feedsPerToken: count,
  passing: count,
  authorizing: count,
  queryBytes: count,
  bodyBytes: count,
  headerBytes: count,
  connections: count,
  streamsPerConnection: count,
  bytesUnderWay: count,
  sendTimeoutMs: milliseconds,
};

/** @type {Check<number>} */
const anyPort = (value) =>
  Number.isInteger(value) && value >= 0 && value < 65_536 ? undefined : "must be a port from 0 (any) to 65535";

/** @type {Check<{ cert: string | Uint8Array, key: string | Uint8Array }>} */
const tls = (value) => {
  const fix = "must be { cert, key }, each the content of a PEM file, as a string or a Buffer";
  // No value is quoted here: one of them is a private key.
  if (!isPlain(value)) return fix;
  const pair = /** @type {Record<string, unknown>} */ (value);
  const isPem = (/** @type {string} */ name) => typeof pair[name] === "string" || pair[name] instanceof Uint8Array;
  return Object.keys(pair).length === 2 && isPem("cert") && isPem("key") ? undefined : fix;
};

const LISTEN = { host: text, port: anyPort, tls };

/** @param {string} path */
function isPath(path) {
  return (
    /^(?:\/[\w.~!$&'()+,;=:@%-]+)+$/.test(path) &&
    path.split("/").every((part) => part !== "." && part !== "..") &&
    !/%(?:2f|5c|2e|25|00)/i.test(path)
  );
}

/**
 * @typedef {object} HandlerOptions
 * @property {{ accessToken?: string, baseURL?: string }} configuration over that of the scope
 * @property {((request: Request) => unknown) | undefined} authorize
 * @property {number} authorizeTimeoutMs
 * @property {number} sendTimeoutMs
 * @property {string[]} allowOrigins whose pages may send cookies along
 * @property {string | undefined} basePath undefined: any prefix of the server's paths
 * @property {string | undefined} metricsPath
 * @property {string} native for `openRelay`
 */

/**
 * @param {unknown} given
 * @returns {HandlerOptions}
 * @throws {ArgumentError} `ERR_INVALID_OPTIONS`
 */
function handlerOptions(given) {
  const taken = takeOptions(CALL, "the options", given, OPTIONS);
  const bounds = takeOptions(CALL, "limits", taken.limits, LIMITS);
  const above = takeOptions(CALL, "upstream", taken.upstream, UPSTREAM);
  const metricsPath = taken.metrics === true ? "/metrics" : taken.metrics || undefined;
  const base = taken.basePath?.replace(/\/$/, "");
  const { accessToken, baseURL, authorize, allow: families, keepMs, holdMs = HOLD_MS } = taken;
  const allowed = [...(taken.allowOrigins ?? [])];
  const native = JSON.stringify({
    basePath: base,
    allow: families,
    limits: bounds,
    upstream: above,
    keepMs,
    holdMs,
    metricsPath,
    authorizes: authorize !== undefined,
    allowOrigins: allowed,
  });
  return {
    configuration: { accessToken, baseURL },
    authorize,
    authorizeTimeoutMs: taken.authorizeTimeoutMs ?? AUTHORIZE_TIMEOUT_MS,
    sendTimeoutMs: bounds.sendTimeoutMs ?? SEND_TIMEOUT_MS,
    allowOrigins: allowed,
    basePath: base,
    metricsPath,
    native,
  };
}

/**
 * @typedef {object} ListenOptions
 * @property {string} host
 * @property {number} port
 * @property {{ cert: Buffer, key: Buffer } | undefined} tls
 */

/**
 * @param {unknown} given
 * @returns {ListenOptions}
 * @throws {ArgumentError} `ERR_INVALID_OPTIONS`
 */
function listenOptions(given) {
  const { host = "127.0.0.1", port = 0, tls: pair } = takeOptions("listen", "the options", given, LISTEN);
  const tls = pair && { cert: Buffer.from(pair.cert), key: Buffer.from(pair.key) };
  return { host: host === "localhost" ? "127.0.0.1" : host, port, tls };
}

/**
 * The web `Request` in the argument with which a framework calls a route.
 *
 * @param {unknown} given
 * @returns {Request}
 * @throws {ArgumentError} `ERR_INVALID_REQUEST`
 */
function requestOf(given) {
  const { request } = /** @type {{ request?: unknown }} */ (given ?? {});
  for (const each of [given, request]) {
    const candidate = /** @type {Request | null | undefined} */ (each);
    if (typeof candidate?.url === "string" && typeof candidate.headers?.forEach === "function") return candidate;
  }
  throw new ArgumentError(
    "ERR_INVALID_REQUEST",
    "the realtime handler takes a web Request, or { request } as loaders and actions get it: in Hono pass c.req.raw; " +
      "for Express and Node's http use handler.node(req, res)",
  );
}

module.exports = { handlerOptions, listenOptions, requestOf };
