"use strict";

/**
 * A subscription merged with the streams of its runs: `{ type: "run", run }` and `{ type: key, chunk, run }`, as in the
 * official SDK. The run of a part is the current one (defect 21). A stream's error ends the reader (3); in a feed of
 * several runs it is reported beside them (16). The merged stream ends when the runs are over and their streams drained
 * (4).
 */

const { closeOnAbort } = require("../async/aborts.js");
const { ApiError, ArgumentError, TriggerNativeError } = require("../errors/errors.js");
const { isTexts, takeOptions } = require("../config/options.js");
const { ResumeId, tagOf } = require("./resume-id.js");
const { RealtimeStream } = require("./realtime-stream.js");
const { partEvents } = require("./events.js");
const { Queue } = require("./queue.js");
const { streamSource } = require("./source.js");

/** The most streams of finished runs that are read at once: at that number no further run is read. */
const MAX_DRAINING = 64;
/** The most finished runs remembered with the keys of their streams, so that a late update opens none of them again. */
const MAX_DRAINED = 10_000;

/** @type {import("../config/options.js").Check<string[]>} */
const streamKeys = (value) => (isTexts(value) ? undefined : 'must be an array of keys, such as ["ai"]');
const OPTIONS = { streams: streamKeys };

/**
 * @typedef {import("../runs/run.js").Run} Run
 * @typedef {import("../native/addon.js").WireRun} WireRun
 * @typedef {import("./source.js").ChunkSource} ChunkSource
 *
 * A part of the merged stream: a run, a value of one of its streams, or the mark that such a stream begins again.
 * @typedef {{ type: string, run: Run } | { type: string, chunk: unknown, run: Run } | { type: string, isRestart: true, run: Run }} Part
 */

/**
 * Opens the streams of a subscription's runs.
 *
 * @typedef {(runId: string, key: string, runOver: boolean) => ReturnType<typeof streamSource>} Opener
 */

/**
 * The feed of runs, for a response.
 *
 * @typedef {object} Feed
 * @property {boolean} single one run only
 * @property {number} skewMs how far clocks of several writers may disagree
 * @property {() => number} version up to which all runs were given
 * @property {(order: (rows: WireRun[]) => { give: WireRun[], skip: WireRun[] }) => void} [order] orders the runs that it has at first
 * @property {(version: string, needs: (row: WireRun) => boolean) => void} resume leaves out older rows, except those it needs
 */

/**
 * @param {Parameters<typeof streamSource>[0]} access
 * @param {{ retry?: object, silenceTimeoutMs?: number, onRetry?: (retry: import("../../types/subscription.js").RetryNotice) => void }} options
 * @returns {Opener}
 */
function streamOpener(access, { retry, silenceTimeoutMs, onRetry }) {
  const notify =
    onRetry &&
    ((/** @type {import("../native/addon.js").Notice} */ notice) => {
      if (notice.type === "retry") onRetry(notice.retry);
    });
  return (runId, key, runOver) =>
    streamSource(access, runId, key, { follow: true, runOver, retry, silenceTimeoutMs }, { notify });
}

/**
 * @typedef {{ next(): Promise<IteratorResult<Run, undefined>>, close(): void, stats?(): object }} Subscription
 *
 * @typedef {object} Merged
 * @property {AbortSignal} [signal]
 * @property {Feed} [feed]
 * @property {(error: Error, runId: string) => void} [leftOut] called for a stream that is left out
 */

/**
 * @param {Subscription} subscription
 * @param {Merged & { open: Opener }} feed
 * @param {unknown} [options] `streams`: keys that are read from the start, also before the run names them
 * @returns {import("./realtime-stream.js").Stream<Part>}
 */
function withStreams(subscription, { open, signal, feed, leftOut }, options) {
  const { streams: keys = [] } = takeOptions("withStreams", "the options", options, OPTIONS);
  // A key that cannot be one is refused now, not at the first run.
  for (const key of keys) open("run", key, false).close();
  return new RealtimeStream(new Merge(subscription, open, keys, { signal, feed, leftOut }));
}

/**
 * One run, and those of its streams that are being read.
 *
 * @typedef {{ run: Run, isOver: boolean, keys: Set<string>, sources: Set<ChunkSource> }} Entry
 *
 * One of them. `tag`: its name in an id; `isAgain`: a browser may have seen it before, and it is read from its
 * beginning all the same.
 * @typedef {{ entry: Entry, key: string, source: ChunkSource, tag: string | undefined, isAgain: boolean }} Reading
 */

