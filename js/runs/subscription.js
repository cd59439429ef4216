"use strict";

/**
 * A live subscription: an async iterator that pulls batches of rows from the native reader.
 *
 * The first `next()` opens it, so a subscription that is never read costs nothing. A pending read keeps the process
 * alive; a closed subscription never does.
 */

const { closeOnAbort } = require("../async/aborts.js");
const { attempt } = require("../async/attempt.js");
const { waitWithin } = require("../async/bounded.js");
const { ArgumentError, fromNative } = require("../errors/errors.js");
const { nextBatch } = require("../native/mailbox.js");

/**
 * @typedef {import("../native/addon.js").WireRun} WireRun
 * @typedef {import("./run.js").Run} Run
 * @typedef {import("../streams/with-streams.js").Feed} Feed
 * @typedef {IteratorResult<Run, undefined>} Result
 */

/** @type {IteratorReturnResult<undefined>} */
const DONE = Object.freeze({ done: true, value: undefined });
/** @type {Promise<Result>} */
const NOTHING = Promise.resolve(DONE);

/** No rows. @type {WireRun[]} */
const NONE = [];

/** The rows that are decoded ahead, so that stored packets of several runs are fetched at once. */
const AHEAD = 8;

/** How far the clocks and commits of several writers may disagree about the order of updates, in ms. */
const SKEW_MS = 10_000;

class RunSubscription {
  #source;
  /** Removes the signal's listener. @type {(() => void) | undefined} */
  #off;
  /** @type {import("../native/addon.js").FeedReader | undefined} */
  #reader;
  /** The client was made. */
  #isReady = false;
  #rows = NONE;
  #at = 0;
  /** Rows that are being decoded, in order. @type {{ row: WireRun, value: Run | Promise<Run> }[]} */
  #ahead = [];
  /** Whether the rows at hand were all there was when they came. */
  #drained = false;
  /** @type {import("../native/addon.js").Rows["end"]} */
  #end = null;
  #closed = false;
  /** Pending reads, and the last of them. */
  #turns = 0;
  #last = NOTHING;
  /** @type {ReadableStream<Run> | undefined} */
  #stream;
  /** Versions (updatedAt, Unix ms): rows below are not yielded; the newest that was yielded; all up to it were. */
  #floor = Number.NEGATIVE_INFINITY;
  #newest = Number.NEGATIVE_INFINITY;
  #position = Number.NEGATIVE_INFINITY;
  /** @type {ReturnType<typeof import("../streams/with-streams.js").withStreams> | undefined} */
  #merged;
  /** Which rows below the floor are yielded all the same. @type {Parameters<Feed["resume"]>[1] | undefined} */
  #needs;
  /**
   * Orders the rows that the feed has at first, until all of them came.
   *
   * @type {Parameters<NonNullable<Feed["order"]>>[0] | undefined}
   */
  #order;
  /** Those that came, by id. @type {Map<string, WireRun>} */
  #first = new Map();
  /** Whether the subscription ended by itself. */
  #isOver = false;

  /** @param {import("./runs.js").Source} source */
  constructor(source) {
    this.#source = source;
    this.#off = closeOnAbort(source.signal, () => this.close());
  }

  /** Calls that overlap are answered in order. */
  next() {
    this.#turns += 1;
    if (this.#turns === 1) {
      this.#last = this.#pull();
    } else {
      const pull = () => this.#pull();
      this.#last = this.#last.then(pull, pull);
    }
    return this.#last;
  }

  /** @template T @param {T} [value] @returns {Promise<IteratorReturnResult<T | undefined>>} */
  return(value) {
    this.close();
    return Promise.resolve({ done: true, value });
  }

  close() {
    this.#leave();
    // The runs' streams end with it, also those that outlive the last run.
    this.#merged?.close();
  }

  /** The official name of {@link close}. */
  unsubscribe() {
    this.close();
  }

