"use strict";

// The error of a failed run as the run object shows it (docs/server-protocol.md 4). Some errors are
// recognised and named better; the facts are those of the official SDK, which the tests compare
// with.

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
 */

const EXIT_CODE = "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE";

/** What a signal says about how a task's process ended; the first one found counts. */
const BY_SIGNAL = [
  ["SIGTERM", "TASK_PROCESS_SIGTERM"],
  ["SIGSEGV", "TASK_PROCESS_SIGSEGV"],
  ["SIGKILL", "TASK_PROCESS_MAYBE_OOM_KILLED"],
  ["SIGABRT", "TASK_PROCESS_MAYBE_OOM_KILLED"],
];

/** Signals are looked for in so many characters at the start of a text. */
const SIGNAL_WITHIN = 100;

/** Errors thrown in a task that stand for something else, by name and message. */
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
    // What a task throws to be retried on a larger machine.
    when: (error) => error.message === "MANUAL_OOM_KILL_ERROR",
    show: () => internal("TASK_PROCESS_OOM_KILLED"),
  },
  {
    when: (error) => error.name === "TriggerApiError" && startsWith(error.message, "Deadlock detected:"),
    show: (error) => thrown({ ...error, name: "Concurrency Deadlock Error", stackTrace: "" }),
  },
];

/**
 * The error of a run, from the JSON of its `error` column. An error of a kind we do not know is
 * shown by what it has in common with the others; `undefined` when that is nothing.
 *
 * @param {any} error
 * @returns {RunError | undefined}
 */
function toRunError(error) {
  if (error === null || typeof error !== "object") return undefined;
  switch (error.type) {
    case "BUILT_IN_ERROR":
      return (THROWN.find((known) => known.when(error))?.show ?? thrown)(error);
    case "STRING_ERROR":
    case "CUSTOM_ERROR":
      return { message: error.raw };
    case "INTERNAL_ERROR":
      return internal(error.code === EXIT_CODE ? codeOfExit(error.message) : error.code);
    default:
      return unknown(error);
  }
}

/** @returns {RunError} */
function internal(code) {
  return { message: `trigger.dev internal error (${code})` };
}

/** @returns {RunError} */
function thrown(error) {
  /** @type {RunError} */
  const shown = { name: error.name, message: error.message, stackTrace: error.stackTrace };
  if (Array.isArray(error.causes) && error.causes.length > 0) shown.causes = error.causes.map(toCause);
  return shown;
}

/** @returns {RunErrorCause} */
function toCause(cause) {
  const shown = {};
  for (const key of ["name", "message", "stackTrace"]) {
    if (typeof cause?.[key] === "string") shown[key] = cause[key];
  }
  return /** @type {RunErrorCause} */ (shown);
}

function unknown(error) {
  const message = [error.message, error.raw, error.code].find((text) => typeof text === "string");
  if (message === undefined) return undefined;
  const shown = toCause(error);
  return { ...shown, message };
}

function codeOfExit(text) {
  const start = typeof text === "string" ? text.slice(0, SIGNAL_WITHIN) : "";
  return BY_SIGNAL.find(([signal]) => start.includes(signal))?.[1] ?? EXIT_CODE;
}

function startsWith(text, start) {
  return typeof text === "string" && text.startsWith(start);
}

module.exports = { toRunError };
