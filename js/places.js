"use strict";

/**
 * Where a browser stands in a feed and in the streams of its runs, as the id of one event, so that
 * it can come back with it (docs/feeds.md): `<version>,<tag><place>,…[,*]`. A tag stands for a
 * stream of a run; `*` says that more places were known than an id may hold.
 */

const { createHash } = require("node:crypto");

/** Places in one id, beside those that must be in it: an id has to fit in a request's header. */
const MOST_PLACES = 64;

const ID = /^(\d{0,16})((?:,[\w-]{10}[\d~+-]*)*)(,\*)?$/;
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

function runTagOf(/** @type {string} */ runId) {
  return hash(runId, RUN_LETTERS);
}

function hash(text, letters) {
  return createHash("sha256").update(text).digest("base64url").slice(0, letters);
}

/**
 * The places in the streams of a feed's runs.
 *
 * Which of them an id must hold follows from what a browser that comes back is shown of the runs:
 * all that live, and those that changed since. A run that was told as finished opens its streams
 * again only where the id says so.
 *
 * @typedef {import("./with-streams.js").Entry} Entry
 */
class Places {
  #single;
  #skew;
  /** Up to which version all runs were told (updatedAt, Unix ms). */
  #version = Number.NEGATIVE_INFINITY;
  /** Streams that are being read, the least recently moved first. @type {Map<string, { place: string, entry: Entry, isDone: boolean }>} */
  #open = new Map();
  /** Streams of finished runs that were read to the end. @type {Map<string, { place: string, at: number }>} */
  #drained = new Map();
  /** What the browser came back with and no run has claimed yet. @type {Map<string, string>} */
  #left = new Map();
  #leftRuns = new Set();
  /** The version the browser came back with. */
  #since = Number.NEGATIVE_INFINITY;
  /** Whether every place there is has been in the ids. Once it was not, a browser may lack some for ever. */
  #isWhole = true;

  /**
   * @param {object} feed
   * @param {boolean} feed.single one run only
   * @param {number} feed.skewMs how far clocks of several writers may disagree
   */
  constructor({ single, skewMs }) {
    this.#single = single;
    this.#skew = skewMs;
  }

  /**
   * Takes the id of a browser that comes back. One that is none of ours changes nothing.
   *
   * @param {string} id
   * @returns {string} its version; empty when it has none
   */
  resume(id) {
    const [, version, places, more] = ID.exec(id) ?? [];
    if (version === undefined) return "";
    for (const text of places.split(",").slice(1)) {
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

  /** Whether the browser has seen the like of this run. */
  hides(run) {
    return Number(run.updatedAt) < this.#since - (this.#single ? 0 : this.#skew);
  }

  /** All runs up to this version were told. */
  told(/** @type {number} */ version) {
    if (!Number.isFinite(version)) return;
    this.#version = Math.max(this.#version, version);
    // Every run there is was looked at: what nobody claimed belongs to none of them.
    if (!this.#single) this.#left.clear();
  }

  /**
   * Where to read a stream from: `undefined` from its beginning, `null` not at all.
   *
   * @param {Entry} entry
   * @param {string} key
   * @returns {{ at: string | undefined | null, isAgain: boolean }}
   */
  claim(entry, key) {
    const tag = tagOf(entry.run.id, key);
    const place = this.#left.get(tag);
    if (place === undefined && entry.isOver && finishTime(entry.run) < this.#since - this.#skew) {
      return { at: null, isAgain: false };
    }
    this.#left.delete(tag);
    this.#open.set(tag, { place: place ?? "", entry, isDone: false });
    return { at: place || undefined, isAgain: place === undefined && !this.#isWhole };
  }

  /** A value of this stream was given out. */
  moved(/** @type {string} */ tag, /** @type {string} */ place) {
    const stream = this.#open.get(tag);
    if (stream === undefined) return;
    stream.place = place;
    this.#open.delete(tag);
    this.#open.set(tag, stream);
  }

  /** A stream was read to its end. */
  done(/** @type {string} */ tag) {
    const stream = this.#open.get(tag);
    if (stream !== undefined) stream.isDone = true;
  }

  /** The id of the event that was sent last. */
  id() {
    const owed = [];
    const live = [];
    for (const [tag, stream] of this.#open) {
      if (stream.isDone && stream.entry.isOver) this.#drain(tag, stream);
      // Nothing else tells the browser that comes back of a stream whose run was told as finished.
      else if (stream.entry.isOver) owed.push(tag + stream.place);
      else if (stream.place !== "") live.push(tag + stream.place);
    }
    const oldest = this.#version - this.#skew;
    const drained = [];
    for (const [tag, { place, at }] of this.#drained) {
      if (at < oldest) this.#drained.delete(tag);
      else drained.push(tag + place);
    }
    for (const [tag, place] of this.#left) owed.push(tag + place);
    const rest = [...live.reverse(), ...drained.reverse()];
    const room = Math.max(MOST_PLACES - owed.length, 0);
    if (rest.length > room) this.#isWhole = false;
    const version = Number.isFinite(this.#version) ? String(this.#version) : "";
    return [version, ...owed, ...rest.slice(0, room), ...(this.#isWhole ? [] : ["*"])].join(",");
  }

  #drain(tag, { place, entry }) {
    this.#open.delete(tag);
    if (place === "") return;
    this.#drained.set(tag, { place, at: finishTime(entry.run) });
    if (this.#drained.size <= MOST_PLACES) return;
    this.#drained.delete(this.#drained.keys().next().value);
    this.#isWhole = false;
  }
}

/** Since when a run has been finished (Unix ms). One cancelled before it started does not say (defect 22). */
function finishTime(run) {
  return Number(run.finishedAt ?? run.updatedAt);
}

module.exports = { MOST_PLACES, Places, tagOf };
