"use strict";

/** Values as a web `ReadableStream` that is an async iterable and a response too. */

const { toResponse } = require("./response.js");

const DONE = Object.freeze({ done: true, value: undefined });

/** A `ReadableStream` of the values of a source: `for await`, `getReader()`, `pipeThrough()`, … */
class RealtimeStream extends /** @type {any} */ (ReadableStream) {
  #source;
  #controller;
  #values = [];
  #at = 0;
  /** Whether the stream's own machinery was used: then it may hold a value that comes first. */
  #pulled = false;

  /** @param {import("./source.js").Source} source */
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

  /**
   * The same stream as server-sent events, for a route handler (docs/feeds.md). A browser that comes
   * back gets what comes after the event it saw last.
   *
   * @param {Request} [request]
   * @param {import("./response.js").ResponseOptions} [options]
   * @returns {Response}
   */
  toResponse(request, options) {
    const format = this.#source.events();
    const parts = {
      // Not before the options were looked at: it takes the stream for itself.
      [Symbol.asyncIterator]: () => {
        const values = this.values();
        return {
          next: async () => {
            const result = await values.next();
            if (!result.done) format.given(this.#at - 1);
            return result;
          },
          // At once: a `return()` of the values would wait for what they wait for.
          return: async () => this.close(),
        };
      },
    };
    return toResponse(parts, request, options, {
      ...format,
      resume: (/** @type {string} */ id) => {
        format.resume(id);
        this.#values = [];
        this.#at = 0;
      },
    });
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
    const preventCancel = options?.preventCancel ?? false;
    if (this.#pulled) {
      const values = super.values(options);
      // What the reader that leaves waits for ends first: the web stream's iterator would wait for it.
      const leaveValues = (/** @type {unknown} */ value) => {
        if (!preventCancel) this.close();
        return values.return(value);
      };
      return disposable({
        next: () => values.next(),
        return: leaveValues,
        [Symbol.asyncIterator]() {
          return this;
        },
      });
    }
    // Held, so that nobody else reads meanwhile.
    const lock = this.getReader();
    let over = false;
    let tail = Promise.resolve();
    /** Turns that are not over. */
    let turns = 0;
    const turn = (/** @type {() => any} */ work) => {
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
      // A value that is there is given without a turn, where nobody waits for theirs.
      next: () =>
        turns === 0 && !over && this.#at < this.#values.length
          ? Promise.resolve({ done: false, value: this.#values[this.#at++] })
          : turn(next),
      return: (/** @type {unknown} */ value) => {
        // A read that waits ends at once: `leave` comes after it.
        if (!over && !preventCancel) this.close();
        return turn(() => leave(value));
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    });
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

/** An iterator for `await using`, also where the runtime's own is none. */
function disposable(iterator) {
  iterator[Symbol.asyncDispose] ??= async () => {
    await iterator.return();
  };
  return iterator;
}

module.exports = { RealtimeStream };
