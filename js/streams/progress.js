"use strict";

/**
 * The progress of a page through the runs that a feed had when it was opened, as a part of an event's id
 * (`js/streams/resume-id.js`). A response that is cut after a few of thousands of finished runs is resumed there.
 *
 * Runs are sent in the order of their updates, so that one mark says which were: `~<newest>.<at>.<run>`. Clocks and
 * commits of several writers disagree by up to `skew`: a run whose update is that close to the newest may come late,
 * before the mark. `!<sum>` is a checksum of the finished runs among those that were sent. Where the feed's own runs
 * still have this sum, none came late. Else they are sent again: a state may come twice, but is never lost.
 */

const { createHash } = require("node:crypto");

/** The form of {@link Progress#text}: the newest update, the last one sent and its run's tag; the sum. */
const TEXT = /(?:~(\d{1,16})\.(\d{1,16})\.([\w-]{6}))?(?:!([\w-]{11}))?/;
/** Sorts after the tag of every run. */
const LAST = "~";

/**
 * @typedef {{ id: string, updatedAt?: unknown, isFinished: boolean }} Row `updatedAt`: Unix milliseconds, or the text of an unusual timestamp
 */

class Progress {
  #skew;
  #tagOf;
  /** The newest update that was seen: no run comes later than `skew` after it. */
  #newest = Number.NEGATIVE_INFINITY;
  /**
   * The last run sent of those that the feed had; undefined once all were.
   *
   * @type {{ at: number, tag: string } | undefined}
   */
  #mark;
  #sum = Buffer.alloc(8);
  /** The finished runs in the sum, oldest first. @type {Map<string, { at: number, hash: Buffer }>} */
  #sent = new Map();
  #isOrdered = false;
  /** Some of the runs that the feed had were not sent yet. */
  #isPassing = false;
  /** The progress with which the page reconnected. */
  #since = { newest: Number.NEGATIVE_INFINITY, at: Number.NEGATIVE_INFINITY, tag: LAST, sum: "" };

  /**
   * @param {number} skew how far clocks of several writers may disagree, in milliseconds
   * @param {(runId: string) => string} tagOf
   */
  constructor(skew, tagOf) {
    this.#skew = skew;
    this.#tagOf = tagOf;
  }

  /**
   * @param {string} version up to which all runs were sent; may be empty
   * @param {string[]} found the groups of {@link TEXT} in the id
   */
  resume(version, [newest, at, tag, sum = ""]) {
    const all = version === "" ? Number.NEGATIVE_INFINITY : Number(version);
    if (at === undefined) this.#since = { newest: all, at: all, tag: LAST, sum };
    else this.#since = { newest: Number(newest), at: Number(at), tag, sum };
  }

  /** Below this, all updates were certainly sent to the page. */
  get certain() {
    const { newest, at } = this.#since;
    return Math.min(newest - this.#skew, at);
  }

  /**
   * Sorts the rows that a feed has when it is opened, and finds those that need not be sent.
   *
   * @template {Row} R
   * @param {R[]} rows
   * @returns {{ rows: R[], isKnown: (row: R) => boolean }}
   */
  order(rows) {
    if (!isTimed(rows)) return { rows, isKnown: () => false };
    this.#isOrdered = true;
    this.#isPassing = true;
    /** @type {Map<string, string>} */
    const tags = new Map();
    const tag = (/** @type {string} */ id) => {
      let known = tags.get(id);
      if (known === undefined) {
        known = this.#tagOf(id);
        tags.set(id, known);
      }
      return known;
    };
    const byTag = (/** @type {string} */ left, /** @type {string} */ right) =>
      left < right ? -1 : Number(left > right);
    rows.sort((left, right) => left.updatedAt - right.updatedAt || byTag(tag(left.id), tag(right.id)));
    this.#newest = Math.max(this.#newest, this.#since.newest, rows.at(-1)?.updatedAt ?? this.#newest);
    const { at, tag: last, sum, newest } = this.#since;
    const isBefore = (/** @type {{ id: string, updatedAt: number }} */ { id, updatedAt }) =>
      updatedAt < at || (updatedAt === at && byTag(tag(id), last) <= 0);
    const close = rows.filter((row) => row.isFinished && row.updatedAt >= newest - this.#skew && isBefore(row));
    for (const row of close) this.#add(row.id, row.updatedAt);
    const isSame = this.#sumText() === sum;
    if (isSame) this.#forget();
    else this.#clear();
    const { certain } = this;
    // Until another run is sent.
    if (at > Number.NEGATIVE_INFINITY) this.#mark = isSame ? { at, tag: last } : { at: certain, tag: "" };
    const isKnown = (/** @type {R} */ row) => {
      const timed = /** @type {Row & { updatedAt: number }} */ (row);
      return row.isFinished && (timed.updatedAt < certain || (isSame && isBefore(timed)));
    };
    return { rows, isKnown };
  }

  /** A run was sent. @param {Row} row */
  sent({ id, updatedAt, isFinished }) {
    const at = Number(updatedAt);
    if (!this.#isOrdered || Number.isNaN(at)) return;
    this.#newest = Math.max(this.#newest, at);
    if (this.#isPassing) {
      const tag = this.#tagOf(id);
      if (this.#mark === undefined || at > this.#mark.at) this.#mark = { at, tag };
      else if (at === this.#mark.at && tag > this.#mark.tag) this.#mark.tag = tag;
    }
    this.#drop(id);
    if (isFinished) this.#add(id, at);
    this.#forget();
  }

  /** All runs that the feed had were sent. */
  all() {
    this.#isPassing = false;
    this.#mark = undefined;
  }

  text() {
    if (!this.#isOrdered) return "";
    const { at, tag } = this.#mark ?? {};
    const isMarked = at !== undefined && Number.isFinite(at) && tag !== LAST;
    return (
      (isMarked ? `~${this.#newest}.${Math.max(at, 0)}.${tag || "------"}` : "") +
      (this.#sumText() && `!${this.#sumText()}`)
    );
  }

  #sumText() {
    return this.#sent.size === 0 ? "" : this.#sum.toString("base64url");
  }

  /** @param {string} id @param {number} at */
  #add(id, at) {
    const hash = createHash("sha256").update(`${at} ${id}`).digest().subarray(0, 8);
    this.#sent.set(id, { at, hash });
    this.#mix(hash);
  }

  /** @param {string} id */
  #drop(id) {
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    this.#sent.delete(id);
    this.#mix(sent.hash);
  }

  /** Adds a run to the sum, or removes it. */
  #mix(/** @type {Buffer} */ hash) {
    for (let index = 0; index < 8; index++) this.#sum[index] ^= hash[index];
  }

  /** Removes runs that are too old to come late. */
  #forget() {
    const oldest = this.#newest - this.#skew;
    for (const [id, { at }] of this.#sent) {
      if (at >= oldest) return;
      this.#drop(id);
    }
  }

  #clear() {
    this.#sent.clear();
    this.#sum.fill(0);
  }
}

/**
 * Whether every row has a plain time.
 *
 * @template {Row} R
 * @param {R[]} rows
 * @returns {rows is (R & { updatedAt: number })[]}
 */
function isTimed(rows) {
  return rows.every(({ updatedAt }) => typeof updatedAt === "number");
}

module.exports = { Progress, TEXT };
