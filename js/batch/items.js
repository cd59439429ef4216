"use strict";

/** The items of a batch, from whatever the user gave to lines of JSON. */

const { onAbort } = require("../async/aborts.js");
const { BatchTriggerError } = require("./error.js");
const { ArgumentError } = require("../errors/errors.js");
const { itemKey, resolveKey } = require("../calls/idempotency.js");
const { offload, sizeOf, toPacket } = require("../calls/payload.js");
const { Spool } = require("./spool.js");
const { after } = require("../async/timer.js");
const { commonOptions } = require("../calls/trigger-options.js");

/** Payloads on their way to the object store at once. */
const AT_ONCE = 10;
/** The most items: more is a source without an end. Servers take far fewer. */
const MAX_ITEMS = 100_000;

/**
 * Reads the items once, each as soon as there is room for it.
 *
 * @param {import("../calls/call.js").OneCall} call
 * @param {unknown} items
 * @param {{ taskOf: (item: any) => string, check: (task: string) => void, options: any, withOrigin: boolean }} how
 * @returns {Promise<{ count: number, tasks: string[], spool: import("./spool.js").Lines }>} the caller closes the spool
 */
async function collect(call, items, how) {
  const spool = new Spool();
  const tasks = new Set();
  /** Lines being made, oldest first. @type {Promise<string>[]} */
  const making = [];
  let count = 0;
  const settle = async () => spool.add(await making.shift());
  try {
    for await (const item of within(call, iterate(call, items))) {
      if (count === MAX_ITEMS) {
        throw new ArgumentError("ERR_BATCH_TOO_LARGE", `a batch of more than ${MAX_ITEMS} items: send several batches`);
      }
      const task = checkItem(call, item, count, how);
      tasks.add(task);
      const line = lineOf(call, item, task, count, how);
      // Looked at in its turn.
      line.catch(() => {});
      making.push(line);
      count += 1;
      if (making.length === AT_ONCE) await settle();
    }
    while (making.length > 0) await settle();
    await spool.flush();
  } catch (error) {
    await Promise.allSettled(making);
    await spool.close();
    throw error;
  }
  return { count, tasks: [...tasks].sort(), spool };
}

function checkItem(call, item, index, { taskOf, check }) {
  if (typeof item !== "object" || item === null) {
    throw new ArgumentError(
      "ERR_INVALID_ITEM",
      `${call.name}(): item ${index} is ${item === null ? "null" : typeof item}, not an object such as { payload }`,
    );
  }
  const task = taskOf(item);
  check(task);
  return task;
}

async function lineOf(call, item, task, index, { options, withOrigin }) {
  const common = commonOptions(call, item.options);
  const own = resolveKey(item.options?.idempotencyKey);
  const packet = await toPacket(call.name, item.payload);
  let sent;
  try {
    sent = await offload(call, packet);
  } catch (cause) {
    if (call.signal?.aborted) throw cause;
    throw new BatchTriggerError(`the payload of item ${index} could not be uploaded`, {
      cause,
      phase: "offload",
      itemCount: index + 1,
    });
  }
  return call.json({
    index,
    task,
    payload: sent.data,
    options: {
      ...common,
      payloadType: sent.type,
      // As in the SDK: none where there is nothing to measure.
      payloadSize: packet.data ? sizeOf(packet) : undefined,
      idempotencyKey: own.key ?? itemKey(options?.idempotencyKey, index),
      idempotencyKeyTTL: common.idempotencyKeyTTL ?? options?.idempotencyKeyTTL,
      idempotencyKeyOptions: withOrigin ? own.origin : undefined,
    },
  });
}

/** @returns {Iterable<any> | AsyncIterable<any>} */
function iterate(call, items) {
  const given = /** @type {any} */ (items);
  if (typeof given === "object" && given !== null) {
    if (Symbol.asyncIterator in given || Symbol.iterator in given) return given;
    if (typeof given.getReader === "function") return fromStream(given);
  }
  throw new ArgumentError(
    "ERR_INVALID_ITEMS",
    `${call.name}() got ${given === null ? "null" : typeof given} instead of items: pass an array, an async iterable or a ReadableStream`,
  );
}

/** The items of `source`, for as long as the call's bounds let it take. */
async function* within(call, source) {
  const iterator = source[Symbol.asyncIterator]?.() ?? source[Symbol.iterator]();
  const bounds = new Bounds(call);
  let finished = false;
  try {
    for (;;) {
      const { done, value } = await bounds.hold(iterator.next());
      if (done) {
        finished = true;
        return;
      }
      yield await bounds.hold(value);
    }
  } finally {
    bounds.clear();
    // Not waited for: a source that hangs would hang us with it.
    if (!finished) (async () => iterator.return?.())().catch(() => {});
  }
}

/**
 * The end of a call, by its signal or its time. One thing is held to it at a time, and nothing is left of it after that:
 * `Promise.race` with a promise that lives long keeps every item there ever was.
 */
class Bounds {
  #call;
  #off;
  #timer;
  /** Why it is over. @type {{ reason: unknown } | undefined} */
  #over;
  /** Whoever waits. @type {((reason: unknown) => void) | undefined} */
  #reject;

  /** @param {import("../calls/call.js").OneCall} call */
  constructor(call) {
    this.#call = call;
    call.signal?.throwIfAborted();
    this.#off = onAbort(call.signal, () => this.#end(call.signal.reason));
    this.#wait(call.left());
  }

  /**
   * What `work` gives, which may be no promise; rejects, or throws, when the call is over.
   *
   * @param {any} work
   * @returns {any}
   */
  hold(work) {
    if (typeof work?.then !== "function") {
      if (this.#over) throw this.#over.reason;
      return work;
    }
    return new Promise((resolve, reject) => {
      work.then(resolve, reject);
      if (this.#over) return reject(this.#over.reason);
      this.#reject = reject;
    }).finally(() => {
      this.#reject = undefined;
    });
  }

  clear() {
    clearTimeout(this.#timer);
    this.#off();
  }

  #wait(ms) {
    if (ms === undefined) return;
    this.#timer = after(ms, () => {
      try {
        // A timer may come a little early.
        this.#call.left();
        this.#wait(1);
      } catch (error) {
        this.#end(error);
      }
    });
  }

  #end(reason) {
    this.#over = { reason };
    this.#reject?.(reason);
  }
}

/** A stream whose runtime does not make it iterable. */
async function* fromStream(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
    reader.releaseLock();
  }
}

module.exports = { collect };
