"use strict";

/**
 * The `id` of a server-sent event, and so the `Last-Event-ID` of a browser that reconnects (docs/feeds.md):
 * `<version><progress>,<tag><cursor>,…[,*]`. It says up to which version the feed was sent, and of each stream of its runs,
 * which a tag stands for, up to which cursor. `*` says that more cursors were known than an id may hold.
 */

const { createHash } = require("node:crypto");
const { Progress, TEXT } = require("./progress.js");

/** Cursors in one id, beside those that must be in it: an id has to fit in a request's header. */
const MAX_CURSORS = 64;
/** Cursors of the streams of one finished run in an id of its feed: such an id is within 8 KiB. */
const MAX_OWED = 192;
/** The longest id that is parsed, in characters. The cursors of several runs' streams are not counted: MAX_OWED holds for one run. */
const MAX_ID_LENGTH = 64 * 1024;

const ID = new RegExp(`^(\\d{0,16})${TEXT.source}((?:,[\\w-]{10}(?:=|[\\d~+-]*))*)(,\\*)?$`);
/** A cursor in a stream, as native code writes it (`src/stream/position.rs`). */
const CURSOR = /^(?:\d{1,20}|\d{1,20}-\d{1,20}[+~]\d{1,20}|~\d{1,20})$/;
/** Instead of a cursor: the stream is read from its beginning, and the page, which may have seen some of it, has to be told first. */
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

/** The run that was asked for last: it is asked for again, for its streams. */
const last = { id: "", tag: "" };

function runTagOf(/** @type {string} */ runId) {
  if (last.id !== runId) {
    last.tag = hash(runId, RUN_LETTERS);
    last.id = runId;
  }
  return last.tag;
}

function hash(text, letters) {
  return createHash("sha256").update(text).digest("base64url").slice(0, letters);
}

/**
 * A stream that is read, or was.
 *
 * @typedef {{ cursor: string, entry: Entry, isDone: boolean }} Stream
 */

/**
 * The id as it stands after each event.
 *
 * Which of them an id must hold follows from what a browser that comes back is shown of the runs:
 * all that live, and those that changed since. A run that was told as finished opens its streams
 * again only where the id says so. What an id may hold is kept at hand: it is asked for with every event, however many
 * streams there are.
 *
 * @typedef {import("./with-streams.js").Entry} Entry
 */
class ResumeId {
  #single;
  #skew;
  /** Up to which version all runs were told (updatedAt, Unix ms). */
  #version = Number.NEGATIVE_INFINITY;
  /** Streams that were opened, but those in `#drained`. @type {Map<string, Stream>} */
  #open = new Map();
  /** Those of finished runs that are being read. @type {Map<string, Stream>} */
  #owed = new Map();
  /** Those of live runs that have a cursor, and moved last: the least recently moved first. @type {Map<string, Stream>} */
  #recent = new Map();
  /** Streams of finished runs that were read to the end. @type {Map<string, { cursor: string, at: number }>} */
  #drained = new Map();
  /** What the browser came back with and no run has claimed yet. @type {Map<string, string>} */
  #left = new Map();
  #leftRuns = new Set();
  #progress;
  /** Runs that the browser knows, and that are given for their streams alone. */
  #known = new Set();
  /** The version the browser came back with. */
  #since = Number.NEGATIVE_INFINITY;
  /** Whether every cursor there is has been in the ids. Once it was not, a browser may lack some for ever. */
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
   * Takes the id of a browser that comes back. One that is none of ours changes nothing.
   *
   * @param {string} id
   * @returns {string} its version; empty when it has none
   */
  resume(id) {
    if (id.length > MAX_ID_LENGTH) return "";
    const [, version, newest, at, run, sum, cursors, more] = ID.exec(id) ?? [];
    if (version === undefined) return "";
    this.#progress.resume(version, [newest, at, run, sum]);
    for (const text of cursors.split(",").slice(1)) {
      this.#left.set(text.slice(0, TAG_LETTERS), text.slice(TAG_LETTERS));
      this.#leftRuns.add(text.slice(0, RUN_LETTERS));
    }
    this.#isWhole = more === undefined;
    if (version !== "") this.#since = this.#version = Number(version);
    return version;
  }

  /** Whether a row that the browser has seen the like of is needed all the same, for its streams. */
  needs({ id, isFinished }) {
    return !isFinished || this.#leftRuns.has(runTagOf(id));
  }

