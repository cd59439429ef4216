"use strict";

/** The request options of a call: retries, additional headers, and its bounds (defect 19). */

const { ConfigError } = require("../errors/errors.js");
const { namesIn } = require("./options.js");
const { describe, isPlain } = require("./scopes.js");

/**
 * @typedef {{ string: string, number: number, boolean: boolean, object: object, function: Function, "string or function": string | Function, any: unknown }} Values
 * by the name of their type, as `typeof` has it
 * @typedef {Record<string, keyof Values>} Types by the name of the option
 */

/**
 * The options that {@link pick} found.
 *
 * @template {Types} Known
 * @typedef {{ [Name in keyof Known]?: Values[Known[Name]] }} Picked
 */

/**
 * The request options and bounds of one call, checked. The last two are those of triggers alone.
 *
 * @typedef {import("./config.js").RequestOptions & import("../async/bounded.js").Bounds
 *   & { publicAccessToken?: object, clientConfig?: object }} CallOptions
 */

/** The request options every call takes. */
const CALL_OPTIONS = /** @type {const} */ ({
  retry: "object",
  additionalHeaders: "object",
  timeoutInMs: "number",
  signal: "object",
});

/** @satisfies {Types} */
const RETRY = {
  maxAttempts: "number",
  minTimeoutInMs: "number",
  maxTimeoutInMs: "number",
  factor: "number",
  randomize: "boolean",
};

/**
 * Checks the request options of all calls.
 *
 * @param {string} where names the argument in errors
 * @param {unknown} options
 * @returns {Readonly<import("./config.js").RequestOptions>}
 */
function checkRequestOptions(where, options) {
  const { retry, additionalHeaders } = pick(where, options, { retry: "object", additionalHeaders: "object" });
  /** @type {import("./config.js").RequestOptions} */
  const checked = {};
  if (retry !== undefined) checked.retry = checkRetry(`${where}.retry`, retry);
  if (additionalHeaders !== undefined) {
    checked.additionalHeaders = checkHeaders(`${where}.additionalHeaders`, additionalHeaders);
  }
  return Object.freeze(checked);
}

/**
 * @param {string} what names the option in errors
 * @param {object} headers
 * @returns {Readonly<Record<string, string>>}
 */
function checkHeaders(what, headers) {
  // A `Headers` or a Map has no properties of its own, and would be sent as none.
  if (!isPlain(headers)) refuse(`${what} must be an object, not ${describe(headers)}`);
  const entries = Object.entries(headers);
  for (const [name, value] of entries) {
    if (typeof value !== "string") refuse(`${what}: "${name}" must be a string`);
    if (!value.isWellFormed()) refuse(`${what}: "${name}" holds an unpaired surrogate`);
  }
  return Object.freeze(Object.fromEntries(/** @type {[string, string][]} */ (entries)));
}

/** The longest wait and the most attempts that native code takes; more is as good as endless. */
const ENDLESS = 2 ** 32 - 1;

/** @param {string} where @param {unknown} options */
function checkRetry(where, options) {
  const retry = pick(where, options, RETRY);
  for (const name of /** @type {const} */ (["maxAttempts", "minTimeoutInMs", "maxTimeoutInMs"])) {
    const value = retry[name];
    if (value === undefined) continue;
    if (value < 0) refuse(`${where}: "${name}" must not be negative`);
    retry[name] = Math.min(Math.round(value), ENDLESS);
  }
  return Object.freeze({ ...retry });
}

/** The bounds of one call: a signal and a time (defect 19). */
const BOUNDS = /** @type {const} */ ({ timeoutInMs: "number", signal: "object" });

/**
 * Checks the bounds of one call.
 *
 * @param {string} where names the argument in errors
 * @param {unknown} options
 * @returns {{ signal?: AbortSignal, timeoutInMs?: number }} `timeoutInMs` for the whole call, retries included
 */
function checkBounds(where, options) {
  return boundsOf(where, pick(where, options, BOUNDS));
}

/**
 * Checks the request options of one call: the official ones and its bounds.
 *
 * @param {string} where names the argument in errors
 * @param {unknown} options
 * @param {Types} [more] options that this call takes besides
 * @returns {CallOptions}
 */
function checkCallOptions(where, options, more = {}) {
  const picked = /** @type {CallOptions} */ (pick(where, options, { ...CALL_OPTIONS, ...more }));
  const checked = boundsOf(where, picked);
  const { retry, additionalHeaders } = checked;
  const given = { __proto__: null, ...checked, ...checkRequestOptions(where, { retry, additionalHeaders }) };
  return /** @type {CallOptions} */ (given);
}

/**
 * Whether `value` can only be request options. The SDK decides so where it takes either.
 *
 * @param {unknown} value
 * @returns {value is object}
 */
function looksLikeCallOptions(value) {
  if (typeof value !== "object" || value === null) return false;
  const names = Object.keys(value);
  return names.length > 0 && names.every((name) => Object.hasOwn(CALL_OPTIONS, name));
}

/**
 * @template {{ timeoutInMs?: number, signal?: object }} B
 * @param {string} where
 * @param {B} checked
 * @returns {B & import("../async/bounded.js").Bounds}
 */
function boundsOf(where, checked) {
  const { timeoutInMs, signal } = checked;
  if (timeoutInMs !== undefined && !(Number.isSafeInteger(timeoutInMs) && timeoutInMs > 0 && timeoutInMs < 2 ** 32)) {
    refuse(`${where}.timeoutInMs must be a whole number of milliseconds above 0`);
  }
  if (signal !== undefined && !("addEventListener" in signal && typeof signal.addEventListener === "function")) {
    refuse(`${where}.signal must be an AbortSignal`);
  }
  return /** @type {B & import("../async/bounded.js").Bounds} */ (checked);
}

/**
 * Copies the known options, each of its type; `undefined` and `null` are missing. The copy inherits nothing: a property
 * that a program put on every object would be taken for a key or a server.
 *
 * @template {Types} Known
 * @param {string} where
 * @param {unknown} options
 * @param {Known} known
 * @returns {Picked<Known>}
 */
function pick(where, options, known) {
  // A promise that was not awaited has no options of its own: the configuration around it would hold, with the key of
  // another tenant.
  if (!isPlain(options)) {
    const { then } = /** @type {{ then?: unknown }} */ (options ?? {});
    const missing = typeof then === "function" ? ": an await is missing" : "";
    refuse(`${where} must be an object, not ${describe(options)}${missing}`);
  }
  /** @type {Record<string, unknown>} */
  const picked = { __proto__: null };
  for (const name of namesIn(options, known)) {
    const value = options[name];
    if (value === undefined || value === null) continue;
    if (!Object.hasOwn(known, name)) {
      refuse(`${where}: unknown option "${name}", expected one of ${Object.keys(known).join(", ")}`);
    }
    if (known[name] !== "any" && (!known[name].split(" or ").includes(typeof value) || Number.isNaN(value))) {
      // The value is not shown: it can be a key.
      refuse(`${where}: "${name}" must be a ${known[name]}, not ${Number.isNaN(value) ? "NaN" : `a ${typeof value}`}`);
    }
    // The string would go out as another text.
    if (typeof value === "string" && !value.isWellFormed()) refuse(`${where}: "${name}" holds an unpaired surrogate`);
    picked[name] = value;
  }
  return /** @type {Picked<Known>} */ (picked);
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new ConfigError("ERR_INVALID_CONFIG", message);
}

module.exports = { checkBounds, checkCallOptions, checkRequestOptions, looksLikeCallOptions, pick };
