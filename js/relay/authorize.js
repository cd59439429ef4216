"use strict";

/** What an app says of a viewer's request, in place of a token (`authorize`). */

const { ArgumentError } = require("../errors/errors.js");
const { columns, isTexts, takeOptions } = require("../config/options.js");
const { describe, flattenScopes, isPlain } = require("../config/scopes.js");
const { after } = require("../async/timer.js");

const GRANT = {
  scopes: (/** @type {any} */ value) =>
    isTexts(value) || isPlain(value)
      ? undefined
      : 'must be an array such as ["read:runs:run_1234"], or an object such as { read: { runs: ["run_1234"] } }',
  skipColumns: columns,
  id: (/** @type {any} */ value) =>
    typeof value === "string" && value !== "" ? undefined : "must be a string that is not empty: it names the viewer",
};

/**
 * @typedef {{ grant: string } | { response: Response } | { refused: true } | { late: true }} Verdict
 */

const LATE = Symbol("late");

/**
 * What a promise gives, or `LATE`. What is no promise is given at once: nothing is waited for.
 *
 * @param {any} given
 * @param {number} ms
 */
function within(given, ms) {
  if (typeof given?.then !== "function") return given;
  return new Promise((resolve, reject) => {
    const timer = after(ms, () => resolve(LATE));
    const settled = (/** @type {(value: any) => void} */ tell) => (/** @type {any} */ value) => {
      clearTimeout(timer);
      tell(value);
    };
    given.then(settled(resolve), settled(reject));
  });
}

/** Of any realm: frameworks bring their own. @param {any} value */
function isResponse(value) {
  return typeof value?.status === "number" && typeof value.arrayBuffer === "function" && value.headers !== undefined;
}

/**
 * Asks the app about a request.
 *
 * @param {(request: Request) => unknown} authorize
 * @param {Request} request
 * @param {number} ms how long it may take
 * @returns {Promise<Verdict>} rejects with what it threw, and where it gave what makes no sense
 */
async function verdictOf(authorize, request, ms) {
  let given;
  try {
    given = await within(authorize(request), ms);
    if (given === LATE) return { late: true };
  } catch (error) {
    // As in Remix: a redirect may be thrown.
    if (isResponse(error)) return { response: /** @type {any} */ (error) };
    throw error;
  }
  if (given === undefined || given === null || given === false) return { refused: true };
  if (isResponse(given)) return { response: /** @type {any} */ (given) };
  if (!isPlain(given)) {
    throw new ArgumentError(
      "ERR_INVALID_OPTIONS",
      `authorize() gave ${describe(given)}: return { scopes }, a Response, or null for a viewer who may see nothing`,
    );
  }
  const { scopes = [], skipColumns = [], id } = takeOptions("authorize", "what it returns", given, GRANT);
  return { grant: JSON.stringify({ scopes: Array.isArray(scopes) ? scopes : flattenScopes(scopes), skipColumns, id }) };
}

module.exports = { verdictOf };