  /**
   * The runs and the values of their streams, as parts. Read this instead of the subscription.
   *
   * @param {unknown} [options]
   */
  withStreams(options) {
    // With two readers, each run would go to one of them only.
    if (this.#merged)
      throw new ArgumentError(
        "ERR_ALREADY_READ",
        "withStreams() was called on this subscription before: subscribe once more for another reader",
      );
    // Loaded on demand: it costs as much as everything else here.
    const { withStreams } = require("../streams/with-streams.js");
    const { signal, single } = this.#source;
    const leftOut = (/** @type {Error} */ error, /** @type {string} */ runId) =>
      attempt(() => this.#source.fault(error, runId, "A stream"));
    /** @type {Feed} */
    const feed = {
      single,
      skewMs: SKEW_MS,
      version: () => this.#position,
      order: (order) => {
        this.#order = order;
      },
      resume: (version, needs) => {
        this.#needs = needs;
        this.#resume(version);
      },
    };
    this.#merged = withStreams(this, { open: this.#source.streams(), signal, feed, leftOut }, options);
    return this.#merged;
  }

  /** @param {unknown} [error] its failure */
  #leave(error) {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.over(error);
    this.#source.abandoned.abort();
    this.#rows = NONE;
    this.#ahead = [];
    this.#off?.();
    if (this.#reader) {
      this.#reader.close();
      // Reported here, so that it comes once, and after the last row.
      this.#notify({ type: "state", state: "ended" });
    }
  }

  stats() {
    /** @type {import("../../types/subscription.js").SubscriptionStats} */
    const stats = JSON.parse(
      this.#reader?.stats() ?? '{"state":"idle","requests":0,"retries":0,"rows":0,"bytes":0,"coalesced":0}',
    );
    // The feed may go on for other subscriptions.
    if (this.#closed) stats.state = "ended";
    return stats;
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

  /**
   * The same subscription as server-sent events, for a route handler (docs/feeds.md).
   *
   * An event's id is the version up to which everything was sent. A browser that reconnects with one gets the present
   * state of the runs that changed since.
   *
   * @param {Request} [request]
   * @param {import("../streams/response.js").ResponseOptions} [options]
   * @returns {Response}
   */
  toResponse(request, options) {
    const { toResponse } = require("../streams/response.js");
    return toResponse(this, request, options, {
      event: () => "run",
      id: () => (Number.isFinite(this.#position) ? String(this.#position) : undefined),
      // `isFinished` is not enumerable, and a browser cannot derive it from an unknown status.
      value: (run) => ({ ...run, isFinished: run.isFinished }),
      sent: (run, length) => require("../calls/hints.js").sent(run, length),
      resume: (id) => this.#resume(id),
      isOver: () => this.#isOver,
    });
  }

  /** @param {string} id */
  #resume(id) {
    if (!/^\d{1,16}$/.test(id)) return;
    this.#newest = Number(id);
    // The clocks of several runs' writers differ, so a state may come twice rather than never.
    this.#floor = this.#newest - (this.#source.single ? 0 : SKEW_MS);
  }

  /** @returns {Promise<Result>} */
  async #pull() {
    try {
      while (!this.#closed) {
        const next = this.#nextRow();
        if (next) {
          let { value } = next;
          if (value instanceof Promise) {
            value = await waitWithin({ signal: this.#source.abandoned.signal }, value);
            // Closed while a stored packet was fetched: no run is yielded after the end.
            if (this.#closed) return DONE;
          }
          this.#yielded(next.row);
          return { done: false, value };
        }
        if (this.#end) {
          if (!this.#end.error) {
            this.#isOver = true;
            this.#leave();
            return DONE;
          }
          const error = fromNative(this.#end);
          this.#source.explain(error);
          throw error;
        }
        const filled = this.#fill();
        if (filled) await filled;
      }
      return DONE;
    } catch (error) {
      // Closing it ended what was awaited.
      if (this.#closed) return DONE;
      this.#leave(error);
      throw error;
    } finally {
      this.#turns -= 1;
    }
  }

  /** The next row and its value, which is being decoded. */
  #nextRow() {
    while (this.#ahead.length < AHEAD && this.#at < this.#rows.length) {
      const row = this.#rows[this.#at++];
      // A replica that lags can give a state older than the one a resumed response began with.
      if (typeof row.updatedAt === "number" && row.updatedAt < this.#floor && !this.#needs?.(row)) {
        this.#source.skip(row);
        continue;
      }
      const value = this.#source.decode(row);
      if (value instanceof Promise) value.catch(noop);
      this.#ahead.push({ row, value });
    }
    return this.#ahead.shift();
  }

  /** @param {WireRun} row */
  #yielded({ updatedAt }) {
    if (typeof updatedAt === "number") this.#newest = Math.max(this.#newest, updatedAt);
    const last = this.#at === this.#rows.length && this.#ahead.length === 0;
    if (this.#source.single || (last && this.#drained)) this.#position = this.#newest;
  }

  /** Gets the next batch; a promise where it is not there yet. @returns {Promise<unknown> | undefined} */
  #fill() {
    if (!this.#reader) {
      const ready = this.#isReady ? undefined : this.#source.ready();
      if (ready) return ready.then(() => (this.#isReady = true));
      this.#reader = this.#source.open();
    }
    const batch = nextBatch(this.#reader);
    return batch instanceof Promise ? batch.then((next) => this.#take(next)) : this.#take(batch);
  }

  /** @param {import("../native/addon.js").FeedBatch} batch @returns {Promise<void> | undefined} */
  #take(batch) {
    // A closed subscription renews as well: other subscriptions wait for the same token.
    if (batch.wantsToken) return this.#source.renew();
    if (this.#closed) return undefined;
    if (batch.error) throw fromNative(batch);
    this.#rows = this.#order ? this.#gather(this.#order, batch) : batch.rows;
    this.#at = 0;
    this.#drained = batch.drained;
    this.#end = batch.end;
    for (const notice of batch.notices) if (notice.state !== "ended") this.#notify(notice);
    if (!this.#source.single) {
      for (const fault of batch.faults) attempt(() => this.#source.fault(fromNative(fault), fault.key));
    }
    return undefined;
  }

  /**
   * The rows that the feed has at first, once all of them came.
   *
   * @param {Parameters<NonNullable<Feed["order"]>>[0]} order
   * @param {import("../native/addon.js").Rows} batch
   */
  #gather(order, { rows, drained, end }) {
    for (const row of rows) {
      const older = this.#first.get(row.id);
      if (older) this.#source.skip(older);
      this.#first.set(row.id, row);
    }
    if ((!drained && !end) || this.#first.size === 0) return NONE;
    const { give, skip } = order([...this.#first.values()]);
    this.#order = undefined;
    this.#first.clear();
    for (const row of skip) this.#source.skip(row);
    return give;
  }

  /** @param {import("../native/addon.js").Notice} notice */
  #notify(notice) {
    attempt(() => this.#source.notify(notice));
  }
}

function noop() {}

module.exports = { RunSubscription };