/** The source of the merged parts. */
class Merge {
  #subscription;
  #open;
  #keys;
  /** Removes the signal's listener. @type {(() => void) | undefined} */
  #off;
  /** @type {Map<string, Entry>} Live runs, and finished ones whose streams are not drained yet. */
  #entries = new Map();
  /** @type {Map<string, Set<string>>} The keys of runs that are no longer among the entries. */
  #drained = new Map();
  /**
   * The parts that came and were not given out yet: at most one batch of each stream, and one run.
   *
   * @type {import("./queue.js").Queue<() => Part[]>}
   */
  #ready = new Queue();
  /** Streams of finished runs that are being read. */
  #draining = 0;
  /** @type {(value?: undefined) => void} */
  #wake = noop;
  #feedAsked = false;
  #feedOver = false;
  #closed = false;
  #feed;
  #leftOut;
  /** Of a response alone. @type {InstanceType<typeof ResumeId> | undefined} */
  #resumeId;
  /**
   * The stream of the parts that were given last, and its cursor after each of them.
   *
   * @type {{ tag: string, cursors: string[] } | undefined}
   */
  #moves;
  #started = false;
  #isOver = false;

  /** @param {Subscription} subscription @param {Opener} open @param {string[]} keys @param {Merged} feed */
  constructor(subscription, open, keys, { signal, feed, leftOut }) {
    this.#subscription = subscription;
    this.#feed = feed;
    this.#leftOut = leftOut;
    this.#open = open;
    this.#keys = keys;
    this.#off = closeOnAbort(signal, () => this.close());
  }

