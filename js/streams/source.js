"use strict";

/**
 * The values of one realtime stream, pulled in batches from the native reader. Unread ones stay on the network (defect
 * 9).
 */

const { closeOnAbort } = require("../async/aborts.js");
const { attempt } = require("../async/attempt.js");
const { LazyAbort } = require("../async/lazy-abort.js");
const { ArgumentError, fromNative } = require("../errors/errors.js");
const { mailbox, nextBatch } = require("../native/mailbox.js");
const native = require("../native/native.js");
const { chunkEvents } = require("./events.js");
const { traceOf } = require("../calls/trace.js");

const PATH = "/realtime/v1/streams/{}/{}";

/**
 * Values, batch by batch.
 *
 * @template T
 * @typedef {object} Source
 * @property {() => Promise<T[] | undefined>} pull the next values, `undefined` at the end
 * @property {() => void} close ends it, and a pending `pull()` at once
 * @property {() => object} stats
 * @property {() => import("./events.js").Format<T>} events how its values become the events of a response; from then on
 *   each has an id
 *
 */

/**
 * @typedef {import("../native/addon.js").Client} Client
 * @typedef {import("../native/addon.js").Chunks} Chunks
 * @typedef {import("../native/addon.js").Notice} Notice
 * @typedef {import("../native/addon.js").StreamReader} StreamReader
 * @typedef {import("../config/refresh.js").TokenRefresher} TokenRefresher
 * @typedef {InstanceType<typeof StreamSource>} ChunkSource
 */

/** The values of one stream of a run: a {@link Source}. */
class StreamSource {
  #open;
  #refresher;
  #notify;
  #over;
  /** Removes the signal's listener. @type {(() => void) | undefined} */
  #off;
  /** @type {StreamReader | undefined} */
  #reader;
  /** Opening the reader, where a token has to be made first. @type {Promise<void> | undefined} */
  #opening;
  /** Aborted when it is closed: ends every wait on its behalf. */
  #abandoned = new LazyAbort();
  /** @type {Chunks["end"]} */
  #end = null;
  #closed = false;
  /** The run ended, before there was a reader. */
  #runOver = false;
  /** Of the reader that was closed. @type {ReturnType<StreamReader["stats"]> | undefined} */
  #lastStats;
  #events;
  #isTracked = false;
  /** The cursor to open it at. @type {string | undefined} */
  #cursor;
  /** The cursor after each of the values that `pull()` gave last. @type {string[] | undefined} */
  cursors;
  /** Whether the stream ended by itself, and all of it was pulled. */
  isOver = false;

  /**
   * @param {object} stream
   * @param {(client?: Client, cursor?: string) => StreamReader} stream.open called at the first `pull()`
   * @param {(source: ChunkSource) => import("./events.js").Format<unknown>} stream.events
   * @param {(error: unknown) => void} stream.over called once it is closed, with its failure
   * @param {TokenRefresher} [stream.refresher] renews the client's token (defect 5)
   * @param {AbortSignal} [stream.signal] ends the stream
   * @param {(notice: Notice) => void} [stream.notify] gets retries and state changes
   */
  constructor({ open, refresher, signal, notify, events, over }) {
    this.#over = over;
    this.#open = open;
    this.#refresher = refresher;
    this.#events = events;
    this.#notify = notify;
    this.#off = closeOnAbort(signal, () => this.close());
  }

