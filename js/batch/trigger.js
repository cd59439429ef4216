"use strict";

/** Triggers a batch: reads its items, creates it, and sends them (docs/server-protocol.md 6). */

const { flag, number, object, text } = require("../calls/schema.js");
const { BatchTriggerError } = require("./error.js");
const { collect } = require("./items.js");
const { uploadItems } = require("./upload.js");
const { ArgumentError, ConfigError } = require("../errors/errors.js");
const { handleToken } = require("../calls/handle.js");
const { resolveKey } = require("../calls/idempotency.js");
const { checkAccess } = require("../calls/trigger-access.js");

const created = object({ id: text, runCount: number, isCached: flag });

/**
 * @param {import("../calls/call.js").OneCall} call
 * @param {unknown} items
 * @param {import("./items.js").How["taskOf"]} taskOf
 * @param {import("./items.js").How["options"]} options of the batch
 * @param {{ origins?: { batch: boolean, items: boolean } }} [kind] whether keys are sent with their material
 * @returns {Promise<{ batchId: string, runCount: number, publicAccessToken: string }>}
 */
async function triggerBatch(call, items, taskOf, options, { origins = { batch: false, items: false } } = {}) {
  const { key, origin } = resolveKey(options?.idempotencyKey);
  const token = await call.token();
  const check = (/** @type {string} */ task) => checkAccess(call, token, "batchTrigger", [task]);
  const { count, tasks, spool } = await collect(call, items, { taskOf, check, options, withOrigin: origins.items });
  try {
    const counted = count === 1 ? "1 item" : `${count} items`;
    const batch = await phase(call, `a batch of ${counted} could not be created`, "create", count, async () => {
      const answer = await call.request({
        method: "POST",
        path: "/api/v3/batches",
        body: {
          runCount: count,
          taskIdentifiers: tasks,
          idempotencyKey: key,
          idempotencyKeyOptions: origins.batch ? origin : undefined,
        },
      });
      const read = call.read(answer, created);
      return { ...read, token: () => handleToken(call, answer, read.id, "read:batch", "1h") };
    });
    // Before its items are sent: without a token their runs could not be followed.
    const publicAccessToken = batch.token();
    if (!batch.isCached) {
      await phase(
        call,
        `the ${counted} of ${batch.id} could not be sent`,
        "stream",
        count,
        () => uploadItems(call, batch.id, spool),
        batch.id,
      );
    }
    return { batchId: batch.id, runCount: batch.runCount, publicAccessToken };
  } finally {
    await spool.close();
  }
}

/**
 * Adds to a failure the phase in which the batch failed. Errors of the caller's own making stay as they are.
 *
 * @template T
 * @param {import("../calls/call.js").OneCall} call
 * @param {string} message
 * @param {"offload" | "create" | "stream"} name
 * @param {number} itemCount
 * @param {() => Promise<T>} work
 * @param {string} [batchId]
 * @returns {Promise<T>}
 */
async function phase(call, message, name, itemCount, work, batchId) {
  try {
    return await work();
  } catch (cause) {
    if (call.signal?.aborted || cause instanceof ArgumentError || cause instanceof ConfigError) throw cause;
    throw new BatchTriggerError(message, { cause, phase: name, itemCount, batchId });
  }
}

module.exports = { triggerBatch };
