"use strict";

/**
 * The options of subscriptions and streams, as users write them. An unknown name is refused: it is a typing error,
 * which would leave the default in force unseen. `undefined` and `null` are missing.
 */

const { ArgumentError } = require("../errors/errors.js");
const { describe, isPlain } = require("./scopes.js");

/**
 * Says what is wrong with a value, or gives `undefined`: the value is a `T` then. `any`: the value is whatever a user
 * wrote.
 *
 * @template [T=unknown]
 * @typedef {{ (value: any): string | undefined, readonly proves?: T }} Check
 */

/**
 * The options that {@link takeOptions} found.
 *
 * @template Known
 * @typedef {{ [Name in keyof Known]?: Known[Name] extends Check<infer T> ? T : never }} Taken
 */

/** @type {Check<AbortSignal>} */
const signal = (value) => (typeof value.addEventListener === "function" ? undefined : "must be an AbortSignal");

/** @type {Check<(...given: any[]) => any>} `any`: each option says in `types/` what its function gets */
const callback = (value) => (typeof value === "function" ? undefined : "must be a function");

/** @type {Check<number>} */
const milliseconds = (value) =>
  Number.isSafeInteger(value) && value > 0 ? undefined : "must be a whole number of milliseconds above 0";

/** @type {Check<boolean>} */
const flag = (value) => (typeof value === "boolean" ? undefined : `must be true or false, not ${describe(value)}`);

/** @type {Check<string[]>} */
const columns = (value) =>
  isTexts(value) ? undefined : 'must be an array of column names, such as ["payload", "output"]';

/** @typedef {import("../../types/subscription.js").WatchOptions} WatchOptions */

/** @type {Check<NonNullable<WatchOptions["retry"]>>} */
const retry = (value) => (isPlain(value) ? undefined : "must be an object");

/** The options of everything that is watched: subscriptions and streams. */
const WATCH = {
  signal,
  onRetry: /** @type {Check<NonNullable<WatchOptions["onRetry"]>>} */ (callback),
  onStateChange: /** @type {Check<NonNullable<WatchOptions["onStateChange"]>>} */ (callback),
  retry,
  silenceTimeoutMs: milliseconds,
};

const RETRY = { maxElapsedMs: milliseconds, minDelayMs: milliseconds, maxDelayMs: milliseconds };

/**
 * The options that are there, each of them known and right.
 *
 * @template {Record<string, Check>} Known
 * @param {string} call for the message
 * @param {string} what names the argument
 * @param {unknown} given
 * @param {Known} known
 * @returns {Taken<Known>}
 * @throws {ArgumentError} `ERR_INVALID_OPTIONS`
 */
function takeOptions(call, what, given, known) {
  /** @type {(text: string) => never} */
  const refuse = (text) => {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `${call}(): ${text}`);
  };
  if (given === undefined || given === null) return {};
  if (!isPlain(given)) return refuse(`${what} must be an object, not ${describe(given)}`);
  /** @type {Record<string, unknown>} */
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
  return /** @type {Taken<Known>} */ (taken);
}

/**
 * The names of the options that are there: all of the object's own, and the known ones that it inherits from its class
 * or by `Object.create()`. A name on the root prototype, which every object has, is none.
 *
 * @param {object} given
 * @param {Record<string, unknown>} known
 */
function namesIn(given, known) {
  const names = Object.keys(given);
  for (
    let kin = Object.getPrototypeOf(given);
    kin !== null && !isRootPrototype(kin);
    kin = Object.getPrototypeOf(kin)
  ) {
    for (const name of Object.getOwnPropertyNames(kin)) {
      if (Object.hasOwn(known, name) && !names.includes(name)) names.push(name);
    }
  }
  return names;
}

/** Whether this is the root prototype of a realm. @param {object} kin */
function isRootPrototype(kin) {
  return Object.getPrototypeOf(kin) === null && Object.hasOwn(kin, "isPrototypeOf");
}

/**
 * The options that are there, to be sent as they are. `null` is left out: to a server it is a value, and mostly a wrong
 * one.
 *
 * @param {string} call for the message
 * @param {unknown} given
 * @returns {Record<string, unknown>}
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
  // Of a copy: `every` skips a hole, which is a missing text.
  return Array.isArray(value) && Array.from(value).every((text) => typeof text === "string");
}

module.exports = { WATCH, callback, columns, flag, isTexts, milliseconds, namesIn, present, takeOptions };
