"use strict";

/**
 * Reading a realtime stream: values pulled in batches from the native reader, given out as a web
 * `ReadableStream` that is an async iterable too. What nobody reads stays on the wire (defect 9).
 */

const { ArgumentError, TriggerNativeError, fromNative } = require("./errors.js");
const native = require("./native.js");
const { WATCH, takeOptions } = require("./options.js");

const DONE = Object.freeze({ done: true, value: undefined });

/**
 * Values of one stream, batch by batch.
 *
 * @typedef {object} Source
 * @property {() => Promise<any[] | undefined>} pull the next values, `undefined` at the end
 * @property {() => void} close ends it: a waiting `pull()` ends at once
 * @property {() => object} stats
 */

/** The values of one stream of a run: a {@link Source}. */
class StreamSource {
  #open;
  #signal;
  #notify;
  #onAbort;
  #reader = null;
  #end = null;
  #closed = false;
  #lastStats;

  /**
   * @param {object} wiring
   * @param {() => any} wiring.open opens the native reader; called once, at the first `pull()`
   * @param {AbortSignal} [wiring.signal] ends the stream
   * @param {(notice: any) => void} [wiring.notify] gets retries and state changes
   */
  constructor({ open, signal, notify }) {
    this.#open = open;
    this.#signal = signal;
    this.#notify = notify;
    // An aborted signal is looked at before anything is sent (defect 17).
    if (signal?.aborted) {
      this.close();
    } else if (signal) {
      this.#onAbort = () => this.close();
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  /** Opens the stream now rather than at the first `pull()`. */
  start() {
    if (!this.#closed) this.#reader ??= this.#open();
  }

  async pull() {
    try {
      while (!this.#closed) {
        if (this.#end) {
          this.close();
          if (this.#end.error) throw fromNative(this.#end.error);
          return undefined;
        }
        this.start();
        const batch = JSON.parse(await this.#reader.next());
        if (this.#closed) return undefined;
        if (batch.error) throw fromNative(batch.error);
        this.#end = batch.end;
        if (this.#notify) for (const notice of batch.notices) this.#notify(notice);
        for (const place of batch.holes) batch.chunks[place] = undefined;
        if (batch.chunks.length > 0) return batch.chunks;
      }
      return undefined;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The run is over: the stream ends when what was written has been read. */
  runOver() {
    this.#reader?.runOver();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#reader) {
      // The reader is let go at once; what it cost stays known.
      this.#reader.close();
      this.#lastStats = this.#reader.stats();
    }
    if (this.#onAbort) this.#signal.removeEventListener("abort", this.#onAbort);
  }

  stats() {
    const text = this.#lastStats ?? this.#reader?.stats();
    return text
      ? JSON.parse(text)
      : { state: "idle", ending: null, requests: 0, retries: 0, chunks: 0, bytes: 0, unreadBytes: 0 };
  }
}

/** A `ReadableStream` of the values of a source: `for await`, `getReader()`, `pipeThrough()`, … */
class RealtimeStream extends /** @type {any} */ (ReadableStream) {
  #source;
  #controller;
  #values = [];
  #at = 0;
  /** Whether the stream's own machinery was used: then it may hold a value that comes first. */
  #pulled = false;

  /** @param {Source} source */
  constructor(source) {
    /** @type {any} */
    let controller;
    super(
      {
        start(given) {
          controller = given;
        },
        pull: () => this.#feed(),
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    );
    this.#source = source;
    this.#controller = controller;
  }

  /** The same stream, for code that asks for one. */
  toReadableStream() {
    return this;
  }

  /** Ends the stream. Idempotent. */
  close() {
    this.#values = [];
    this.#at = 0;
    this.#source.close();
  }

  stats() {
    return this.#source.stats();
  }

  async [Symbol.asyncDispose]() {
    this.close();
  }

  [Symbol.asyncIterator](options) {
    return this.values(options);
  }

  /**
   * As a web stream's own iterator, but without its cost for each value.
   *
   * @param {{ preventCancel?: boolean }} [options]
   */
  values(options) {
    if (this.#pulled) return super.values(options);
    const preventCancel = options?.preventCancel ?? false;
    // Held, so that nobody else reads meanwhile.
    const lock = this.getReader();
    let over = false;
    let tail = Promise.resolve();
    const turn = (/** @type {() => any} */ work) => {
      const done = tail.then(work);
      tail = done.then(noop, noop);
      return done;
    };
    const next = async () => {
      if (over) return DONE;
      try {
        const result = await this.#next();
        if (!result.done) return result;
        this.#settle();
      } catch (error) {
        over = true;
        this.#settle(error);
        lock.releaseLock();
        throw error;
      }
      over = true;
      lock.releaseLock();
      return DONE;
    };
    const leave = async (/** @type {unknown} */ value) => {
      if (!over) {
        over = true;
        if (!preventCancel) await lock.cancel(value);
        lock.releaseLock();
      }
      return { done: true, value };
    };
    return {
      next: () => turn(next),
      return: (/** @type {unknown} */ value) => turn(() => leave(value)),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async #next() {
    while (this.#at >= this.#values.length) {
      const values = await this.#source.pull();
      if (values === undefined) return DONE;
      this.#values = values;
      this.#at = 0;
    }
    return { done: false, value: this.#values[this.#at++] };
  }

  async #feed() {
    this.#pulled = true;
    const { done, value } = await this.#next();
    if (done) this.#settle();
    else this.#controller.enqueue(value);
  }

  /** The stream is over for those who ask it later. A cancelled one is over already. */
  #settle(...error) {
    try {
      if (error.length > 0) this.#controller.error(error[0]);
      else this.#controller.close();
    } catch {}
  }
}

/** @type {Record<string, import("./options.js").Check>} */
const READ_OPTIONS = {
  timeoutInSeconds: (value) =>
    Number.isInteger(value) && value >= 1 && value <= 600
      ? undefined
      : "must be a whole number of seconds from 1 to 600",
  startIndex: (value) => (Number.isSafeInteger(value) && value >= 0 ? undefined : "must be a whole number from 0"),
  from: (value) => (value === "beginning" || value === "latest" ? undefined : 'must be "beginning" or "latest"'),
  ...WATCH,
};

/**
 * The options of a read, those that are there.
 *
 * @param {string} call for the message
 * @param {unknown} options
 * @returns {any}
 */
function readOptions(call, options) {
  return takeOptions(call, "the options", options, READ_OPTIONS);
}

/**
 * The source of one stream. Checked now, opened at the first `pull()`.
 *
 * @param {object} client
 * @param {string} runId
 * @param {string} key
 * @param {object} plan what `src/bridge/stream.rs` reads
 * @param {{ signal?: AbortSignal, notify?: (notice: any) => void }} [wiring]
 */
function streamSource(client, runId, key, plan, wiring = {}) {
  for (const [what, id] of Object.entries({ "run id": runId, "stream key": key })) {
    if (typeof id !== "string") throw new ArgumentError("ERR_INVALID_ID", `the ${what} must be a string`);
    // An unpaired surrogate would reach the server as another id.
    if (!id.isWellFormed()) throw new ArgumentError("ERR_INVALID_ID", `the ${what} holds an unpaired surrogate`);
  }
  const text = JSON.stringify({ ...plan, notices: wiring.notify !== undefined });
  const refusal = native.checkStream(client, runId, key, text);
  if (refusal) throw fromNative(JSON.parse(refusal));
  return new StreamSource({
    ...wiring,
    open() {
      const reader = native.openStream(client, runId, key, text);
      if (typeof reader === "string") throw fromNative(JSON.parse(reader));
      return reader;
    },
  });
}

/** What a method of the SDK that only works inside a task says here. */
function taskOnly(/** @type {string} */ name) {
  return () => {
    throw new TriggerNativeError(
      "ERR_TASK_ONLY",
      `${name} works inside a task only: import streams from "@trigger.dev/sdk" there`,
    );
  };
}

function noop() {}

module.exports = { RealtimeStream, readOptions, streamSource, taskOnly };
