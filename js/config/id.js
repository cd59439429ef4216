"use strict";

const { ArgumentError } = require("../errors/errors.js");

/**
 * The id that a call was given, itself or in a handle. The one place that reads ids of runs, batches, tasks and tokens.
 *
 * @param {string} call for the message, such as `"runs.retrieve"`
 * @param {string} what `"run"`, `"batch"`, `"task"`, `"token"`
 * @param {unknown} value
 * @param {string[]} [names] the properties of a handle that may hold it
 * @returns {string}
 * @throws {ArgumentError} `ERR_INVALID_ID`, naming the fix
 */
function idOf(call, what, value, names = ["id"]) {
  let id = value;
  if (typeof value === "object" && value !== null) {
    const handle = /** @type {Record<string, unknown>} */ (value);
    const name = names.find((candidate) => typeof handle[candidate] === "string");
    id = name === undefined ? undefined : handle[name];
  }
  if (typeof id !== "string") {
    const got = id === value ? (value === null ? "null" : typeof value) : `an object without ${names.join(" or ")}`;
    const source = what === "task" ? "the task's id" : "the id, or the handle that the server's answer gave";
    throw new ArgumentError(
      "ERR_INVALID_ID",
      `${call}() got ${got} instead of a ${what} id: pass ${source}${isPromise(value) ? " (an await is missing)" : ""}`,
    );
  }
  // An unpaired surrogate would reach the server as another id.
  if (!id.isWellFormed()) throw new ArgumentError("ERR_INVALID_ID", `the ${what} id holds an unpaired surrogate`);
  return id;
}

/** @param {unknown} value */
function isPromise(value) {
  return typeof (/** @type {{ then?: unknown } | null | undefined} */ (value)?.then) === "function";
}

module.exports = { idOf };
