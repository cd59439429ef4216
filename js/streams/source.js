"use strict";

/** The values of one realtime stream, pulled in batches from the native reader. What nobody reads stays on the wire (defect 9). */

const { onAbort } = require("../async/aborts.js");
const { attempt } = require("../async/attempt.js");
const { LazyAbort } = require("../async/lazy-abort.js");
const { ArgumentError, fromNative } = require("../errors/errors.js");
const { mailbox, nextBatch } = require("../native/mailbox.js");
const native = require("../native/native.js");
const { chunkEvents } = require("./events.js");
const { traceOf } = require("../calls/trace.js");

const PATH = "/realtime/v1/streams/{}/{}";

/**
 * Values of one stream, batch by batch.
 *
 * @typedef {object} Source
 * @property {() => Promise<any[] | undefined>} pull the next values, `undefined` at the end
 * @property {() => void} close ends it: a waiting `pull()` ends at once
 * @property {() => object} stats
 * @property {() => any} events how its values become the events of a response; from then on each has an id
 */

/** The values of one stream of a run: a {@link Source}. */
class StreamSource {
  #open;
  #refresher;
  #notify;
  #over;
  /** Takes the signal's listener off. @type {(() => void) | undefined} */
  #off;
  #reader = null;
  /** Opening the reader, where a token has to be made first. @type {Promise<void> | undefined} */
  #opening;
  /** Aborted when it is closed: ends whatever is waited for on its behalf. */
  #abandoned = new LazyAbort();
  #end = null;
  #closed = false;
  /** Told before there was a reader to tell it to. */
  #runOver = false;
  #lastStats;
  #events;
  #isTracked = false;
  /** The cursor to open it at. @type {string | undefined} */
  #cursor;
  /** Where to resume after each of the values that `pull()` gave last. @type {string[] | undefined} */
  cursors;
  /** It ended by itself, and all of it was pulled. */
  isOver = false;

  /**
   * @param {object} wiring
   * @param {(client?: object, cursor?: string) => any} wiring.open opens the native reader, at this cursor; called at the first `pull()`
   * @param {(source: any) => any} [wiring.events]
   * @param {(error: unknown) => void} [wiring.over] told once it is closed, with what it failed with if it did
   * @param {any} [wiring.refresher] renews the token of the client, which is its own then (defect 5)
   * @param {AbortSignal} [wiring.signal] ends the stream
   * @param {(notice: any) => void} [wiring.notify] gets retries and state changes
   */
  constructor({ open, refresher, signal, notify, events, over }) {
    this.#over = over;
    this.#open = open;
    this.#refresher = refresher;
    this.#events = events;
    this.#notify = notify;
    // An aborted signal is looked at before anything is sent (defect 17).
    if (signal?.aborted) {
      this.close();
    } else if (signal) {
      this.#off = onAbort(signal, () => this.close());
    }
  }

