"use strict";

/**
 * The error of a failed run in the run object (docs/server-protocol.md 4). Some errors are recognised and get a better
 * name, as in the official SDK, which the tests compare with.
 */

/**
 * @typedef {object} RunErrorCause
 * @property {string} [name]
 * @property {string} message
 * @property {string} [stackTrace]
 *
 * @typedef {object} RunError
 * @property {string} [name]
 * @property {string} message
 * @property {string} [stackTrace]
 * @property {RunErrorCause[]} [causes] Outermost first.
 *
 * The JSON of the `error` column, which was not checked.
 * @typedef {Record<string, unknown>} Column
 */

const EXIT_CODE = "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE";

/** Signals that end a task's process, with the code of each; the first one found counts. */
const BY_SIGNAL = [
  ["SIGTERM", "TASK_PROCESS_SIGTERM"],
  ["SIGSEGV", "TASK_PROCESS_SIGSEGV"],
  ["SIGKILL", "TASK_PROCESS_MAYBE_OOM_KILLED"],
  ["SIGABRT", "TASK_PROCESS_MAYBE_OOM_KILLED"],
];

/** The length of the start of a text that is searched for signals, in characters. */
const SIGNAL_WITHIN = 100;

/**
 * Errors thrown in a task that mean something else, by name and message.
 *
 * @type {{ when(error: Column): boolean, show(error: Column): RunError }[]}
 */
const THROWN = [
  {
    when: (error) => error.name === "UnexpectedExitError" && startsWith(error.message, "Unexpected exit with code -1"),
    show: (error) => internal(codeOfExit(error.stackTrace)),
  },
  {
    when: (error) => error.name === "Error" && error.message === "ffmpeg was killed with signal SIGKILL",
    show: () => internal("TASK_PROCESS_OOM_KILLED"),
  },
  {
    // A task throws it to be retried on a larger machine.
    when: (error) => error.message === "MANUAL_OOM_KILL_ERROR",
    show: () => internal("TASK_PROCESS_OOM_KILLED"),
  },
  {
    when: (error) => error.name === "TriggerApiError" && startsWith(error.message, "Deadlock detected:"),
    show: (error) => thrown({ ...error, name: "Concurrency Deadlock Error", stackTrace: "" }),
  },
];

/**
 * The error of a run, from the JSON of its `error` column. An error of an unknown kind is shown by the fields it shares
 * with the others; `undefined` when it has none of them.
 *
 * @param {unknown} column
 * @returns {RunError | undefined}
 */
function toRunError(column) {
  if (column === null || typeof column !== "object") return undefined;
  const error = /** @type {Column} */ (column);
  switch (error.type) {
    case "BUILT_IN_ERROR":
      return (THROWN.find((known) => known.when(error))?.show ?? thrown)(error);
    case "STRING_ERROR":
    case "CUSTOM_ERROR":
      return { message: /** @type {string} */ (error.raw) };
    case "INTERNAL_ERROR":
      return internal(error.code === EXIT_CODE ? codeOfExit(error.message) : error.code);
    default:
      return unknown(error);
  }
}

/** @param {unknown} code @returns {RunError} */
function internal(code) {
  return { message: `trigger.dev internal error (${code})` };
}

/** @param {Column} error @returns {RunError} */
function thrown(error) {
  const shown = /** @type {RunError} */ ({ name: error.name, message: error.message, stackTrace: error.stackTrace });
  if (Array.isArray(error.causes) && error.causes.length > 0) shown.causes = error.causes.map(toCause);
  return shown;
}

/** @param {Column | null | undefined} cause @returns {RunErrorCause} */
function toCause(cause) {
  /** @type {Column} */
  const shown = {};
  for (const key of ["name", "message", "stackTrace"]) {
    if (typeof cause?.[key] === "string") shown[key] = cause[key];
  }
  return /** @type {RunErrorCause} */ (/** @type {unknown} */ (shown));
}

/** @param {Column} error @returns {RunError | undefined} */
function unknown(error) {
  const message = [error.message, error.raw, error.code].find((text) => typeof text === "string");
  if (message === undefined) return undefined;
  const shown = toCause(error);
  return { ...shown, message: /** @type {string} */ (message) };
}

/** @param {unknown} text */
function codeOfExit(text) {
  const start = typeof text === "string" ? text.slice(0, SIGNAL_WITHIN) : "";
  return BY_SIGNAL.find(([signal]) => start.includes(signal))?.[1] ?? EXIT_CODE;
}

/** @param {unknown} text @param {string} start */
function startsWith(text, start) {
  return typeof text === "string" && text.startsWith(start);
}

module.exports = { toRunError };