  /** How its parts become events. From now on, each has an id with which a browser can reconnect. */
  events() {
    if (this.#started) {
      throw new ArgumentError("ERR_ALREADY_READ", "toResponse(): parts were read before, whose places are not known");
    }
    this.#resumeId ??= new ResumeId(this.#feed ?? { single: false, skewMs: 0 });
    const resumeId = this.#resumeId;
    if (this.#feed && !this.#feed.single) this.#feed.order?.((rows) => resumeId.order(rows));
    return partEvents(resumeId, {
      given: (index) => {
        const cursor = this.#moves?.cursors[index];
        if (this.#moves && cursor !== undefined) resumeId.moved(this.#moves.tag, cursor);
      },
      resume: (id) => this.#feed?.resume(resumeId.resume(id), (row) => resumeId.needs(row)),
      isOver: () => this.#isOver,
    });
  }

  /** @returns {Promise<Part[] | undefined>} */
  async pull() {
    this.#started = true;
    try {
      while (!this.#closed) {
        const parts = this.#ready.shift()?.();
        if (parts !== undefined && parts.length > 0) return parts;
        if (parts !== undefined) continue;
        if (this.#feedOver && this.#entries.size === 0) {
          this.#isOver = true;
          this.close();
          return undefined;
        }
        this.#askFeed();
        await new Promise((resolve) => {
          this.#wake = resolve;
        });
      }
      return undefined;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#ready = new Queue();
    for (const entry of this.#entries.values()) for (const source of entry.sources) source.close();
    this.#entries.clear();
    this.#off?.();
    this.#subscription.close();
    this.#wake();
  }

  stats() {
    let streams = 0;
    for (const entry of this.#entries.values()) streams += entry.sources.size;
    return { ...this.#subscription.stats?.(), streams };
  }

  /** A run or a batch came: `give` makes parts of it in its turn. @param {() => Part[]} give */
  #came(give) {
    if (this.#closed) return;
    this.#ready.push(give);
    this.#wake();
  }

  #askFeed() {
    if (this.#feedAsked || this.#feedOver || this.#draining >= MAX_DRAINING) return;
    this.#feedAsked = true;
    this.#subscription.next().then(
      (result) => this.#came(() => (result.done ? this.#lastRun() : this.#takeRun(result.value))),
      (error) => this.#came(() => raise(error)),
    );
  }

  /** @param {Run} run @returns {Part[]} */
  #takeRun(run) {
    this.#feedAsked = false;
    const part = { type: "run", run };
    let entry = this.#entries.get(run.id);
    if (entry === undefined) {
      entry = { run, isOver: false, keys: this.#drained.get(run.id) ?? new Set(), sources: new Set() };
      this.#entries.set(run.id, entry);
    }
    entry.run = run;
    if (isOver(run)) this.#runOver(entry);
    for (const key of [...this.#keys, ...streamsOf(run)]) this.#takeStream(entry, key);
    this.#settle(entry);
    this.#moves = undefined;
    this.#resumeId?.sent(this.#feed?.version() ?? Number.NEGATIVE_INFINITY, run, entry.isOver);
    return this.#resumeId?.hides(run) ? [] : [part];
  }

  /** No run follows: the streams end after what was written so far. */
  #lastRun() {
    this.#feedOver = true;
    for (const entry of this.#entries.values()) {
      this.#runOver(entry);
      this.#settle(entry);
    }
    return [];
  }

  /** @param {Entry} entry */
  #runOver(entry) {
    if (entry.isOver) return;
    entry.isOver = true;
    this.#draining += entry.sources.size;
    for (const source of entry.sources) source.runOver();
    const { run, keys } = entry;
    if (this.#resumeId) for (const key of keys) this.#resumeId.runOver(tagOf(run.id, key));
  }

  /** @param {Entry} entry @param {string} key */
  #takeStream(entry, key) {
    if (entry.keys.has(key)) return;
    entry.keys.add(key);
    const { id } = entry.run;
    let source;
    try {
      source = this.#open(id, key, entry.isOver);
    } catch (error) {
      // A run's metadata is its user's input: a name that cannot be a key costs itself only (defect 16).
      if (!this.#leftOut || !(error instanceof ArgumentError)) throw error;
      this.#leftOut(error, id);
      return;
    }
    const tag = this.#resumeId && tagOf(id, key);
    const claim = this.#resumeId?.claim(entry, key, tag);
    if (claim?.at === null) return source.close();
    entry.sources.add(source);
    if (entry.isOver) this.#draining += 1;
    if (claim) {
      source.track();
      if (claim.at !== undefined) source.resume(claim.at);
    }
    this.#askStream({ entry, key, source, tag, isAgain: claim?.isAgain ?? false });
  }

  /** @param {Reading} reading */
  #askStream(reading) {
    const { source } = reading;
    source.pull().then(
      (chunks) => {
        const { cursors } = source;
        this.#came(() => this.#takeChunks(reading, chunks, cursors));
      },
      (error) => this.#came(() => this.#failed(reading, error)),
    );
  }

  /**
   * @param {Reading} reading
   * @param {unknown[] | undefined} chunks
   * @param {string[] | undefined} cursors
   * @returns {Part[]}
   */
  #takeChunks(reading, chunks, cursors) {
    if (chunks === undefined) return this.#ended(reading);
    this.#askStream(reading);
    const { entry, key, tag } = reading;
    const { run } = entry;
    const parts = chunks.map((/** @type {unknown} */ chunk) => ({ type: key, chunk, run }));
    this.#moves = tag && cursors ? { tag, cursors } : undefined;
    if (!reading.isAgain) return parts;
    reading.isAgain = false;
    // The page drops the values it has, so the stream has no cursor from then on.
    this.#moves?.cursors.unshift("");
    return [{ type: key, isRestart: true, run }, ...parts];
  }

  /**
   * In a feed of several runs, a stream that cannot be read ends none of the others (defect 16).
   *
   * @param {Reading} reading
   * @param {unknown} error
   */
  #failed(reading, error) {
    if (!this.#leftOut || !this.#feed || this.#feed.single || !isOfOne(error)) throw error;
    this.#leftOut(error, reading.entry.run.id);
    return this.#ended(reading);
  }

  /** @param {Reading} reading @returns {Part[]} */
  #ended({ entry, source, tag }) {
    if (tag) this.#resumeId?.done(tag);
    if (entry.sources.delete(source) && entry.isOver) this.#draining -= 1;
    this.#settle(entry);
    return [];
  }

  /** Forgets a run that is over and whose streams are drained (defect 10). */
  /** @param {Entry} entry */
  #settle(entry) {
    if (!entry.isOver || entry.sources.size > 0) return;
    const { id } = entry.run;
    this.#entries.delete(id);
    if (entry.keys.size === 0) return;
    this.#drained.set(id, entry.keys);
    if (this.#drained.size > MAX_DRAINED)
      this.#drained.delete(/** @type {string} */ (this.#drained.keys().next().value));
  }
}

/**
 * The keys of a run's streams: of its metadata, else of the row (docs/server-protocol.md 5).
 *
 * @param {Run} run
 * @returns {string[]}
 */
function streamsOf(run) {
  const named = run.metadata?.$$streams;
  if (Array.isArray(named) && named.length > 0 && named.every((key) => typeof key === "string")) return named;
  return run.realtimeStreams ?? [];
}

/** `isFinished` is ours; of a run object without it, the official flags decide (defect 21). @param {Run} run */
function isOver(run) {
  return run.isFinished ?? Boolean(run.isCompleted || run.isCancelled || run.finishedAt);
}

/**
 * Whether a failure is that of one stream: a refused token fails all of them.
 *
 * @param {unknown} error
 * @returns {error is Error}
 */
function isOfOne(error) {
  if (error instanceof ApiError) return error.status !== 401 && error.status !== 403;
  return error instanceof TriggerNativeError;
}

/** @param {unknown} error @returns {never} */
function raise(error) {
  throw error;
}

function noop() {}

module.exports = { streamOpener, withStreams };
