"use strict";

/**
 * Batches of feeds and streams that are waited for. Native code hands over all that are ready in one crossing, and one
 * `JSON.parse` reads them.
 */

// Kept from now: fake timers in a program's tests replace the global one.
const { setImmediate } = require("node:timers");
const { TriggerNativeError } = require("../errors/errors.js");
const native = require("./native.js");

/**
 * The waiting reads by the ticket of their letter. `any`: each reader has batches of its own type, and one map holds
 * them all.
 *
 * @type {Map<number, (batch: any) => void>}
 */
const waiting = new Map();

/** @type {import("./addon.js").Mailbox | undefined} */
let box;

/**
 * Batches given in a row without a turn of the event loop. A read that always finds another batch would starve timers,
 * signals and everything else of the process.
 */
const MAX_AT_ONCE = 16;
let atOnce = 0;

/** The mailbox of this thread, which readers are opened with. */
function mailbox() {
  box ??= new native.Mailbox(deliver);
  return box;
}

/**
 * The next batch of a reader; a promise only where it is not there yet. A pending one keeps the process alive. Ask for
 * one at a time.
 *
 * @template Batch
 * @param {{ next(withCursors?: boolean): import("./addon.js").Next<Batch> }} reader
 * @param {boolean} [withCursors]
 * @returns {Batch | Promise<Batch>}
 */
function nextBatch(reader, withCursors) {
  const next = reader.next(withCursors);
  if (typeof next === "string") {
    const batch = JSON.parse(next);
    if (++atOnce < MAX_AT_ONCE) return batch;
    atOnce = 0;
    return new Promise((resolve) => setImmediate(resolve, batch));
  }
  return new Promise((resolve) => {
    waiting.set(next, resolve);
  });
}

/** @param {import("./addon.js").Json<unknown[]>} text `[ticket, batch, ticket, batch, …]` */
function deliver(text) {
  atOnce = 0;
  try {
    const letters = JSON.parse(text);
    for (let at = 0; at < letters.length; at += 2) hand(/** @type {number} */ (letters[at]), letters[at + 1]);
  } catch (cause) {
    // A fault of ours. Whose letter it was is unknown, so every waiting read fails rather than wait for ever.
    const fault = new TriggerNativeError("ERR_INTERNAL", "a fault of trigger-native: a batch cannot be read", {
      cause,
    });
    for (const ticket of [...waiting.keys()]) hand(ticket, Promise.reject(fault));
  }
  box?.settle();
}

/** @param {number} ticket @param {unknown} batch */
function hand(ticket, batch) {
  const resolve = waiting.get(ticket);
  waiting.delete(ticket);
  resolve?.(batch);
}

module.exports = { mailbox, nextBatch };
