"use strict";

/** Schemas of the runs that the REST API gives (docs/server-protocol.md 6). */

const { anything, date, flag, list, number, object, optional, record, text } = require("../calls/schema.js");

const COMMON = {
  id: text,
  status: text,
  taskIdentifier: text,
  idempotencyKey: optional(text),
  version: optional(text),
  isQueued: flag,
  isExecuting: flag,
  isWaiting: flag,
  isCompleted: flag,
  isSuccess: flag,
  isFailed: flag,
  isCancelled: flag,
  isTest: flag,
  createdAt: date,
  updatedAt: date,
  startedAt: optional(date),
  finishedAt: optional(date),
  delayedUntil: optional(date),
  ttl: optional(text),
  expiredAt: optional(date),
  tags: list(text),
  costInCents: number,
  baseCostInCents: number,
  durationMs: number,
  metadata: optional(record),
  taskKind: optional(text),
  region: optional(text),
};

const RELATED = { ...COMMON, depth: number, triggerFunction: text, batchId: optional(text) };
const related = object(RELATED);

/** The error of a run; which other fields it has depends on the server. */
const error = object({
  message: text,
  name: optional(text),
  stackTrace: optional(text),
  causes: optional(list(anything)),
});

const schedule = object({
  id: text,
  externalId: optional(text),
  deduplicationKey: optional(text),
  generator: anything,
});

const retrieved = object({
  ...RELATED,
  payload: optional(anything),
  payloadPresignedUrl: optional(text),
  output: optional(anything),
  outputPresignedUrl: optional(text),
  error: optional(error),
  schedule: optional(schedule),
  relatedRuns: object({
    root: optional(related),
    parent: optional(related),
    children: optional(list(related)),
  }),
  attemptCount: optional(number),
});

/** A run as `runs.retrieve` gives it. @param {unknown} value @param {string} at */
function run(value, at) {
  const read = retrieved(value, at);
  const given = /** @type {Record<string, unknown>} */ (value);
  // A payload or output can be null, which is a value.
  for (const name of /** @type {const} */ (["payload", "output"])) if (given[name] === null) read[name] = null;
  read.attemptCount ??= 0;
  return read;
}

/** A run as `runs.list` gives it. */
const listedRun = object({
  ...COMMON,
  env: object({ id: text, name: text, user: optional(text) }),
});

module.exports = { listedRun, run };
