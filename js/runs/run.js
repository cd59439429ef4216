"use strict";

/**
 * The run object, which `for await (const run of …)` yields. Its keys, their order and their values are those of the
 * official SDK on the same bytes: `__test__/run-object.test.mjs` compares them.
 */

const { ApiError, DecodeError, TriggerNativeError } = require("../errors/errors.js");
const { LazyPacket } = require("../calls/packets.js");

/** @typedef {InstanceType<typeof import("../calls/packets.js").Packets>} Packets */
/** @typedef {import("../native/addon.js").WireRun} WireRun */
/** @typedef {import("../../types/run.js").AnyRunShape} Run */

/** Loaded with the first long packet. @type {typeof import("./lazy.js").decodeWhenRead | undefined} */
let decodeWhenRead;

const QUEUED = new Set(["PENDING_VERSION", "QUEUED", "PENDING", "DELAYED"]);
const EXECUTING = new Set(["DEQUEUED", "EXECUTING"]);
const FAILED = new Set(["FAILED", "CRASHED", "SYSTEM_FAILURE", "EXPIRED", "TIMED_OUT"]);

/** The property of a column, where its name is another. @type {Record<string, string | undefined>} */
const PROPERTY_OF = { runTags: "tags", usageDurationMs: "durationMs" };

/**
 * The run object of a row. A column that cannot be decoded is `undefined` (or its default), and named in
 * `decodeErrors`, which only such a run has (defect 16). `isFinished` is not enumerable, so that the object equals the
 * official one (defect 21).
 *
 * Long packets are decoded when they are read (`js/runs/lazy.js`).
 *
 * @param {WireRun} parsed
 * @param {Packets} packets of the subscription
 * @returns {Run | Promise<Run>} a promise only where a packet has to be fetched, or superjson loaded; it never rejects
 */
function toRun(parsed, packets) {
  const errors = new Errors(parsed.faults);
  const payload = errors.packet(parsed, "payload", packets);
  const output = errors.packet(parsed, "output", packets);
  const metadata = errors.packet(parsed, "metadata", packets);
  if (payload instanceof Promise || output instanceof Promise || metadata instanceof Promise) {
    return Promise.all([
      errors.settle("payload", payload),
      errors.settle("output", output),
      errors.settle("metadata", metadata),
    ]).then((values) => build(parsed, values[0], values[1], values[2], errors));
  }
  return build(parsed, payload, output, metadata, errors);
}

/**
 * @param {WireRun} parsed
 * @param {unknown} payload
 * @param {unknown} output
 * @param {unknown} metadata
 * @param {InstanceType<typeof Errors>} errors
 * @returns {Run}
 */
function build(parsed, payload, output, metadata, errors) {
  const { status } = parsed;
  const isFailed = FAILED.has(status);
  const isSuccess = status === "COMPLETED";
  // A cast: the columns that were skipped are undefined, and `isFinished` is defined below.
  const run = /** @type {Run} */ ({
    id: parsed.id,
    createdAt: errors.date("createdAt", parsed.createdAt),
    updatedAt: errors.date("updatedAt", parsed.updatedAt),
    taskIdentifier: parsed.taskIdentifier,
    status,
    payload,
    output,
    durationMs: parsed.durationMs ?? 0,
    costInCents: parsed.costInCents ?? 0,
    baseCostInCents: parsed.baseCostInCents ?? 0,
    tags: parsed.tags ?? [],
    idempotencyKey: parsed.idempotencyKey,
    expiredAt: errors.date("expiredAt", parsed.expiredAt),
    finishedAt: errors.date("finishedAt", parsed.finishedAt),
    startedAt: errors.date("startedAt", parsed.startedAt),
    delayedUntil: errors.date("delayedUntil", parsed.delayedUntil),
    queuedAt: errors.date("queuedAt", parsed.queuedAt),
    error: errors.runError(parsed.error),
    isTest: parsed.isTest ?? false,
    metadata,
    realtimeStreams: parsed.realtimeStreams ?? [],
    isQueued: QUEUED.has(status),
    isWaiting: status === "WAITING",
    isExecuting: EXECUTING.has(status),
    isCompleted: isSuccess || isFailed,
    isFailed,
    isSuccess,
    isCancelled: status === "CANCELED",
  });
  Object.defineProperty(run, "isFinished", { value: parsed.isFinished });
  if (payload instanceof LazyPacket || output instanceof LazyPacket || metadata instanceof LazyPacket) {
    decodeWhenRead ??= require("./lazy.js").decodeWhenRead;
    return decodeWhenRead(run, errors);
  }
  if (errors.found) run.decodeErrors = errors.found;
  return run;
}

/** The decode errors of a run, by property. */
class Errors {
  /** @type {Record<string, Error> | undefined} */
  found;

  /** @param {Record<string, string>} [faults] */
  constructor(faults) {
    for (const column in faults) {
      this.note(PROPERTY_OF[column] ?? column, new Error(`the column ${column} cannot be read: ${faults[column]}`));
    }
  }

  /** @param {string} property @param {unknown} error */
  note(property, error) {
    this.found ??= {};
    const message = error instanceof Error ? error.message : String(error);
    this.found[property] =
      error instanceof TriggerNativeError || error instanceof ApiError
        ? error
        : new DecodeError("ERR_DECODE", `the ${property} of the run cannot be decoded: ${message}`, { cause: error });
  }

  /** @param {WireRun} parsed @param {"payload" | "output" | "metadata"} property @param {Packets} packets */
  packet(parsed, property, packets) {
    try {
      return packets.get(parsed.id, property, parsed[property]);
    } catch (error) {
      this.note(property, error);
      return undefined;
    }
  }

  /** @param {string} property @param {unknown} value */
  async settle(property, value) {
    try {
      return await value;
    } catch (error) {
      this.note(property, error);
      return undefined;
    }
  }

  /**
   * @param {string} property
   * @param {number | string | undefined} time Unix milliseconds, or the text of a timestamp that is not a plain one: UTC
   *   without a `Z`, unless it names its zone
   */
  date(property, time) {
    if (time === undefined) return undefined;
    if (typeof time === "number") return new Date(time);
    for (const text of [`${time}Z`, time]) {
      const date = new Date(text);
      if (!Number.isNaN(date.getTime())) return date;
    }
    this.note(property, new Error(`the time ${JSON.stringify(time)} cannot be read`));
    return undefined;
  }

  /** @param {unknown} error */
  runError(error) {
    if (error === undefined || error === null) return undefined;
    const shown = require("./error.js").toRunError(error);
    if (shown === undefined) this.note("error", new Error("the run's error is of a kind we do not know"));
    return shown;
  }
}

module.exports = { toRun };
