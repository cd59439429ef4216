"use strict";

const { ArgumentError } = require("../errors/errors.js");

/**
 * The id of what a call is about: itself, or that of the handle that stands for it.
 *
 * @param {string} call for the message, such as `"runs.retrieve"`
 * @param {string} what `"run"`, `"batch"`, `"task"`, `"token"`
 * @param {unknown} value
 * @param {string[]} [names] where a handle keeps it
 * @returns {string}
 * @throws {ArgumentError} `ERR_INVALID_ID`, naming the fix
 */
function idOf(call, what, value, names = ["id"]) {
  let id = value;
  if (typeof value === "object" && value !== null) {
    const name = names.find((candidate) => typeof value[candidate] === "string");
    id = name === undefined ? undefined : value[name];
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

function isPromise(value) {
  return typeof value?.then === "function";
}

module.exports = { idOf };