  /** Opens the stream now rather than at the first `pull()`. */
  start() {
    if (this.#closed || this.#reader) return;
    if (this.#refresher === undefined) {
      this.#reader = this.#open(undefined, this.#cursor);
      return;
    }
    this.#opening ??= this.#openRenewed();
    // The next `pull()` reports it.
    this.#opening.catch(noop);
  }

  async #openRenewed() {
    const client = await this.#refresher?.client(this.#abandoned);
    if (this.#closed) return;
    this.#reader = this.#open(client, this.#cursor);
    if (this.#runOver) this.#reader.runOver();
  }

  /** Keeps `cursors` from now on. */
  track() {
    this.#isTracked = true;
  }

  /** Reads from a cursor of an earlier source, rather than from where it would. Before the first `pull()`. */
  resume(/** @type {string} */ cursor) {
    this.#cursor = cursor;
    // A reader that is being opened waits for its token, and reads the cursor after that.
    if (this.#closed || !this.#reader) return;
    this.#reader.close();
    this.#reader = undefined;
    this.#opening = undefined;
    this.start();
  }

  events() {
    return this.#events(this);
  }

  /** @returns {Promise<unknown[] | undefined>} */
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
        const batch = await nextBatch(/** @type {StreamReader} */ (this.#reader), this.#isTracked);
        if (batch.wantsToken) {
          // A closed stream renews as well: other streams wait for the same token.
          await this.#refresher?.renew(this.#abandoned);
          continue;
        }
        if (this.#closed) return undefined;
        if (batch.error) throw this.#failure(batch);
        this.#end = batch.end;
        // The end is reported when it is closed: once, and after the last value.
        for (const notice of batch.notices) if (notice.state !== "ended") this.#tell(notice);
        for (const index of batch.holes) batch.chunks[index] = undefined;
        this.cursors = batch.cursors;
        if (batch.chunks.length > 0) return batch.chunks;
      }
      return undefined;
    } catch (error) {
      // Closing it ended what was awaited.
      if (this.#closed) return undefined;
      this.close(error);
      throw error;
    }
  }

  /** @param {import("../native/addon.js").Failed} failed */
  #failure(failed) {
    const error = fromNative(failed);
    return this.#refresher ? this.#refresher.explain(error) : error;
  }

  /** @param {Notice} notice */
  #tell(notice) {
    const notify = this.#notify;
    if (notify) attempt(() => notify(notice));
  }

  /** The run is over: the stream ends when what was written has been read. */
  runOver() {
    this.#runOver = true;
    this.#reader?.runOver();
  }

  /** @param {unknown} [error] its failure */
  close(error) {
    if (this.#closed) return;
    this.#closed = true;
    this.#over?.(error);
    this.#abandoned.abort();
    this.#off?.();
    if (this.#reader) {
      // The counts outlive the reader.
      this.#reader.close();
      this.#lastStats = this.#reader.stats();
      this.#tell({ type: "state", state: "ended" });
    }
  }

  /** @returns {import("../../types/stream.js").StreamStats} */
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
 * @param {{ client?: Client, refresher?: TokenRefresher, baseURL: string }} access a client, or what makes one and renews its token
 * @param {string} runId
 * @param {string} key
 * @param {object} plan as `src/bridge/stream.rs` reads it
 * @param {{ signal?: AbortSignal, notify?: (notice: Notice) => void }} [watch]
 */
function streamSource(access, runId, key, plan, watch = {}) {
  for (const [what, id] of Object.entries({ "run id": runId, "stream key": key })) {
    if (typeof id !== "string") throw new ArgumentError("ERR_INVALID_ID", `the ${what} must be a string`);
    // An unpaired surrogate would reach the server as another id.
    if (!id.isWellFormed()) throw new ArgumentError("ERR_INVALID_ID", `the ${what} holds an unpaired surrogate`);
  }
  const text = JSON.stringify({ ...plan, notices: watch.notify !== undefined });
  const refusal = native.checkStream(runId, key, text);
  if (refusal) throw fromNative(refusal);
  /** @type {ReturnType<typeof traceOf>} */
  let trace;
  return new StreamSource({
    ...watch,
    over: (error) => trace?.end({ error: /** @type {import("../calls/tracing.js").Failure} */ (error) }),
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
      const reader = native.openStream(/** @type {Client} */ (client), mailbox(), runId, key, planned);
      if (typeof reader === "string") throw fromNative(reader);
      return reader;
    },
  });
}

function noop() {}

module.exports = { streamSource };
