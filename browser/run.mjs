/** The run object of a row: that of the official hooks, with `isFinished` and `decodeErrors` (types/run.d.ts). */

import { decode } from "./packet.mjs";

/** @typedef {import("../types/run.d.ts").AnyRunShape} Run */

/**
 * What was made of a field: of what, the value, who is told when what is waited for came or failed, and, where the value could
 * not be got, the run that is shown without it: none yet is `null`. What is waited for beside an error is a further try.
 *
 * @typedef {{ raw: any, value?: any, error?: Error | false, wait?: Set<() => void>, shown?: object | null }} Part
 */

/**
 * A row of a feed. `run` has the fields of the relay (docs/relay-live.md), and is replaced at every change; `shown` is the
 * run object that was last made of it, and `waits` what that waited for: none where nothing was made of it yet.
 *
 * @typedef {{ at: string, run: Record<string, any>, parts: Record<string, Part>, shown?: Run, waits?: Part[] }} Row
 */

/**
 * The fields of the run object in their order. What each has instead of a value, or how it is made, is said by a letter: a
 * date, a number, a list, a flag, a packet or an error. `faults` are errors of other fields.
 */
const FIELDS =
  "faults:x id createdAt:d updatedAt:d taskIdentifier status payload:p output:p durationMs:n costInCents:n " +
  "baseCostInCents:n tags:l idempotencyKey expiredAt:d finishedAt:d startedAt:d delayedUntil:d queuedAt:d error:e isTest:f " +
  "metadata:p realtimeStreams:l";

/** The flags of statuses. */
const FLAGS = Object.entries({
  isQueued: "PENDING_VERSION QUEUED DELAYED",
  isWaiting: "WAITING",
  isExecuting: "DEQUEUED EXECUTING",
  isCompleted: "COMPLETED FAILED CRASHED SYSTEM_FAILURE EXPIRED TIMED_OUT",
  isFailed: "FAILED CRASHED SYSTEM_FAILURE EXPIRED TIMED_OUT",
  isSuccess: "COMPLETED",
  isCancelled: "CANCELED",
});

/**
 * Makes the run object of a row. Fields that did not change keep the object that was made of them, and a run whose fields
 * are all the same stays the same object. A further try of what could not be got holds nothing up.
 *
 * @param {Row} row
 * @param {import("./packet.mjs").LoadPacket} load
 * @returns {Part[]} what it waits for: when something of it came, or failed, call this again
 */
export function makeRun(row, load) {
  const { run, shown: before } = row;
  /** @type {any} */
  const shown = {};
  /** @type {Record<string, Error>} */
  const errors = {};
  /** @type {Part[]} */
  const waits = [];
  for (const word of FIELDS.split(" ")) {
    const [field, kind] = word.split(":");
    const make = (/** @type {any} */ raw) => {
      if (kind === "p") return decode(raw, () => load(run.id, field, raw.data));
      if (kind === "d" && typeof raw === "number") return new Date(raw);
      // What few runs have: times that are texts, errors and faults.
      return "dex".includes(kind) ? import("./run-error.mjs").then((/** @type {any} */ rare) => rare[kind](raw)) : raw;
    };
    const part = partOf(row, field, make, { n: 0, f: false, l: [] }[kind]);
    if (part.wait) waits.push(part);
    if (part.error) errors[field] = part.error;
    if (kind === "x") Object.assign(errors, part.value);
    else shown[field] = part.value;
  }
  for (const [flag, names] of FLAGS) shown[flag] = names.split(" ").includes(run.status);
  // Not enumerable, so that the object equals the official one.
  Object.defineProperty(shown, "isFinished", { value: run.isFinished });
  if (Object.keys(errors)[0]) {
    shown.decodeErrors = isSame(before?.decodeErrors, errors) ? before?.decodeErrors : errors;
  }
  if (waits.every(({ error }) => error) && !(isSame(before, shown) && before?.isFinished === shown.isFinished))
    row.shown = shown;
  return waits;
}

/**
 * What is made of a field, or was: texts that came again, but did not change, make nothing new.
 *
 * @param {Row} row
 * @param {string} field
 * @param {(raw: any) => any} make
 * @param {any} [none] what it is without a value
 * @returns {Part}
 */
function partOf({ run, parts }, field, make, none) {
  const raw = run[field] ?? undefined;
  const before = parts[field];
  const isKnown = before && (before.raw === raw || JSON.stringify(before.raw) === JSON.stringify(raw));
  // What could not be got is tried again with the next change of the run that was shown without it. The run of the failed try
  // may have changed meanwhile: tried again for that, what changes faster than it fails would never be shown.
  if (isKnown && before.shown === null) before.shown = run;
  if (isKnown && (!before.shown || before.shown === run)) {
    // The same text told anew is compared once.
    before.raw = raw;
    return before;
  }
  /** @type {Part} */
  const part = { raw, value: none, error: isKnown && before.error };
  parts[field] = part;
  const fail = (/** @type {any} */ error) => {
    part.error = cannot(field, error?.message);
  };
  try {
    const value = raw === undefined ? none : make(raw);
    if (!(value instanceof Promise)) part.value = value;
    else {
      part.wait = new Set();
      value
        .then(
          (late) => {
            part.value = late;
            part.error = undefined;
          },
          (error) => {
            part.shown = null;
            // What nobody waited for was not asked for, and is made anew: no field is `null` here.
            part.raw = error ? raw : null;
            fail(error);
          },
        )
        .then(() => {
          for (const settled of part.wait ?? []) settled();
          part.wait = undefined;
        });
    }
  } catch (error) {
    fail(error);
  }
  return part;
}

/** The error of a field that has no value. @param {string} field @param {string} why */
export const cannot = (field, why) => new Error(`the ${field} of the run cannot be decoded: ${why}`);

/** Whether two objects have the same properties. @param {any} a @param {any} b */
function isSame(a, b) {
  const keys = Object.keys(b);
  return a && keys.length === Object.keys(a).length && keys.every((key) => Object.is(a[key], b[key]));
}
