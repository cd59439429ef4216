"use strict";

/** Values as a web `ReadableStream` that is an async iterable and a response too. */

const { toResponse } = require("./response.js");

/** @type {IteratorReturnResult<undefined>} */
const DONE = Object.freeze({ done: true, value: undefined });

/** @template T @typedef {RealtimeStream<T>} Stream for other files: a class cannot be imported as a type */

/**
 * A `ReadableStream` of the values of a source: `for await`, `getReader()`, `pipeThrough()`, …
 *
 * @template T
 * @extends {ReadableStream<T>}
 */
class RealtimeStream extends ReadableStream {
  #source;
  #controller;
  /** @type {T[]} */
  #values = [];
  #at = 0;
  /** Whether the web stream itself was read: then it may hold the next value. */
  #pulled = false;

  /** @param {import("./source.js").Source<T>} source */
  constructor(source) {
    /** @type {ReadableStreamDefaultController<T> | undefined} */
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
    this.#controller = /** @type {ReadableStreamDefaultController<T>} */ (/** @type {unknown} */ (controller));
  }

  /** The same stream, as subscriptions have it. */
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

  /**
   * The same stream as server-sent events, for a route handler (docs/feeds.md). A browser that reconnects gets the
   * values after its last event.
   *
   * @param {Request} [request]
   * @param {import("./response.js").ResponseOptions} [options]
   * @returns {Response}
   */
  toResponse(request, options) {
    const format = this.#source.events();
    const parts = {
      // After the options were checked: it locks the stream.
      [Symbol.asyncIterator]: () => {
        const values = this.values();
        return {
          next: async () => {
            const result = await values.next();
            if (!result.done) format.given(this.#at - 1);
            return result;
          },
          // At once: a `return()` of the values would wait for a pending read.
          return: async () => {
            this.close();
            return DONE;
          },
        };
      },
    };
    return toResponse(parts, request, options, {
      ...format,
      resume: (/** @type {string} */ id) => {
        format.resume?.(id);
        this.#values = [];
        this.#at = 0;
      },
    });
  }

  async [Symbol.asyncDispose]() {
    this.close();
  }

  /** @param {{ preventCancel?: boolean }} [options] @returns {ReadableStreamAsyncIterator<T>} */
  [Symbol.asyncIterator](options) {
    return this.values(options);
  }

  /**
   * As a web stream's own iterator, without its cost for each value.
   *
   * @param {{ preventCancel?: boolean }} [options]
   * @returns {ReadableStreamAsyncIterator<T>}
   */
  values(options) {
    const preventCancel = options?.preventCancel ?? false;
    if (this.#pulled) {
      const values = super.values(options);
      // The pending read ends first: the web stream's iterator would wait for it.
      const leaveValues = (/** @type {undefined} */ value) => {
        if (!preventCancel) this.close();
        return values.return?.(value) ?? Promise.resolve(DONE);
      };
      return disposable({
        next: () => values.next(),
        return: leaveValues,
        [Symbol.asyncIterator]() {
          return this;
        },
      });
    }
    // Locked, so that the values have one reader.
    const lock = this.getReader();
    let over = false;
    /** @type {Promise<unknown>} */
    let tail = Promise.resolve();
    /** Pending reads. */
    let turns = 0;
    /** @template R @param {() => Promise<R>} work @returns {Promise<R>} */
    const turn = (work) => {
      turns += 1;
      const done = tail.then(work);
      tail = done.then(taken, taken);
      return done;
    };
    function taken() {
      turns -= 1;
    }
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
    return disposable({
      // A value at hand is given at once, where no read is pending.
      next: () =>
        turns === 0 && !over && this.#at < this.#values.length
          ? Promise.resolve({ done: false, value: this.#values[this.#at++] })
          : turn(next),
      return: (/** @type {unknown} */ value) => {
        // The pending read ends at once: `leave` comes after it.
        if (!over && !preventCancel) this.close();
        return turn(() => leave(value));
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    });
  }

  /** @returns {Promise<IteratorResult<T, undefined>>} */
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
    const result = await this.#next();
    if (result.done) this.#settle();
    else this.#controller.enqueue(result.value);
  }

  /** Ends the web stream, for later readers. A cancelled one has ended. @param {[error?: unknown]} error */
  #settle(...error) {
    try {
      if (error.length > 0) this.#controller.error(error[0]);
      else this.#controller.close();
    } catch {}
  }
}

/**
 * An iterator for `await using`, also where the runtime's own has no such method.
 *
 * @template T
 * @param {{ next(): Promise<IteratorResult<T, undefined>>, return(value?: undefined): Promise<unknown>, [Symbol.asyncIterator](): unknown }} iterator
 * @returns {ReadableStreamAsyncIterator<T>}
 */
function disposable(iterator) {
  const made = /** @type {ReadableStreamAsyncIterator<T>} */ (iterator);
  made[Symbol.asyncDispose] ??= async () => {
    await iterator.return();
  };
  return made;
}

module.exports = { RealtimeStream };
