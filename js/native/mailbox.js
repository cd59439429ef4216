"use strict";

/**
 * Batches that come of their own time, for all feeds and streams together: native code hands over
 * whatever has come in one crossing, and one `JSON.parse` reads it.
 */

// As it is now: tests of the program may replace the global one.
const { setImmediate } = require("node:timers");
const { TriggerNativeError } = require("../errors/errors.js");
const native = require("./native.js");

/** Who waits for the letter with a ticket. @type {Map<number, (batch: any) => void>} */
const waiting = new Map();

/** @type {any} */
let box;

/**
 * Batches given at once in a row: a loop that always finds another would keep everything else of the
 * process waiting, timers and signals included.
 */
const MAX_AT_ONCE = 16;
let atOnce = 0;

/** The mailbox of this environment: what readers are opened with. */
function mailbox() {
  box ??= new native.Mailbox(deliver);
  return box;
}

/**
 * The next batch of a reader; a promise only where it has yet to come. While somebody waits, the
 * process lives. Ask for one at a time.
 *
 * @param {{ next(withCursors?: boolean): string | number }} reader
 * @param {boolean} [withCursors]
 * @returns {any}
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

/** @param {string} text `[ticket, batch, ticket, batch, …]` */
function deliver(text) {
  atOnce = 0;
  try {
    const letters = JSON.parse(text);
    for (let at = 0; at < letters.length; at += 2) hand(letters[at], letters[at + 1]);
  } catch (cause) {
    // A fault of ours. Nobody can tell whose letter it was, and nobody may wait for ever.
    const fault = new TriggerNativeError("ERR_INTERNAL", "a fault of trigger-native: a batch cannot be read", {
      cause,
    });
    for (const ticket of [...waiting.keys()]) hand(ticket, Promise.reject(fault));
  }
  box.settle();
}

function hand(ticket, batch) {
  const resolve = waiting.get(ticket);
  waiting.delete(ticket);
  resolve?.(batch);
}

module.exports = { mailbox, nextBatch };
