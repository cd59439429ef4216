"use strict";

/** Batches over several tasks, and their state. */

const { date, list, number, object, optional, text } = require("../calls/schema.js");
const { ApiPromise } = require("../calls/api-promise.js");
const { triggerBatch } = require("./trigger.js");
const { Call } = require("../calls/call.js");
const { idOf } = require("../config/id.js");

const retrieved = object({
  id: text,
  status: text,
  idempotencyKey: optional(text),
  createdAt: date,
  updatedAt: date,
  runCount: number,
  runs: list(text),
  processing: object({
    completedAt: optional(date),
    errors: list(object({ index: number, taskIdentifier: text, error: text, errorCode: optional(text) })),
  }),
});

/**
 * Triggers a run for each item, of the task that the item names by id.
 *
 * @param {import("./items.js").Items} items each `{ id, payload, options? }`
 * @param {{ idempotencyKey?: string | string[], idempotencyKeyTTL?: string }} [options]
 * @param {object} [requestOptions]
 */
async function trigger(items, options, requestOptions) {
  const call = new Call("batch.trigger", requestOptions, { trigger: true });
  return triggerBatch(call, items, (item) => idOf("batch.trigger", "task", item.id), options);
}

/**
 * As {@link trigger}, with tasks instead of their ids.
 *
 * @param {import("./items.js").Items} items each `{ task, payload, options? }`
 * @param {{ idempotencyKey?: string | string[], idempotencyKeyTTL?: string }} [options]
 * @param {object} [requestOptions]
 */
async function triggerByTask(items, options, requestOptions) {
  const call = new Call("batch.triggerByTask", requestOptions, { trigger: true });
  return triggerBatch(call, items, (item) => idOf("batch.triggerByTask", "task", item.task), options);
}

/**
 * The state of a batch.
 *
 * @param {string | { batchId: string } | { id: string }} batch
 * @param {object} [requestOptions]
 */
function retrieve(batch, requestOptions) {
  return new ApiPromise(
    (async () => {
      const call = new Call("batch.retrieve", requestOptions);
      const id = idOf(call.name, "batch", batch, ["batchId", "id"]);
      const answer = await call.request({ path: "/api/v2/batches/{}", ids: [["batch id", id]] });
      return { data: call.read(answer, retrieved), answer };
    })(),
  );
}

module.exports = { retrieve, trigger, triggerByTask };
