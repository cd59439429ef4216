"use strict";

/** The app's decision on a viewer's request, instead of a token (`authorize`). */

const { ArgumentError } = require("../errors/errors.js");
const { columns, isTexts, takeOptions } = require("../config/options.js");
const { describe, flattenScopes, isPlain } = require("../config/scopes.js");
const { after } = require("../async/timer.js");

/** @type {import("../config/options.js").Check<string[] | Record<string, unknown>>} */
const someScopes = (value) =>
  isTexts(value) || isPlain(value)
    ? undefined
    : 'must be an array such as ["read:runs:run_1234"], or an object such as { read: { runs: ["run_1234"] } }';

/** @type {import("../config/options.js").Check<string>} */
const viewerId = (value) =>
  typeof value === "string" && value !== "" ? undefined : "must be a string that is not empty: it names the viewer";

const GRANT = { scopes: someScopes, skipColumns: columns, id: viewerId };

/**
 * @typedef {{ grant: string } | { response: Response } | { refused: true } | { late: true } | { closed: true }} Decision
 */

const LATE = Symbol("late");
const CLOSED = Symbol("closed");

/** The app's decisions that are waited for, until the listener or the handler that waits is closed. */
class Decisions {
  /** @type {Set<() => void>} */
  #ends = new Set();
  #isClosed = false;

  /**
   * The value of a promise, `LATE` or `CLOSED`. A value that is no promise is given at once, without a timer.
   *
   * @param {unknown} given
   * @param {number} ms
   */
  within(given, ms) {
    const promise = /** @type {PromiseLike<unknown> | null | undefined} */ (given);
    if (typeof promise?.then !== "function") return given;
    if (this.#isClosed) return CLOSED;
    return new Promise((resolve, reject) => {
      const settled = (/** @type {(value: unknown) => void} */ settle) => (/** @type {unknown} */ value) => {
        clearTimeout(timer);
        this.#ends.delete(end);
        settle(value);
      };
      const end = () => settled(resolve)(CLOSED);
      const timer = after(ms, () => settled(resolve)(LATE));
      this.#ends.add(end);
      promise.then(settled(resolve), settled(reject));
    });
  }

  /** Ends the waits, which would keep the process alive. */
  close() {
    this.#isClosed = true;
    for (const end of this.#ends) end();
  }
}

/**
 * Whether it is a `Response` of any realm: frameworks have their own.
 *
 * @param {unknown} given
 * @returns {given is Response}
 */
function isResponse(given) {
  const value = /** @type {Partial<Response> | null | undefined} */ (given);
  return typeof value?.status === "number" && typeof value.arrayBuffer === "function" && value.headers !== undefined;
}

/**
 * Asks the app about a request.
 *
 * @param {(request: Request) => unknown} authorize
 * @param {Request} request
 * @param {number} ms how long it may take
 * @param {Decisions} decisions those that are waited for
 * @returns {Promise<Decision>} rejects with what it threw, and for a result of another form
 */
async function decisionOf(authorize, request, ms, decisions) {
  let given;
  try {
    given = await decisions.within(authorize(request), ms);
    if (given === LATE) return { late: true };
    if (given === CLOSED) return { closed: true };
  } catch (error) {
    // A redirect may be thrown, as in Remix.
    if (isResponse(error)) return { response: error };
    throw error;
  }
  if (given === undefined || given === null || given === false) return { refused: true };
  if (isResponse(given)) return { response: given };
  if (!isPlain(given)) {
    throw new ArgumentError(
      "ERR_INVALID_OPTIONS",
      `authorize() gave ${describe(given)}: return { scopes }, a Response, or null for a viewer who may see nothing`,
    );
  }
  const { scopes = [], skipColumns = [], id } = takeOptions("authorize", "what it returns", given, GRANT);
  return { grant: JSON.stringify({ scopes: Array.isArray(scopes) ? scopes : flattenScopes(scopes), skipColumns, id }) };
}

module.exports = { Decisions, decisionOf };
