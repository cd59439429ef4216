"use strict";

/**
 * The `id` of a server-sent event, and so the `Last-Event-ID` of a browser that reconnects (docs/feeds.md):
 * `<version><progress>,<tag><cursor>,…[,*]`. It says up to which version the feed was sent, and of each stream of its
 * runs, which a tag stands for, up to which cursor. `*` says that more cursors were known than an id may hold.
 */

const { createHash } = require("node:crypto");
const { Progress, TEXT } = require("./progress.js");

/** Cursors in one id, beside those that must be in it: an id has to fit in a request's header. */
const MAX_CURSORS = 64;
/** Cursors of the streams of one finished run in an id of its feed: such an id is within 8 KiB. */
const MAX_UNFINISHED = 192;
/**
 * The longest id that is parsed, in characters. The cursors of several runs' streams are not counted: MAX_UNFINISHED
 * holds for one run.
 */
const MAX_ID_LENGTH = 64 * 1024;

const ID = new RegExp(`^(\\d{0,16})${TEXT.source}((?:,[\\w-]{10}(?:=|[\\d~+-]*))*)(,\\*)?$`);
/** A cursor in a stream, as native code writes it (`src/stream/position.rs`). */
const CURSOR = /^(?:\d{1,20}|\d{1,20}-\d{1,20}[+~]\d{1,20}|~\d{1,20})$/;
/**
 * Instead of a cursor: the stream is read from its beginning, and the page, which may have seen some of it, first gets
 * a `restart` event.
 */
const AGAIN = "=";
const RUN_LETTERS = 6;
const KEY_LETTERS = 4;
const TAG_LETTERS = RUN_LETTERS + KEY_LETTERS;

/**
 * A short name of a stream, in letters that any header takes.
 *
 * @param {string} runId
 * @param {string} key
 */
function tagOf(runId, key) {
  return runTagOf(runId) + hash(key, KEY_LETTERS);
}

/** The run whose tag was made last: each of its streams needs it again. */
const last = { id: "", tag: "" };

function runTagOf(/** @type {string} */ runId) {
  if (last.id !== runId) {
    last.tag = hash(runId, RUN_LETTERS);
    last.id = runId;
  }
  return last.tag;
}

/** @param {string} text @param {number} letters */
function hash(text, letters) {
  return createHash("sha256").update(text).digest("base64url").slice(0, letters);
}

/**
 * A stream that is being read, or was.
 *
 * @typedef {{ cursor: string, entry: Entry, isDone: boolean }} Stream
 * @typedef {import("../runs/run.js").Run} Run
 */

/**
 * The id as it stands after each event.
 *
 * Which cursors an id must hold follows from the runs that a browser gets when it reconnects: all live ones, and those
 * that changed since. A run that was sent as finished opens its streams again only where the id has their cursors. The
 * cursors of the next id are kept apart: every event has an id, however many streams there are.
 *
 * @typedef {import("./with-streams.js").Entry} Entry
 */
class ResumeId {
  #single;
  #skew;
  /** The version up to which all runs were sent (updatedAt, Unix ms). */
  #version = Number.NEGATIVE_INFINITY;
  /** Streams that were opened and are not in `#drained`. @type {Map<string, Stream>} */
  #open = new Map();
  /** Of those, the ones of finished runs that are being read. @type {Map<string, Stream>} */
  #unfinished = new Map();
  /** Of those, the ones of live runs that moved last, the least recent first. @type {Map<string, Stream>} */
  #recent = new Map();
  /** Streams of finished runs that were read to the end. @type {Map<string, { cursor: string, at: number }>} */
  #drained = new Map();
  /** The cursors of the browser's id that no stream claimed yet. @type {Map<string, string>} */
  #unclaimed = new Map();
  /** The tags of their runs. @type {Set<string>} */
  #unclaimedRuns = new Set();
  #progress;
  /** The ids of runs that the browser has, and that are read for their streams alone. @type {Set<string>} */
  #known = new Set();
  /** The version in the browser's id. */
  #since = Number.NEGATIVE_INFINITY;
  /** Whether the ids held every cursor. Once one did not, a browser may lack some for ever. */
  #isWhole = true;

