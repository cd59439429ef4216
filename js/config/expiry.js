"use strict";

/** The expiration time of a token, in the forms that users may write. */

const { isDate } = require("node:util").types;
const { ArgumentError } = require("../errors/errors.js");
const { describe } = require("./scopes.js");

/**
 * `expirationTime` as native code takes it: Unix seconds, `NaN` where there are none, or else a period.
 *
 * @param {unknown} given a period such as `"1h"`, a Date, Unix seconds, or nothing
 * @returns {{ seconds: number, period: string | null }}
 * @throws {ArgumentError} `ERR_INVALID_EXPIRATION` for what is none of them
 */
function expiryOf(given) {
  if (given === undefined || given === null) return { seconds: Number.NaN, period: null };
  if (typeof given === "string") return { seconds: Number.NaN, period: given };
  const seconds = isDate(given) ? Math.floor(given.getTime() / 1000) : given;
  if (typeof seconds !== "number" || Number.isNaN(seconds)) {
    // NaN means "none" to native code, so it is refused here.
    throw new ArgumentError(
      "ERR_INVALID_EXPIRATION",
      `expirationTime is ${isDate(given) ? "an invalid Date" : typeof given === "number" ? "NaN" : describe(given)}: pass a period such as "1h", a Date in the future, or Unix seconds in the future`,
    );
  }
  return { seconds, period: null };
}

module.exports = { expiryOf };
