"use strict";

/**
 * A subscription and the streams of its runs, merged: `{ type: "run", run }` and
 * `{ type: key, chunk, run }`, as the official SDK has them. The run of a part is the current one
 * (defect 21); a stream's error reaches the reader (3), in a feed of several runs beside them (16);
 * when the runs are over and their streams drained, it ends (4).
 */

const { onAbort } = require("../async/aborts.js");
const { ApiError, ArgumentError, TriggerNativeError } = require("../errors/errors.js");
const { isTexts, takeOptions } = require("../config/options.js");
const { ResumeId, tagOf } = require("./resume-id.js");
const { RealtimeStream } = require("./realtime-stream.js");
const { partEvents } = require("./events.js");
const { streamSource } = require("./source.js");

/** Streams of finished runs that are read at once: no further run is taken meanwhile. */
const MAX_DRAINING = 64;
/** Finished runs remembered with the keys of their streams, so that a late update opens none of them again. */
const MAX_DRAINED = 10_000;

const OPTIONS = {
  streams: (/** @type {unknown} */ value) => (isTexts(value) ? undefined : 'must be an array of keys, such as ["ai"]'),
};

/**
 * Opens the streams of a subscription's runs.
 *
 * @typedef {(runId: string, key: string, runOver: boolean) => ReturnType<typeof streamSource>} Opener
 */

/**
 * What a response has to know of the feed of runs.
 *
 * @typedef {object} Feed
 * @property {boolean} single one run only
 * @property {number} skewMs how far clocks of several writers may disagree
 * @property {() => number} version up to which all runs were given
 * @property {(order: (rows: any[]) => { give: any[], skip: any[] }) => void} [order] how the runs it has at first are given
 * @property {(version: string, needs: (row: any) => boolean) => void} resume leaves out older rows but those it needs
 */

/**
 * @param {{ client?: object, refresher?: any, baseURL: string }} access
 * @param {{ retry?: object, silenceTimeoutMs?: number, onRetry?: (retry: any) => void }} options
 * @returns {Opener}
 */
function streamOpener(access, { retry, silenceTimeoutMs, onRetry }) {
  const notify = onRetry && ((/** @type {any} */ notice) => notice.type === "retry" && onRetry(notice.retry));
  return (runId, key, runOver) =>
    streamSource(access, runId, key, { follow: true, runOver, retry, silenceTimeoutMs }, { notify });
}

/**
 * @param {{ next(): Promise<any>, close(): void, stats?(): object }} subscription
 * @param {object} wiring
 * @param {Opener} wiring.open
 * @param {AbortSignal} [wiring.signal]
 * @param {Feed} [wiring.feed]
 * @param {(error: Error, runId: string) => void} [wiring.leftOut] told of a stream that is left out
 * @param {{ streams?: string[] }} [options] `streams`: keys that are read from the start, whether
 *   or not the run says yet that it has them
 * @returns {InstanceType<typeof import("./realtime-stream.js").RealtimeStream>}
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
 * @typedef {{ run: any, isOver: boolean, keys: Set<string>, sources: Set<any> }} Entry
 *
 * One of them. `tag`: what an id calls it; `isAgain`: a browser may have seen it before, and it is read from its
 * beginning all the same.
 * @typedef {{ entry: Entry, key: string, source: any, tag: string | undefined, isAgain: boolean }} Reading
 */

/** The source of the merged parts. */
class Merge {
  #subscription;
  #open;
  #keys;
  /** Takes the signal's listener off. @type {(() => void) | undefined} */
  #off;
  /** @type {Map<string, Entry>} Live runs, and finished ones whose streams are not drained yet. */
  #entries = new Map();
  /** @type {Map<string, Set<string>>} The keys of runs that are no longer among the entries. */
  #drained = new Map();
  /** What came and was not given out yet: at most one batch of each stream, and one run. */
  #ready = new Line();
  /** Streams of finished runs that are being read. */
  #draining = 0;
  /** @type {(value?: any) => void} */
  #wake = noop;
  #feedAsked = false;
  #feedOver = false;
  #closed = false;
  #feed;
  #leftOut;
  /** Only a response needs them. @type {InstanceType<typeof ResumeId> | undefined} */
  #resumeId;
  /** Where the streams of the parts that were given last stand after each of them. @type {{ tag: string, cursors: string[] } | undefined} */
  #moves;
  #started = false;
  #isOver = false;

  constructor(subscription, open, keys, { signal, feed, leftOut }) {
    this.#subscription = subscription;
    this.#feed = feed;
    this.#leftOut = leftOut;
    this.#open = open;
    this.#keys = keys;
    if (signal?.aborted) {
      this.close();
    } else if (signal) {
      this.#off = onAbort(signal, () => this.close());
    }
  }

  /** How its parts become events. From now on, each has an id that a browser can come back with. */
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

