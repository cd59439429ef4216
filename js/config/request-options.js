"use strict";

/** What users write beside a call: how it is retried, what goes along with it, and its bounds (defect 19). */

const { ConfigError } = require("../errors/errors.js");
const { namesIn } = require("./options.js");
const { describe, isPlain } = require("./scopes.js");

/** The request options every call takes. */
const CALL_OPTIONS = { retry: "object", additionalHeaders: "object", timeoutInMs: "number", signal: "object" };

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
  const checked = pick(where, options, { retry: "object", additionalHeaders: "object" });
  if (checked.retry !== undefined) checked.retry = checkRetry(`${where}.retry`, checked.retry);
  if (checked.additionalHeaders !== undefined) {
    const what = `${where}.additionalHeaders`;
    // A `Headers` or a Map has nothing of its own, and would be sent as nothing.
    if (!isPlain(checked.additionalHeaders))
      refuse(`${what} must be an object, not ${describe(checked.additionalHeaders)}`);
    const entries = Object.entries(checked.additionalHeaders);
    for (const [name, value] of entries) {
      if (typeof value !== "string") refuse(`${what}: "${name}" must be a string`);
      if (!value.isWellFormed()) refuse(`${what}: "${name}" holds an unpaired surrogate`);
    }
    checked.additionalHeaders = Object.freeze(Object.fromEntries(entries));
  }
  return Object.freeze({ ...checked });
}

/** The longest wait and the most attempts that native code takes; more is as good as endless. */
const ENDLESS = 2 ** 32 - 1;

/** @param {string} where @param {unknown} options */
function checkRetry(where, options) {
  const retry = pick(where, options, RETRY);
  for (const name of ["maxAttempts", "minTimeoutInMs", "maxTimeoutInMs"]) {
    if (retry[name] === undefined) continue;
    if (retry[name] < 0) refuse(`${where}: "${name}" must not be negative`);
    retry[name] = Math.min(Math.round(retry[name]), ENDLESS);
  }
  return Object.freeze({ ...retry });
}

/** What bounds one call: a signal and a time (defect 19). */
const BOUNDS = { timeoutInMs: "number", signal: "object" };

/**
 * Checks what bounds one call.
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
 * @param {Record<string, string>} [more] what this call takes besides
 * @returns {any}
 */
function checkCallOptions(where, options, more = {}) {
  const checked = boundsOf(where, pick(where, options, { ...CALL_OPTIONS, ...more }));
  const { retry, additionalHeaders } = checked;
  return { __proto__: null, ...checked, ...checkRequestOptions(where, { retry, additionalHeaders }) };
}

/** Whether `value` can only be meant as request options, as the SDK judges where it takes either. */
function looksLikeCallOptions(value) {
  if (typeof value !== "object" || value === null) return false;
  const names = Object.keys(value);
  return names.length > 0 && names.every((name) => Object.hasOwn(CALL_OPTIONS, name));
}

function boundsOf(where, checked) {
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
 * Copies the known options, each of its type; `undefined` and `null` are missing. What is copied inherits nothing: what
 * was put on every object would be taken for a key or a server.
 *
 * @param {string} where
 * @param {any} options
 * @param {Record<string, string>} known
 * @returns {any}
 */
function pick(where, options, known) {
  // What has nothing of its own, such as a promise that nobody awaited, would leave in force what holds around it: another
  // tenant's key.
  if (!isPlain(options)) {
    const missing = typeof options?.then === "function" ? ": an await is missing" : "";
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
    // It would go out as another text.
    if (typeof value === "string" && !value.isWellFormed()) refuse(`${where}: "${name}" holds an unpaired surrogate`);
    picked[name] = value;
  }
  return picked;
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new ConfigError("ERR_INVALID_CONFIG", message);
}

module.exports = { checkBounds, checkCallOptions, checkRequestOptions, looksLikeCallOptions, pick };
