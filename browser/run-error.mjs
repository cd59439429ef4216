/**
 * What few runs have: an error, as the server's half of the package shows it (js/runs/error.js), faults, and times that are
 * texts. Loaded with the first.
 */

import { cannot } from "./run.mjs";

const EXIT_CODE = "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE";

/**
 * `any`: JSON that was not checked.
 *
 * @param {any} error the `error` field of a run
 * @returns {import("../types/run.d.ts").SerializedError}
 * @throws {Error} for an error of a kind that is not known
 */
export function toRunError(error) {
  const { type, name, message, stackTrace, raw, code } = error;
  const starts = (/** @type {string} */ text) => `${message}`.startsWith(text);
  if (type === "BUILT_IN_ERROR") {
    if (name === "UnexpectedExitError" && starts("Unexpected exit with code -1")) return internal(exitCode(stackTrace));
    if (
      (name === "Error" && message === "ffmpeg was killed with signal SIGKILL") ||
      message === "MANUAL_OOM_KILL_ERROR"
    ) {
      return internal("TASK_PROCESS_OOM_KILLED");
    }
    const isDeadlock = name === "TriggerApiError" && starts("Deadlock detected:");
    const shown = isDeadlock
      ? { name: "Concurrency Deadlock Error", message, stackTrace: "" }
      : { name, message, stackTrace };
    const causes = Array.isArray(error.causes) && error.causes.length > 0 && error.causes.map(texts);
    return causes ? { ...shown, causes } : shown;
  }
  if (type === "STRING_ERROR" || type === "CUSTOM_ERROR") return { message: raw };
  if (type === "INTERNAL_ERROR") return internal(code === EXIT_CODE ? exitCode(message) : code);
  const said = [message, raw, code].find((text) => typeof text === "string");
  if (said === undefined) throw new Error("it is of a kind that we do not know");
  return { ...texts(error), message: said };
}

/** @param {unknown} code */
const internal = (code) => ({ message: `trigger.dev internal error (${code})` });

/** The texts of an error, of those that it has. @param {any} error */
function texts(error) {
  /** @type {any} */
  const shown = {};
  for (const key of ["name", "message", "stackTrace"]) {
    if (typeof error?.[key] === "string") shown[key] = error[key];
  }
  return shown;
}

/** @param {unknown} text */
function exitCode(text) {
  const start = `${text}`.slice(0, 100);
  const has = (/** @type {string} */ signal) => typeof text === "string" && start.includes(signal);
  for (const signal of ["SIGTERM", "SIGSEGV"]) if (has(signal)) return `TASK_PROCESS_${signal}`;
  return has("SIGKILL") || has("SIGABRT") ? "TASK_PROCESS_MAYBE_OOM_KILLED" : EXIT_CODE;
}

/**
 * The errors of fields whose columns cannot be decoded.
 *
 * @param {Record<string, string>} faults by their columns
 */
function toFaults(faults) {
  /** @type {Record<string, Error>} */
  const errors = {};
  for (const column in faults) {
    const field = column === "runTags" ? "tags" : column === "usageDurationMs" ? "durationMs" : column;
    errors[field] = cannot(field, faults[column]);
  }
  return errors;
}

/** @param {string} time UTC without a `Z`, unless it names its zone */
function toDate(time) {
  const date = new Date(`${time}Z`);
  return +date < Infinity ? date : new Date(new Date(time).toISOString());
}

// By the letters of the fields that have them (run.mjs).
export { toDate as d, toFaults as x, toRunError as e };
