"use strict";

/** Triggers tasks by their id. */

const { flag, object, optional, text } = require("../calls/schema.js");
const { triggerBatch } = require("../batch/trigger.js");
const { Call } = require("../calls/call.js");
const { handleToken } = require("../calls/handle.js");
const { idOf } = require("../config/id.js");
const { resolveKey } = require("../calls/idempotency.js");
const { offload, sizeOf, toPacket } = require("../calls/payload.js");
const { checkAccess } = require("../calls/trigger-access.js");
const { commonOptions } = require("../calls/trigger-options.js");

const triggered = object({ id: text, isCached: optional(flag) });

/**
 * Triggers a run of `task`.
 *
 * @param {string | { id: string }} task
 * @param {unknown} [payload]
 * @param {{ idempotencyKey?: unknown }} [options]
 * @param {object} [requestOptions]
 * @returns {Promise<{ id: string, isCached?: boolean, publicAccessToken: string }>}
 */
async function trigger(task, payload, options, requestOptions) {
  const call = new Call("tasks.trigger", requestOptions, { trigger: true });
  const id = idOf("tasks.trigger", "task", task);
  checkAccess(call, await call.token(), "trigger", [id]);
  const common = commonOptions(call, options);
  const { key, origin } = resolveKey(options?.idempotencyKey);
  const packet = await toPacket(call.name, payload);
  const sent = await offload(call, packet);
  const answer = await call.request({
    method: "POST",
    path: "/api/v1/tasks/{task}/trigger",
    ids: [["task id", id]],
    body: {
      payload: sent.data,
      options: {
        ...common,
        payloadType: sent.type,
        // Of the payload itself, also where it was uploaded.
        payloadSize: sizeOf(packet),
        idempotencyKey: key,
        idempotencyKeyOptions: origin,
      },
    },
  });
  const handle = call.read(answer, triggered);
  return { ...handle, publicAccessToken: handleToken(call, answer, handle.id, "read:runs", "1h") };
}

/**
 * Triggers a run of `task` for each item.
 *
 * @param {string | { id: string }} task
 * @param {import("../batch/items.js").Items} items each `{ payload, options? }`
 * @param {{ idempotencyKey?: string | string[], idempotencyKeyTTL?: string }} [options]
 * @param {object} [requestOptions]
 */
async function batchTrigger(task, items, options, requestOptions) {
  const call = new Call("tasks.batchTrigger", requestOptions, { trigger: true });
  const id = idOf("tasks.batchTrigger", "task", task);
  // As in the SDK, items' keys are sent with their material only from an array.
  return triggerBatch(call, items, () => id, options, { origins: { batch: true, items: Array.isArray(items) } });
}

module.exports = { batchTrigger, trigger };