  /** Opens the stream now rather than at the first `pull()`. */
  start() {
    if (this.#closed || this.#reader) return;
    if (this.#refresher === undefined) {
      this.#reader = this.#open(undefined, this.#cursor);
      return;
    }
    this.#opening ??= this.#openRenewed();
    // Looked at by the next `pull()`.
    this.#opening.catch(noop);
  }

  async #openRenewed() {
    const client = await this.#refresher.client(this.#abandoned);
    if (this.#closed) return;
    this.#reader = this.#open(client, this.#cursor);
    if (this.#runOver) this.#reader.runOver();
  }

  /** From now on, `cursors` is kept. */
  track() {
    this.#isTracked = true;
  }

  /** Reads on from a cursor of `cursors`, rather than from where it would. Before the first `pull()`. */
  resume(/** @type {string} */ cursor) {
    this.#cursor = cursor;
    // One that is being opened waits for its token, and looks at the cursor after that.
    if (this.#closed || !this.#reader) return;
    this.#reader.close();
    this.#reader = null;
    this.#opening = undefined;
    this.start();
  }

  events() {
    return this.#events?.(this);
  }

  async pull() {
    try {
      while (!this.#closed) {
        if (this.#end) {
          if (this.#end.error) throw this.#failure(this.#end);
          this.isOver = true;
          this.close();
          return undefined;
        }
        this.start();
        if (this.#opening) await this.#opening;
        if (this.#closed) return undefined;
        const batch = await nextBatch(this.#reader, this.#isTracked);
        if (batch.wantsToken) {
          // Begun also when closed meanwhile: others wait for the same token.
          await this.#refresher.renew(this.#abandoned);
          continue;
        }
        if (this.#closed) return undefined;
        if (batch.error) throw this.#failure(batch);
        this.#end = batch.end;
        // The end is told when it is closed: once, and after the last value.
        for (const notice of batch.notices) if (notice.state !== "ended") this.#tell(notice);
        for (const index of batch.holes) batch.chunks[index] = undefined;
        this.cursors = batch.places;
        if (batch.chunks.length > 0) return batch.chunks;
      }
      return undefined;
    } catch (error) {
      // What was waited for when it was closed ended with it.
      if (this.#closed) return undefined;
      this.close(error);
      throw error;
    }
  }

  /** @param {{ error: import("../errors/errors.js").NativeError }} given */
  #failure(given) {
    const error = fromNative(given);
    return this.#refresher ? this.#refresher.explain(error) : error;
  }

  #tell(notice) {
    if (this.#notify) attempt(() => this.#notify(notice));
  }

  /** The run is over: the stream ends when what was written has been read. */
  runOver() {
    this.#runOver = true;
    this.#reader?.runOver();
  }

  /** @param {unknown} [error] what it failed with */
  close(error) {
    if (this.#closed) return;
    this.#closed = true;
    this.#over?.(error);
    this.#abandoned.abort();
    this.#off?.();
    if (this.#reader) {
      // The reader is let go at once; what it cost stays known.
      this.#reader.close();
      this.#lastStats = this.#reader.stats();
      this.#tell({ type: "state", state: "ended" });
    }
  }

  stats() {
    const text = this.#lastStats ?? this.#reader?.stats();
    if (text) return JSON.parse(text);
    const state = this.#closed ? "ended" : "idle";
    return { state, ending: null, requests: 0, retries: 0, chunks: 0, bytes: 0, unreadBytes: 0 };
  }
}

/**
 * The source of one stream. Checked now, opened at the first `pull()`.
 *
 * @param {{ client?: object, refresher?: any, baseURL: string }} access a client, or what makes one and renews its token
 * @param {string} runId
 * @param {string} key
 * @param {object} plan what `src/bridge/stream.rs` reads
 * @param {{ signal?: AbortSignal, notify?: (notice: any) => void }} [wiring]
 */
function streamSource(access, runId, key, plan, wiring = {}) {
  for (const [what, id] of Object.entries({ "run id": runId, "stream key": key })) {
    if (typeof id !== "string") throw new ArgumentError("ERR_INVALID_ID", `the ${what} must be a string`);
    // An unpaired surrogate would reach the server as another id.
    if (!id.isWellFormed()) throw new ArgumentError("ERR_INVALID_ID", `the ${what} holds an unpaired surrogate`);
  }
  const text = JSON.stringify({ ...plan, notices: wiring.notify !== undefined });
  const refusal = native.checkStream(runId, key, text);
  if (refusal) throw fromNative(refusal);
  /** @type {ReturnType<typeof traceOf>} */
  let trace;
  return new StreamSource({
    ...wiring,
    over: (error) => trace?.end({ error }),
    events: (source) => chunkEvents(source, runId, key),
    refresher: access.refresher,
    open(client = access.client, cursor = undefined) {
      trace ??= traceOf(() => ({
        baseURL: access.baseURL,
        path: PATH,
        ids: [
          ["run id", runId],
          ["stream key", key],
        ],
      }));
      const planned = cursor === undefined ? text : JSON.stringify({ ...JSON.parse(text), at: cursor });
      const reader = native.openStream(client, mailbox(), runId, key, planned);
      if (typeof reader === "string") throw fromNative(reader);
      return reader;
    },
  });
}

function noop() {}

module.exports = { streamSource };