  /**
   * @param {object} feed
   * @param {boolean} feed.single one run only
   * @param {number} feed.skewMs how far clocks of several writers may disagree
   */
  constructor({ single, skewMs }) {
    this.#single = single;
    this.#skew = skewMs;
    this.#progress = new Progress(skewMs, runTagOf);
  }

  /**
   * Takes the id of a browser that reconnects. An id of another form changes nothing.
   *
   * @param {string} id
   * @returns {string} its version; empty where it has none
   */
  resume(id) {
    if (id.length > MAX_ID_LENGTH) return "";
    const [, version, newest, at, run, sum, cursors, more] = ID.exec(id) ?? [];
    if (version === undefined) return "";
    this.#progress.resume(version, [newest, at, run, sum]);
    for (const text of cursors.split(",").slice(1)) {
      this.#unclaimed.set(text.slice(0, TAG_LETTERS), text.slice(TAG_LETTERS));
      this.#unclaimedRuns.add(text.slice(0, RUN_LETTERS));
    }
    this.#isWhole = more === undefined;
    if (version !== "") this.#since = this.#version = Number(version);
    return version;
  }

  /**
   * Whether a row that the browser has is needed all the same, for its streams.
   *
   * @param {import("./progress.js").Row} row
   */
  needs({ id, isFinished }) {
    return !isFinished || this.#unclaimedRuns.has(runTagOf(id));
  }