  /**
   * The rows that a feed of several runs has when it is opened, in the order they are to be given; and those that need
   * not be.
   *
   * @template {import("./progress.js").Row} R
   * @param {R[]} rows
   * @returns {{ give: R[], skip: R[] }}
   */
  order(rows) {
    const ordered = this.#progress.order(rows);
    const give = [];
    const skip = [];
    for (const row of ordered.rows) {
      if (!ordered.isKnown(row)) give.push(row);
      else if (!this.#leftRuns.has(runTagOf(row.id))) skip.push(row);
      else {
        this.#known.add(row.id);
        give.push(row);
      }
    }
    return { give, skip };
  }

  /** Whether the browser has seen the like of this run. */
  hides(run) {
    const certain = this.#single ? this.#since : this.#progress.certain;
    return this.#known.delete(run.id) || Number(run.updatedAt) < certain;
  }

  /**
   * A run was told, and all runs up to this version.
   *
   * @param {number} version
   * @param {any} [run]
   * @param {boolean} [isFinished]
   */
  told(version, run, isFinished = false) {
    if (run && !this.#single) this.#progress.told({ id: run.id, updatedAt: run.updatedAt, isFinished });
    if (!Number.isFinite(version)) return;
    this.#progress.all();
    this.#version = Math.max(this.#version, version);
    // Every run there is was looked at: what nobody claimed belongs to none of them.
    if (!this.#single) this.#left.clear();
  }

  /**
   * Where to read a stream from: `undefined` from its beginning, `null` not at all. `isAgain`: the page is to be told
   * first that it begins again.
   *
   * @param {Entry} entry
   * @param {string} key
   * @param {string} [tag] the stream's, where it is known
   * @returns {{ at: string | undefined | null, isAgain: boolean }}
   */
  claim(entry, key, tag = tagOf(entry.run.id, key)) {
    const left = this.#left.get(tag);
    const { run } = entry;
    const wasRead = this.#known.has(run.id) || finishTime(run) < this.#since - this.#skew;
    // Of a single run, an id that lacks cursors may lack those of streams that were not read to their end.
    const isDone = left === undefined && (this.#isWhole || !this.#single);
    if (isDone && entry.isOver && wasRead) {
      return { at: null, isAgain: false };
    }
    this.#left.delete(tag);
    // What is no cursor is none of ours: the page may have anything.
    const isAgain = left === undefined ? !this.#isWhole : left !== "" && !CURSOR.test(left);
    const cursor = isAgain ? AGAIN : (left ?? "");
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

  /** Puts a stream where the next id finds it. */
  #keep(tag, stream) {
    this.#recent.delete(tag);
    if (stream.entry.isOver) {
      if (stream.isDone) this.#drain(tag, stream);
      // Nothing else tells the browser that comes back of a stream whose run was told as finished.
      else this.#owe(tag, stream);
    } else if (stream.cursor !== "" && stream.cursor !== AGAIN) {
      this.#recent.set(tag, stream);
      if (this.#recent.size > MAX_CURSORS) this.#leaveOut(this.#recent);
    }
  }

  #owe(tag, stream) {
    // The last that moved is the last of them.
    this.#owed.delete(tag);
    this.#owed.set(tag, stream);
    // Left out, it begins again. A finished run of several would not be read again at all.
    if (this.#single && this.#owed.size > MAX_OWED) this.#leaveOut(this.#owed);
  }

  #drain(tag, { cursor, entry }) {
    this.#open.delete(tag);
    this.#owed.delete(tag);
    if (cursor === "" || cursor === AGAIN) return;
    this.#drained.set(tag, { cursor, at: finishTime(entry.run) });
    if (this.#drained.size > MAX_CURSORS) this.#leaveOut(this.#drained);
  }

  /** The oldest is forgotten: ids lack it from now on. */
  #leaveOut(/** @type {Map<string, unknown>} */ cursors) {
    for (const tag of cursors.keys()) {
      cursors.delete(tag);
      this.#isWhole = false;
      return;
    }
  }

  /** The id of the event that was sent last. */
  id() {
    const owed = [];
    for (const [tag, { cursor }] of this.#owed) owed.push(tag + cursor);
    for (const [tag, cursor] of this.#left) owed.push(tag + cursor);
    const live = [];
    for (const [tag, { cursor }] of this.#recent) live.push(tag + cursor);
    const oldest = this.#version - this.#skew;
    const drained = [];
    for (const [tag, { cursor, at }] of this.#drained) {
      if (at < oldest) this.#drained.delete(tag);
      else drained.push(tag + cursor);
    }
    const rest = [...live.reverse(), ...drained.reverse()];
    const room = Math.max(MAX_CURSORS - owed.length, 0);
    if (rest.length > room) this.#isWhole = false;
    const version = Number.isFinite(this.#version) ? String(this.#version) : "";
    return [version + this.#progress.text(), ...owed, ...rest.slice(0, room), ...(this.#isWhole ? [] : ["*"])].join(
      ",",
    );
  }
}

/** Since when a run has been finished (Unix ms). One cancelled before it started does not say (defect 22). */
function finishTime(run) {
  return Number(run.finishedAt ?? run.updatedAt);
}

module.exports = { CURSOR, MAX_CURSORS, ResumeId, tagOf };
