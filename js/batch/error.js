"use strict";

const { ApiError, RateLimitError, messageOf, recognizeCopies } = require("../errors/errors.js");

/** A batch that could not be triggered, and the phase in which it failed. Name and fields are the official ones. */
class BatchTriggerError extends Error {
  /**
   * @param {string} message
   * @param {{ cause?: unknown, phase: "offload" | "create" | "stream", itemCount: number, batchId?: string }} options
   */
  constructor(message, { cause, phase, itemCount, batchId }) {
    super(`${message}: ${reasonOf(cause)}`, { cause });
    this.name = "BatchTriggerError";
    this.phase = phase;
    this.batchId = batchId;
    this.itemCount = itemCount;
    /** The server's refusal, where it was one. */
    this.apiError = cause instanceof ApiError ? cause : undefined;
    this.isRateLimited = this.apiError?.status === 429;
    /** Milliseconds until the limit resets. */
    this.retryAfterMs = cause instanceof RateLimitError ? cause.millisecondsUntilReset : undefined;
  }
}

/** The server has fewer items than the batch was made for, after every attempt. */
class BatchNotSealedError extends Error {
  /**
   * @param {{ batchId: string, enqueuedCount: number, expectedCount: number, itemsAccepted: number, itemsDeduplicated: number }} counts
   */
  constructor({ batchId, enqueuedCount, expectedCount, itemsAccepted, itemsDeduplicated }) {
    super(
      `the server holds ${enqueuedCount} of the ${expectedCount} items of ${batchId} (${itemsAccepted} new, ${itemsDeduplicated} known), so the batch does not start`,
    );
    this.name = "BatchNotSealedError";
    this.batchId = batchId;
    this.enqueuedCount = enqueuedCount;
    this.expectedCount = expectedCount;
    this.itemsAccepted = itemsAccepted;
    this.itemsDeduplicated = itemsDeduplicated;
  }
}

/** @param {unknown} cause */
function reasonOf(cause) {
  if (cause instanceof RateLimitError) {
    const wait = cause.millisecondsUntilReset;
    return wait === undefined ? "too many requests" : `too many requests, again in ${Math.ceil(wait / 1000)} s`;
  }
  return messageOf(cause);
}

recognizeCopies({ BatchNotSealedError, BatchTriggerError });

module.exports = { BatchNotSealedError, BatchTriggerError };