  /**
   * The rows that a feed of several runs has when it is opened, in the order to give them, and those to skip.
   *
   * @template {import("./progress.js").Row} R
   * @param {R[]} rows
   * @returns {{ give: R[], skip: R[] }}
   */
  order(rows) {
    const ordered = this.#progress.order(rows);
    /** @type {R[]} */
    const give = [];
    /** @type {R[]} */
    const skip = [];
    for (const row of ordered.rows) {
      if (!ordered.isKnown(row)) give.push(row);
      else if (!this.#unclaimedRuns.has(runTagOf(row.id))) skip.push(row);
      else {
        this.#known.add(row.id);
        give.push(row);
      }
    }
    return { give, skip };
  }

  /** Whether the browser has this state of the run. @param {Run} run */
  hides(run) {
    const certain = this.#single ? this.#since : this.#progress.certain;
    return this.#known.delete(run.id) || Number(run.updatedAt) < certain;
  }

  /**
   * A run was sent, and all runs up to this version.
   *
   * @param {number} version
   * @param {Run} [run]
   * @param {boolean} [isFinished]
   */
  sent(version, run, isFinished = false) {
    if (run && !this.#single) this.#progress.sent({ id: run.id, updatedAt: run.updatedAt, isFinished });
    if (!Number.isFinite(version)) return;
    this.#progress.all();
    this.#version = Math.max(this.#version, version);
    // Every run was seen: a cursor that no stream claimed belongs to none of them.
    if (!this.#single) this.#unclaimed.clear();
  }

  /**
   * The cursor to read a stream from: `undefined` for its beginning, `null` for not at all. `isAgain`: the page first
   * gets a `restart` event.
   *
   * @param {Entry} entry
   * @param {string} key
   * @param {string} [tag] the stream's, where it is known
   * @returns {{ at: string | undefined | null, isAgain: boolean }}
   */
  claim(entry, key, tag = tagOf(entry.run.id, key)) {
    const claimed = this.#unclaimed.get(tag);
    const { run } = entry;
    const wasRead = this.#known.has(run.id) || finishTime(run) < this.#since - this.#skew;
    // In the feed of a single run, the cursors that an id lacks may be of streams that were not read to their end.
    const isDone = claimed === undefined && (this.#isWhole || !this.#single);
    if (isDone && entry.isOver && wasRead) {
      return { at: null, isAgain: false };
    }
    this.#unclaimed.delete(tag);
    // Of a text that is no cursor, the page may have any part of the stream.
    const isAgain = claimed === undefined ? !this.#isWhole : claimed !== "" && !CURSOR.test(claimed);
    const cursor = isAgain ? AGAIN : (claimed ?? "");
    const stream = { cursor, entry, isDone: false };
    this.#open.set(tag, stream);
    this.#keep(tag, stream);
    return { at: isAgain ? undefined : cursor || undefined, isAgain };
  }

  /** A value of this stream was given out, or, with an empty cursor, the mark that it begins again. */
  moved(/** @type {string} */ tag, /** @type {string} */ cursor) {
    const stream = this.#open.get(tag);
    if (stream === undefined) return;
    stream.cursor = cursor;
    this.#keep(tag, stream);
  }

  /** A stream was read to its end. */
  done(/** @type {string} */ tag) {
    const stream = this.#open.get(tag);
    if (stream === undefined) return;
    stream.isDone = true;
    this.#keep(tag, stream);
  }

  /** The run of a stream is over. */
  runOver(/** @type {string} */ tag) {
    const stream = this.#open.get(tag);
    if (stream !== undefined) this.#keep(tag, stream);
  }

  /** Puts a stream among those of the next id. @param {string} tag @param {Stream} stream */
  #keep(tag, stream) {
    this.#recent.delete(tag);
    if (stream.entry.isOver) {
      if (stream.isDone) this.#drain(tag, stream);
      // A browser that reconnects opens the stream of a finished run by nothing else.
      else this.#keepUnfinished(tag, stream);
    } else if (stream.cursor !== "" && stream.cursor !== AGAIN) {
      this.#recent.set(tag, stream);
      if (this.#recent.size > MAX_CURSORS) this.#leaveOut(this.#recent);
    }
  }

  /** @param {string} tag @param {Stream} stream */
  #keepUnfinished(tag, stream) {
    // The one that moved last is the last of them.
    this.#unfinished.delete(tag);
    this.#unfinished.set(tag, stream);
    // A stream that is left out begins again. In a feed of several runs, that of a finished one would never be read
    // again.
    if (this.#single && this.#unfinished.size > MAX_UNFINISHED) this.#leaveOut(this.#unfinished);
  }

  /** @param {string} tag @param {Stream} stream */
  #drain(tag, { cursor, entry }) {
    this.#open.delete(tag);
    this.#unfinished.delete(tag);
    if (cursor === "" || cursor === AGAIN) return;
    this.#drained.set(tag, { cursor, at: finishTime(entry.run) });
    if (this.#drained.size > MAX_CURSORS) this.#leaveOut(this.#drained);
  }

  /** Forgets the oldest: ids lack it from now on. */
  #leaveOut(/** @type {Map<string, unknown>} */ cursors) {
    for (const tag of cursors.keys()) {
      cursors.delete(tag);
      this.#isWhole = false;
      return;
    }
  }

  /** The id of the event that was sent last. */
  id() {
    const unfinished = [];
    for (const [tag, { cursor }] of this.#unfinished) unfinished.push(tag + cursor);
    for (const [tag, cursor] of this.#unclaimed) unfinished.push(tag + cursor);
    const live = [];
    for (const [tag, { cursor }] of this.#recent) live.push(tag + cursor);
    const oldest = this.#version - this.#skew;
    const drained = [];
    for (const [tag, { cursor, at }] of this.#drained) {
      if (at < oldest) this.#drained.delete(tag);
      else drained.push(tag + cursor);
    }
    const rest = [...live.reverse(), ...drained.reverse()];
    const room = Math.max(MAX_CURSORS - unfinished.length, 0);
    if (rest.length > room) this.#isWhole = false;
    const version = Number.isFinite(this.#version) ? String(this.#version) : "";
    return [
      version + this.#progress.text(),
      ...unfinished,
      ...rest.slice(0, room),
      ...(this.#isWhole ? [] : ["*"]),
    ].join(",");
  }
}

/**
 * When a run finished (Unix ms). One that was cancelled before it started has no such time (defect 22).
 *
 * @param {Run} run
 */
function finishTime(run) {
  return Number(run.finishedAt ?? run.updatedAt);
}

module.exports = { CURSOR, MAX_CURSORS, ResumeId, tagOf };
