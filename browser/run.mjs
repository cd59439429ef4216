/** The run object of a row: that of the official hooks, with `isFinished` and `decodeErrors` (types/run.d.ts). */

import { decode } from "./packet.mjs";
import { toRunError } from "./run-error.mjs";

/** @typedef {import("../types/run.d.ts").AnyRunShape} Run */

/**
 * What was made of a field: of what, the value, what is waited for and who is told, and the run of a value that could not be got.
 *
 * @typedef {{ raw: any, value?: any, error?: Error, wait?: Promise<void>, settled?: () => void, failedOf?: object }} Part
 */

/**
 * A row of a feed. `run` has the fields of the relay (docs/relay-live.md), and is replaced at every change; `shown` is the
 * run object that was last made of it.
 *
 * @typedef {{ at: string, run: Record<string, any>, isNew: boolean, parts: Record<string, Part>, shown?: Run }} Row
 */

/**
 * Makes the run object of a row. Fields that did not change keep the object that was made of them, and a run whose fields
 * are all the same stays the same object.
 *
 * @param {Row} row
 * @param {import("./packet.mjs").LoadPacket} load
 * @param {() => void} settled called when a value came that had to be waited for: then call this again. The same for each call
 * @returns {boolean} whether `row.shown` is up to date
 */
export function makeRun(row, load, settled) {
  const { run } = row;
  /** @type {Record<string, Error>} */
  const errors = {};
  let isComplete = true;

  /** @param {string} field @param {(raw: any) => any} make @param {any} [none] what a field without a value is */
  const get = (field, make, none) => {
    const part = partOf(row, field, make, none);
    if (part.wait) {
      isComplete = false;
      if (part.settled !== settled) part.wait.then(settled);
      part.settled = settled;
    }
    if (part.error) errors[field] = part.error;
    return part.value;
  };
  const date = (/** @type {string} */ field) => get(field, toDate);
  const packet = (/** @type {string} */ field) =>
    get(field, (raw) => decode(raw, field === "metadata" ? undefined : () => load(run.id, field, raw.data)));

  Object.assign(errors, get("faults", toErrors));
  const { status } = run;
  const is = (/** @type {string} */ names) => names.split(" ").includes(status);
  const isFailed = is("FAILED CRASHED SYSTEM_FAILURE EXPIRED TIMED_OUT");
  const isSuccess = is("COMPLETED");
  /** @type {any} */
  const shown = {
    id: run.id,
    createdAt: date("createdAt"),
    updatedAt: date("updatedAt"),
    taskIdentifier: run.taskIdentifier,
    status,
    payload: packet("payload"),
    output: packet("output"),
    durationMs: run.durationMs ?? 0,
    costInCents: run.costInCents ?? 0,
    baseCostInCents: run.baseCostInCents ?? 0,
    tags: get("tags", itself, []),
    idempotencyKey: run.idempotencyKey,
    expiredAt: date("expiredAt"),
    finishedAt: date("finishedAt"),
    startedAt: date("startedAt"),
    delayedUntil: date("delayedUntil"),
    queuedAt: date("queuedAt"),
    error: get("error", knownError),
    isTest: run.isTest ?? false,
    metadata: packet("metadata"),
    realtimeStreams: get("realtimeStreams", itself, []),
    isQueued: is("PENDING_VERSION QUEUED PENDING DELAYED"),
    isWaiting: is("WAITING"),
    isExecuting: is("DEQUEUED EXECUTING"),
    isCompleted: isSuccess || isFailed,
    isFailed,
    isSuccess,
    isCancelled: is("CANCELED"),
  };
  // Not enumerable, so that the object equals the official one.
  Object.defineProperty(shown, "isFinished", { value: run.isFinished });
  const before = row.shown;
  if (Object.keys(errors).length > 0) {
    shown.decodeErrors = isSame(before?.decodeErrors, errors) ? before?.decodeErrors : errors;
  }
  if (isComplete && !(isSame(before, shown) && before?.isFinished === shown.isFinished)) row.shown = shown;
  return isComplete;
}

/**
 * What is made of a field, or was: texts that came again, but did not change, make nothing new.
 *
 * @param {Row} row
 * @param {string} field
 * @param {(raw: any) => any} make
 * @param {any} none
 * @returns {Part}
 */
function partOf({ run, parts }, field, make, none) {
  const raw = run[field] ?? undefined;
  const before = parts[field];
  const isKnown = before && (before.raw === raw || JSON.stringify(before.raw) === JSON.stringify(raw));
  // What could not be got is tried again with the next change of its run.
  if (isKnown && (!before.failedOf || before.failedOf === run)) return before;
  /** @type {Part} */
  const part = { raw, value: none };
  parts[field] = part;
  const fail = (/** @type {any} */ error) => {
    part.error = cannot(field, error?.message ?? error, error);
  };
  try {
    const value = raw === undefined ? none : make(raw);
    if (!(value instanceof Promise)) part.value = value;
    else {
      part.wait = value
        .then(
          (late) => {
            part.value = late;
          },
          (error) => {
            part.failedOf = run;
            fail(error);
          },
        )
        .then(() => {
          part.wait = undefined;
        });
    }
  } catch (error) {
    fail(error);
  }
  return part;
}

/** @param {string} field @param {string} why @param {unknown} [cause] */
const cannot = (field, why, cause) => new Error(`the ${field} of the run cannot be decoded: ${why}`, { cause });

/** @param {any} value */
const itself = (value) => value;

/** @param {Record<string, string>} faults by their columns */
function toErrors(faults) {
  /** @type {Record<string, Error>} */
  const errors = {};
  for (const column in faults) {
    const field = column === "runTags" ? "tags" : column === "usageDurationMs" ? "durationMs" : column;
    errors[field] = cannot(field, faults[column]);
  }
  return errors;
}

/** @param {unknown} error */
function knownError(error) {
  const shown = toRunError(error);
  if (!shown) throw new Error("it is of a kind that we do not know");
  return shown;
}

/** @param {number | string} time Unix milliseconds, or a text: UTC without a `Z`, unless it names its zone */
function toDate(time) {
  if (typeof time === "number") return new Date(time);
  const date = [new Date(`${time}Z`), new Date(time)].find((one) => !Number.isNaN(one.getTime()));
  if (!date) throw new Error("the time cannot be read");
  return date;
}

/** Whether two objects have the same properties. @param {any} a @param {any} b */
function isSame(a, b) {
  if (!a) return false;
  const keys = Object.keys(b);
  return keys.length === Object.keys(a).length && keys.every((key) => Object.is(a[key], b[key]));
}
