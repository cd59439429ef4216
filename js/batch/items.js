"use strict";

/** The items of a batch, read from a list, an iterable or a stream, and written as lines of JSON. */

const { onAbort, throwIfAborted } = require("../async/aborts.js");
const { BatchTriggerError } = require("./error.js");
const { ArgumentError, abortError } = require("../errors/errors.js");
const { itemKey, resolveKey } = require("../calls/idempotency.js");
const { offload, sizeOf, toPacket } = require("../calls/payload.js");
const { Spool } = require("./spool.js");
const { after } = require("../async/timer.js");
const { commonOptions } = require("../calls/trigger-options.js");

/** The most payloads that are uploaded to the object store at once. */
const AT_ONCE = 10;
/** The most items: a source with more has no end. Servers take far fewer. */
const MAX_ITEMS = 100_000;

/**
 * @typedef {Iterable<unknown> | AsyncIterable<unknown> | ReadableStream<unknown>} Items
 * @typedef {{ id?: unknown, task?: unknown, payload?: unknown, options?: { idempotencyKey?: unknown } }} Item as a user
 *   wrote it
 * @typedef {{ idempotencyKey?: unknown, idempotencyKeyTTL?: unknown }} BatchOptions likewise
 * @typedef {import("../calls/call.js").OneCall} OneCall
 *
 * @typedef {object} How
 * @property {(item: Item) => string} taskOf
 * @property {(task: string) => void} check throws for a task that may not be triggered
 * @property {BatchOptions | null | undefined} options of the batch
 * @property {boolean} withOrigin whether items' keys are sent with their material
 */

/**
 * Reads the items once, each as soon as there is room for it.
 *
 * @param {OneCall} call
 * @param {unknown} items
 * @param {How} how
 * @returns {Promise<{ count: number, tasks: string[], spool: import("./spool.js").Lines }>} the caller closes the spool
 */
async function collect(call, items, how) {
  const spool = new Spool();
  /** @type {Set<string>} */
  const tasks = new Set();
  /** Lines being made, oldest first. @type {Promise<string>[]} */
  const making = [];
  let count = 0;
  const settle = async () => spool.add(await /** @type {Promise<string>} */ (making.shift()));
  try {
    for await (const item of within(call, iterate(call, items))) {
      if (count === MAX_ITEMS) {
        throw new ArgumentError("ERR_BATCH_TOO_LARGE", `a batch of more than ${MAX_ITEMS} items: send several batches`);
      }
      const task = checkItem(call, item, count, how);
      tasks.add(task);
      const line = lineOf(call, /** @type {Item} */ (item), task, count, how);
      // Awaited in its turn.
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

/** @param {OneCall} call @param {unknown} item @param {number} index @param {How} how @returns {string} its task */
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

/**
 * @param {OneCall} call
 * @param {Item} item
 * @param {string} task
 * @param {number} index
 * @param {How} how
 * @returns {Promise<string>}
 */
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

/** @param {OneCall} call @param {unknown} given @returns {Iterable<unknown> | AsyncIterable<unknown>} */
function iterate(call, given) {
  if (typeof given === "object" && given !== null) {
    const source = /** @type {Iterable<unknown> & AsyncIterable<unknown>} */ (given);
    if ([source[Symbol.asyncIterator], source[Symbol.iterator]].some((open) => typeof open === "function")) {
      return source;
    }
    if ("getReader" in given && typeof given.getReader === "function") {
      return fromStream(/** @type {ReadableStream<unknown>} */ (given));
    }
  }
  throw new ArgumentError(
    "ERR_INVALID_ITEMS",
    `${call.name}() got ${given === null ? "null" : typeof given} instead of items: pass an array, an async iterable or a ReadableStream`,
  );
}

/**
 * The items of `source`, until the call's bounds end.
 *
 * @param {OneCall} call
 * @param {Iterable<unknown> | AsyncIterable<unknown>} source
 */
async function* within(call, source) {
  const { [Symbol.asyncIterator]: open } = /** @type {Partial<AsyncIterable<unknown>>} */ (source);
  const iterator =
    (typeof open === "function" ? open.call(source) : undefined) ??
    /** @type {Iterable<unknown>} */ (source)[Symbol.iterator]();
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
    // Not awaited: a source that hangs would hang the call.
    if (!finished) (async () => iterator.return?.())().catch(() => {});
  }
}

/**
 * The end of a call, by its signal or its timeout. It bounds one promise at a time, and keeps nothing of it afterwards:
 * `Promise.race` with a promise that lives as long as the call would keep every item.
 */
class Bounds {
  #call;
  #off;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  /** The reason why the call is over. @type {{ reason: unknown } | undefined} */
  #over;
  /** Rejects the promise that is waited for. @type {((reason: unknown) => void) | undefined} */
  #reject;

  /** @param {OneCall} call */
  constructor(call) {
    this.#call = call;
    throwIfAborted(call.signal);
    this.#off = onAbort(call.signal, () => this.#end(abortError(call.signal)));
    this.#wait(call.left());
  }

  /**
   * The value of `work`, which need not be a promise. Rejects, or throws, when the call is over.
   *
   * @template T
   * @param {T | PromiseLike<T>} work
   * @returns {T | Promise<T>}
   */
  hold(work) {
    if (!isThenable(work)) {
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

  /** @param {number | undefined} ms */
  #wait(ms) {
    if (ms === undefined) return;
    this.#timer = after(ms, () => {
      try {
        // A timer may fire a little early.
        this.#call.left();
        this.#wait(1);
      } catch (error) {
        this.#end(error);
      }
    });
  }

  /** @param {unknown} reason */
  #end(reason) {
    this.#over = { reason };
    this.#reject?.(reason);
  }
}

/** @template T @param {T | PromiseLike<T>} work @returns {work is PromiseLike<T>} */
function isThenable(work) {
  return typeof (/** @type {{ then?: unknown } | null | undefined} */ (work)?.then) === "function";
}

/** The values of a stream that the runtime does not make iterable. @param {ReadableStream<unknown>} stream */
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