  async pull() {
    this.#started = true;
    try {
      while (!this.#closed) {
        const parts = this.#ready.shift()?.();
        if (parts?.length > 0) return parts;
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
    this.#ready = new Line();
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

  /** Something came: `give` makes parts of it when it is its turn. */
  #came(give) {
    if (this.#closed) return;
    this.#ready.push(give);
    this.#wake();
  }

  #askFeed() {
    if (this.#feedAsked || this.#feedOver || this.#draining >= MAX_DRAINING) return;
    this.#feedAsked = true;
    this.#subscription.next().then(
      ({ done, value }) => this.#came(() => (done ? this.#lastRun() : this.#takeRun(value))),
      (error) => this.#came(() => raise(error)),
    );
  }

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
    this.#resumeId?.told(this.#feed?.version() ?? Number.NEGATIVE_INFINITY, run, entry.isOver);
    return this.#resumeId?.hides(run) ? [] : [part];
  }

  /** No run follows: what runs wrote so far is all there will be to read. */
  #lastRun() {
    this.#feedOver = true;
    for (const entry of this.#entries.values()) {
      this.#runOver(entry);
      this.#settle(entry);
    }
    return [];
  }

  #runOver(entry) {
    if (entry.isOver) return;
    entry.isOver = true;
    this.#draining += entry.sources.size;
    for (const source of entry.sources) source.runOver();
    const { run, keys } = entry;
    if (this.#resumeId) for (const key of keys) this.#resumeId.runOver(tagOf(run.id, key));
  }

  #takeStream(entry, key) {
    if (entry.keys.has(key)) return;
    entry.keys.add(key);
    const { id } = entry.run;
    let source;
    try {
      source = this.#open(id, key, entry.isOver);
    } catch (error) {
      // What a run names is its user's input: a name that cannot be one is no stream (defect 16).
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
      (/** @type {any} */ chunks) => {
        const { cursors } = source;
        this.#came(() => this.#takeChunks(reading, chunks, cursors));
      },
      (/** @type {any} */ error) => this.#came(() => this.#failed(reading, error)),
    );
  }

  /** @param {Reading} reading @param {any[] | undefined} chunks @param {string[] | undefined} cursors */
  #takeChunks(reading, chunks, cursors) {
    if (chunks === undefined) return this.#ended(reading);
    this.#askStream(reading);
    const { entry, key, tag } = reading;
    const { run } = entry;
    const parts = chunks.map((/** @type {unknown} */ chunk) => ({ type: key, chunk, run }));
    this.#moves = tag && cursors ? { tag, cursors } : undefined;
    if (!reading.isAgain) return parts;
    reading.isAgain = false;
    // The page drops what it has: from then on the stream has no cursor.
    this.#moves?.cursors.unshift("");
    return [{ type: key, isRestart: true, run }, ...parts];
  }

  /** In a feed of several runs, a stream that cannot be read ends none of the others (defect 16). */
  #failed(reading, error) {
    if (!this.#leftOut || !this.#feed || this.#feed.single || !isOfOne(error)) throw error;
    this.#leftOut(error, reading.entry.run.id);
    return this.#ended(reading);
  }

  #ended({ entry, source, tag }) {
    if (tag) this.#resumeId?.done(tag);
    if (entry.sources.delete(source) && entry.isOver) this.#draining -= 1;
    this.#settle(entry);
    return [];
  }

  /** Forgets a run that is over and whose streams are drained (defect 10). */
  #settle(entry) {
    if (!entry.isOver || entry.sources.size > 0) return;
    const { id } = entry.run;
    this.#entries.delete(id);
    if (entry.keys.size === 0) return;
    this.#drained.set(id, entry.keys);
    if (this.#drained.size > MAX_DRAINED) this.#drained.delete(this.#drained.keys().next().value);
  }
}

/** The keys of a run's streams: its metadata wins (docs/server-protocol.md 5). */
function streamsOf(run) {
  const named = run.metadata?.$$streams;
  if (Array.isArray(named) && named.length > 0 && named.every((key) => typeof key === "string")) return named;
  return run.realtimeStreams ?? [];
}

/** `isFinished` is ours; a run object without it is judged by the official flags (defect 21). */
function isOver(run) {
  return run.isFinished ?? Boolean(run.isCompleted || run.isCancelled || run.finishedAt);
}

/** Whether a failure is that of one stream: not one of the token, which all have in common. */
function isOfOne(error) {
  if (error instanceof ApiError) return error.status !== 401 && error.status !== 403;
  return error instanceof TriggerNativeError;
}

/** What waits for its turn: however much it is, the first is taken at once. */
class Line {
  /** @type {{ item: any, next: any } | undefined} */
  #first;
  #last;

  push(item) {
    const link = { item, next: undefined };
    if (this.#first === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
  }

  shift() {
    const link = this.#first;
    this.#first = link?.next;
    return link?.item;
  }
}

/** @param {unknown} error @returns {never} */
function raise(error) {
  throw error;
}

function noop() {}

module.exports = { streamOpener, withStreams };
