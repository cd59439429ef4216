"use strict";

/**
 * How far a page has been told of the runs that a feed had when it was opened, as a part of an event's id
 * (`js/streams/resume-id.js`). Of thousands of finished runs a response may tell a few before it is cut: the next one goes on.
 *
 * Runs are told in the order of their updates, so that one mark says which of them were: `~<newest>.<at>.<run>`. Clocks
 * and commits of several writers disagree by up to `skew`: a run whose update is that close to the newest may come late,
 * before the mark. `!<sum>` stands for the finished runs among those that were told: where a feed's own still have this
 * sum, none came late. Else they are told again: better a state twice than never.
 */

const { createHash } = require("node:crypto");

/** What {@link Progress#text} writes: the newest, the last one told, its run's tag; the sum. */
const TEXT = /(?:~(\d{1,16})\.(\d{1,16})\.([\w-]{6}))?(?:!([\w-]{11}))?/;
/** After the tag of any run. */
const LAST = "~";

/** @typedef {{ id: string, updatedAt: number, isFinished: boolean }} Row */

class Progress {
  #skew;
  #tagOf;
  /** The newest update that was seen: what is older by more than `skew` does not come late. */
  #newest = Number.NEGATIVE_INFINITY;
  /** The last run told of those that the feed had; none once all were. @type {{ at: number, tag: string } | undefined} */
  #mark;
  #sum = Buffer.alloc(8);
  /** Finished runs that were told and are in the sum, oldest first. @type {Map<string, { at: number, hash: Buffer }>} */
  #told = new Map();
  #isOrdered = false;
  /** Not all that the feed had was told yet. */
  #isPassing = false;
  /** What the page came back with. */
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
   * @param {string} version up to which all runs were told; may be empty
   * @param {string[]} found what {@link TEXT} found in the id
   */
  resume(version, [newest, at, tag, sum = ""]) {
    const all = version === "" ? Number.NEGATIVE_INFINITY : Number(version);
    if (at === undefined) this.#since = { newest: all, at: all, tag: LAST, sum };
    else this.#since = { newest: Number(newest), at: Number(at), tag, sum };
  }

  /** Below this, all updates were told to the page for certain. */
  get certain() {
    const { newest, at } = this.#since;
    return Math.min(newest - this.#skew, at);
  }

  /**
   * Sorts the rows that a feed has when it is opened, and finds those that need not be told.
   *
   * @template {Row} R
   * @param {R[]} rows
   * @returns {{ rows: R[], isKnown: (row: R) => boolean }}
   */
  order(rows) {
    if (!rows.every(({ updatedAt }) => typeof updatedAt === "number")) return { rows, isKnown: () => false };
    this.#isOrdered = true;
    this.#isPassing = true;
    const tags = new Map();
    const tag = (/** @type {string} */ id) => {
      if (!tags.has(id)) tags.set(id, this.#tagOf(id));
      return tags.get(id);
    };
    const byTag = (/** @type {string} */ left, /** @type {string} */ right) =>
      left < right ? -1 : Number(left > right);
    rows.sort((left, right) => left.updatedAt - right.updatedAt || byTag(tag(left.id), tag(right.id)));
    this.#newest = Math.max(this.#newest, this.#since.newest, rows.at(-1)?.updatedAt ?? this.#newest);
    const { at, tag: last, sum, newest } = this.#since;
    const isBefore = (/** @type {R} */ { id, updatedAt }) =>
      updatedAt < at || (updatedAt === at && byTag(tag(id), last) <= 0);
    const close = rows.filter((row) => row.isFinished && row.updatedAt >= newest - this.#skew && isBefore(row));
    for (const row of close) this.#add(row.id, row.updatedAt);
    const isSame = this.#sumText() === sum;
    if (isSame) this.#forget();
    else this.#clear();
    const { certain } = this;
    // Until another is told.
    if (at > Number.NEGATIVE_INFINITY) this.#mark = isSame ? { at, tag: last } : { at: certain, tag: "" };
    return { rows, isKnown: (row) => row.isFinished && (row.updatedAt < certain || (isSame && isBefore(row))) };
  }

  /** A run was told. */
  told({ id, updatedAt, isFinished }) {
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

  /** All runs that the feed has were told. */
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
    return this.#told.size === 0 ? "" : this.#sum.toString("base64url");
  }

  #add(id, at) {
    const hash = createHash("sha256").update(`${at} ${id}`).digest().subarray(0, 8);
    this.#told.set(id, { at, hash });
    this.#mix(hash);
  }

  #drop(id) {
    const told = this.#told.get(id);
    if (told === undefined) return;
    this.#told.delete(id);
    this.#mix(told.hash);
  }

  /** Adds to the sum, or takes from it. */
  #mix(/** @type {Buffer} */ hash) {
    for (let index = 0; index < 8; index++) this.#sum[index] ^= hash[index];
  }

  /** What is too old to come late is in no sum. */
  #forget() {
    const oldest = this.#newest - this.#skew;
    for (const [id, { at }] of this.#told) {
      if (at >= oldest) return;
      this.#drop(id);
    }
  }

  #clear() {
    this.#told.clear();
    this.#sum.fill(0);
  }
}

module.exports = { Progress, TEXT };
