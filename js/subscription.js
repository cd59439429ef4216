"use strict";

/**
 * A live subscription: an async iterator that pulls batches of rows from the native reader.
 *
 * Nothing is opened before the first `next()`, so a subscription that nobody reads costs nothing.
 * An open one keeps the process alive while somebody waits for it; a closed one never does.
 */

const { fromNative } = require("./errors.js");
const { withStreams } = require("./with-streams.js");

const DONE = Object.freeze({ done: true, value: undefined });

class RunSubscription {
  #open;
  #decode;
  #signal;
  #notify;
  #onAbort;
  #reader = null;
  #rows = [];
  #at = 0;
  #end = null;
  #closed = false;
  #tail = Promise.resolve();
  #stream = null;
  #streams;
  #merged = null;

  /**
   * @param {object} wiring
   * @param {() => any} wiring.open opens the native reader; called once, at the first `next()`
   * @param {(row: any) => any} wiring.decode makes the public value of a row, or a promise of it
   * @param {AbortSignal} [wiring.signal] ends the subscription
   * @param {(notice: any) => void} [wiring.notify] gets retries and state changes
   * @param {import("./with-streams.js").Opener} [wiring.streams] opens the streams of its runs
   */
  constructor({ open, decode, signal, notify, streams }) {
    this.#open = open;
    this.#decode = decode;
    this.#signal = signal;
    this.#notify = notify;
    this.#streams = streams;
    // An aborted signal is looked at before anything is sent (defect 17).
    if (signal?.aborted) {
      this.close();
    } else if (signal) {
      this.#onAbort = () => this.close();
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  /** Calls that overlap are answered in order. */
  next() {
    const turn = this.#tail.then(() => this.#pull());
    this.#tail = turn.then(noop, noop);
    return turn;
  }

  return(value) {
    this.close();
    return Promise.resolve({ done: true, value });
  }

  close() {
    this.#leave();
    // The runs' streams end with it, also those that outlive the last run.
    this.#merged?.close();
  }

  /** The runs and the values of their streams, as parts. Read this instead of the subscription. */
  withStreams(options) {
    this.#merged = withStreams(this, { open: this.#streams, signal: this.#signal }, options);
    return this.#merged;
  }

  #leave() {
    if (this.#closed) return;
    this.#closed = true;
    this.#rows = [];
    this.#reader?.close();
    if (this.#onAbort) this.#signal.removeEventListener("abort", this.#onAbort);
  }

  stats() {
    return JSON.parse(this.#reader?.stats() ?? '{"state":"idle","requests":0,"retries":0,"rows":0,"coalesced":0}');
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async [Symbol.asyncDispose]() {
    this.close();
  }

  /** The same subscription as a web stream; every call gives the same one. */
  toReadableStream() {
    this.#stream ??= new ReadableStream(
      {
        pull: async (controller) => {
          const { done, value } = await this.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    );
    return this.#stream;
  }

  getReader() {
    return this.toReadableStream().getReader();
  }

  async #pull() {
    try {
      while (!this.#closed) {
        if (this.#at < this.#rows.length) {
          const value = await this.#decode(this.#rows[this.#at++]);
          // Closed while a stored packet was fetched: nothing is yielded after the end.
          return this.#closed ? DONE : { done: false, value };
        }
        if (this.#end) {
          this.#leave();
          if (this.#end.error) throw fromNative(this.#end.error);
          return DONE;
        }
        await this.#fill();
      }
      return DONE;
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  async #fill() {
    this.#reader ??= this.#open();
    const batch = JSON.parse(await this.#reader.next());
    if (this.#closed) return;
    this.#rows = batch.rows;
    this.#at = 0;
    this.#end = batch.end;
    if (this.#notify) for (const notice of batch.notices) this.#notify(notice);
  }
}

function noop() {}

module.exports = { RunSubscription };
