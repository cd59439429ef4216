"use strict";

/**
 * Sends the items of a batch, and all of them again while the server misses some: it knows repeated ones by their index
 * (docs/server-protocol.md 6).
 */

const { onAbort, throwIfAborted } = require("../async/aborts.js");
const { flag, number, object, optional, text } = require("../calls/schema.js");
const { BatchNotSealedError } = require("./error.js");
const { ApiError, ProtocolError, fromNative } = require("../errors/errors.js");
const native = require("../native/native.js");
const { after } = require("../async/timer.js");

/** No attempt begins later than this after the first failure, where the caller set no timeout. */
const RETRY_BUDGET_MS = 60_000;

const streamed = object({
  id: text,
  itemsAccepted: number,
  itemsDeduplicated: number,
  sealed: flag,
  enqueuedCount: optional(number),
  expectedCount: optional(number),
});

/**
 * @param {import("../calls/call.js").OneCall} call
 * @param {string} batchId
 * @param {import("./spool.js").Lines} spool
 */
async function uploadItems(call, batchId, spool) {
  /** @type {number | undefined} */
  let failedAt;
  for (let attempt = 1; ; attempt += 1) {
    const { error, retryInMs } = await uploadOnce(call, batchId, spool, attempt);
    if (error === undefined) return;
    const now = performance.now();
    failedAt ??= now;
    const left = call.left();
    if (retryInMs === null) throw error;
    if (left === undefined && now + retryInMs - failedAt > RETRY_BUDGET_MS) throw error;
    await call.wait(retryInMs);
  }
}

/**
 * @typedef {import("../calls/call.js").OneCall} OneCall
 * @typedef {{ error?: Error, retryInMs: number | null }} Attempted without an error, the batch is whole; `retryInMs`: when
 *   to try again, `null` for never
 */

/**
 * @param {OneCall} call
 * @param {string} batchId
 * @param {import("./spool.js").Lines} spool
 * @param {number} attempt
 * @returns {Promise<Attempted>}
 */
function uploadOnce(call, batchId, spool, attempt) {
  const request = { method: "POST", path: "/api/v3/batches/{}/items", ids: idsOf(batchId) };
  return call.traced(request, (text) =>
    call.authorized(async (client) => {
      const outcome = await send(call, client, { text, batchId, spool, attempt });
      // Thrown, so that a refreshable token is renewed, and the items are sent once more.
      if (outcome.error instanceof ApiError && outcome.error.status === 401) throw outcome.error;
      return outcome;
    }),
  );
}

/** @param {string} batchId @returns {[what: string, id: string][]} */
const idsOf = (batchId) => [["batch id", batchId]];

/**
 * @param {OneCall} call
 * @param {import("../native/addon.js").Client} client
 * @param {{ text: string, batchId: string, spool: import("./spool.js").Lines, attempt: number }} request
 * @returns {Promise<Attempted>}
 */
async function send(call, client, { text, batchId, spool, attempt }) {
  throwIfAborted(call.signal);
  const upload = native.openUpload(client, text, attempt);
  if (typeof upload === "string") throw fromNative(upload);
  const abandon = () => upload.abandon();
  const left = call.left();
  const timer = left === undefined ? undefined : after(left, abandon);
  const off = onAbort(call.signal, abandon);
  try {
    for await (const chunk of spool.read()) {
      // There is room for one piece once the network took an earlier one (defect 9).
      if ((await upload.write(chunk)) !== "true") break;
    }
    const outcome = JSON.parse(await upload.finish());
    throwIfAborted(call.signal);
    call.left();
    return attempted(call, batchId, outcome);
  } finally {
    clearTimeout(timer);
    off();
    upload.abandon();
  }
}

/**
 * @param {OneCall} call
 * @param {string} batchId
 * @param {import("../native/addon.js").Outcome<import("../calls/call.js").CallResponse> & { retryInMs: number | null }} outcome
 * @returns {Attempted}
 */
function attempted(call, batchId, { ok, error, retryInMs }) {
  if (error) return { error: fromNative({ error }), retryInMs };
  let result;
  try {
    result = call.read(ok, streamed);
  } catch (fault) {
    if (fault instanceof ProtocolError) return { error: fault, retryInMs };
    throw fault;
  }
  if (result.sealed) return { retryInMs: null };
  const { enqueuedCount = 0, expectedCount = 0, itemsAccepted, itemsDeduplicated } = result;
  const counts = { batchId, enqueuedCount, expectedCount, itemsAccepted, itemsDeduplicated };
  return { error: new BatchNotSealedError(counts), retryInMs };
}

module.exports = { uploadItems };
