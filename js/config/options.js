"use strict";

/**
 * The options of subscriptions and streams, as users write them. A name that is unknown is a slip of
 * the keyboard, which would leave the default in force unseen; `undefined` and `null` are missing.
 */

const { ArgumentError } = require("../errors/errors.js");
const { describe, isPlain } = require("./scopes.js");

/** What is wrong with a value, or `undefined`. @typedef {(value: any) => string | undefined} Check */

/** @type {Check} */
const signal = (value) => (typeof value.addEventListener === "function" ? undefined : "must be an AbortSignal");

/** @type {Check} */
const callback = (value) => (typeof value === "function" ? undefined : "must be a function");

/** @type {Check} */
const milliseconds = (value) =>
  Number.isSafeInteger(value) && value > 0 ? undefined : "must be a whole number of milliseconds above 0";

/** @type {Check} */
const flag = (value) => (typeof value === "boolean" ? undefined : `must be true or false, not ${describe(value)}`);

/** @type {Check} */
const columns = (value) =>
  isTexts(value) ? undefined : 'must be an array of column names, such as ["payload", "output"]';

/** What everything takes that is watched. @type {Record<string, Check>} */
const WATCH = {
  signal,
  onRetry: callback,
  onStateChange: callback,
  retry: (value) => (isPlain(value) ? undefined : "must be an object"),
  silenceTimeoutMs: milliseconds,
};

const RETRY = { maxElapsedMs: milliseconds, minDelayMs: milliseconds, maxDelayMs: milliseconds };

/**
 * The known options that are there, each of them right.
 *
 * @param {string} call for the message
 * @param {string} what names the argument
 * @param {any} given
 * @param {Record<string, Check>} known
 * @returns {any}
 * @throws {ArgumentError} `ERR_INVALID_OPTIONS`
 */
function takeOptions(call, what, given, known) {
  const refuse = (/** @type {string} */ text) => {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `${call}(): ${text}`);
  };
  if (given === undefined || given === null) return {};
  if (!isPlain(given)) refuse(`${what} must be an object, not ${describe(given)}`);
  /** @type {Record<string, any>} */
  const taken = {};
  for (const name of namesIn(given, known)) {
    const value = given[name];
    if (value === undefined || value === null) continue;
    if (!Object.hasOwn(known, name)) {
      refuse(`unknown option "${name}" in ${what}, expected one of ${Object.keys(known).join(", ")}`);
    }
    const wrong = known[name](value);
    if (wrong !== undefined) refuse(`${name} ${wrong}`);
    taken[name] = value;
  }
  if (taken.retry !== undefined) taken.retry = takeOptions(call, "retry", taken.retry, RETRY);
  return taken;
}

/**
 * The names of the options that are there: the object's own, and of the known ones those that it has of its class, or of
 * what it was made from by `Object.create()`. Nothing of what was put on every object, which would be everyone's.
 *
 * @param {object} given
 * @param {Record<string, unknown>} known
 */
function namesIn(given, known) {
  const names = Object.keys(given);
  for (let kin = Object.getPrototypeOf(given); kin !== null && !isEveryones(kin); kin = Object.getPrototypeOf(kin)) {
    for (const name of Object.getOwnPropertyNames(kin)) {
      if (Object.hasOwn(known, name) && !names.includes(name)) names.push(name);
    }
  }
  return names;
}

/** Whether all objects of a realm have what this one has. @param {object} kin */
function isEveryones(kin) {
  return Object.getPrototypeOf(kin) === null && Object.hasOwn(kin, "isPrototypeOf");
}

/**
 * What is there of options that travel as they are: to a server `null` is a value, and mostly a wrong one.
 *
 * @param {string} call for the message
 * @param {any} given
 * @returns {any}
 * @throws {ArgumentError} `ERR_INVALID_OPTIONS` for what is no object
 */
function present(call, given) {
  if (given === undefined || given === null) return {};
  if (typeof given !== "object" || Array.isArray(given)) {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `${call}(): the options must be an object, not ${describe(given)}`);
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}

/** @param {unknown} value @returns {value is string[]} */
function isTexts(value) {
  // A copy: a hole is a missing text, not one to skip.
  return Array.isArray(value) && Array.from(value).every((text) => typeof text === "string");
}

module.exports = { WATCH, callback, columns, flag, isTexts, milliseconds, namesIn, present, takeOptions };
