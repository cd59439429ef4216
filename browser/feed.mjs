/** What a page has of a want: the rows of runs, or the parts of a stream (docs/relay-live.md). */

import { makeRun } from "./run.mjs";

/** At most so many places go with a want. */
const MAX_PLACES = 1000;

/** @typedef {import("./run.mjs").Row} Row */
/** @typedef {import("../types/connect.d.ts").StreamPart<unknown>} StreamPart */
/** @typedef {{ status: number, message: string, retry: boolean, after?: number, hint?: string }} Refusal */

/**
 * What a want asks for, as it goes over the wire. `any`: exactly one of the subjects.
 *
 * @typedef {{ run?: string, tags?: string[], createdAt?: string, batch?: string, stream?: any, skipColumns?: string[], token?: string }} Subject
 */

/** `from`: where a stream begins. `isLasting`: it is asked for again after its end. @typedef {{ from?: string, maxParts?: number, isLasting?: boolean }} FeedOptions */

/**
 * What tabs tell each other of a feed.
 *
 * @typedef {{ rows: [string, string, Record<string, any>][], parts: StreamPart[], at?: string, isReady: boolean, isOver: boolean, error?: Refusal }} Snapshot
 */

let count = 0;

/** A want, and what was told of it. Events are applied alike in the tab that asks and in those beside it. */
export class Feed {
  /** Its id on the wire. */
  n = `${++count}`;
  /** How often it was refused in a row, where that passes. */
  failures = 0;
  /** @type {Map<string, Row>} */
  rows = new Map();
  /** @type {StreamPart[]} */
  parts = [];
  isReady = false;
  isOver = false;
  /** @type {Refusal | undefined} */
  error;
  /** What subscribers see: a run, runs or parts. `any`: it depends on the want. @type {any} */
  value;
  /** Whether `value` says something. */
  isKnown = false;
  /** Whether no value is waited for. */
  isSettled = true;
  /** Who is told that something changed. @type {Set<() => void>} */
  listeners = new Set();
  /** Who wants it: those that listen, and the ids of other tabs. @type {Set<unknown>} */
  holders = new Set();
  /** The keys of rows whose places did not fit into the last request. @type {Set<string>} */
  left = new Set();
  /** The ids of the parts. @type {Set<string>} */
  ids = new Set();
  #isDue = false;
  #settled = () => this.changed();
  #load;

  /**
   * @param {string} key what tells it from other feeds
   * @param {Subject} subject
   * @param {FeedOptions} options
   * @param {import("./packet.mjs").LoadPacket} load
   */
  constructor(key, subject, options, load) {
    this.key = key;
    this.subject = subject;
    this.options = options;
    this.at = options.from;
    this.#load = load;
    this.value = subject.run ? undefined : [];
  }

  /** The places to send. */
  places() {
    if (this.subject.stream) return this.at;
    let rows = [...this.rows];
    this.left.clear();
    if (rows.length > MAX_PLACES) {
      rows.sort(([, a], [, b]) => b.run.createdAt - a.run.createdAt);
      for (const [key] of rows.slice(MAX_PLACES)) this.left.add(key);
      rows = rows.slice(0, MAX_PLACES);
    }
    return rows.length > 0 ? rows.map(([, { at }]) => at) : undefined;
  }

  /**
   * Applies an event. `any`: the JSON of the event.
   *
   * @param {string} name
   * @param {any} told
   */
  apply(name, told) {
    if (name === "row") this.#set(told.key, told.at, told.run);
    else if (name === "change") {
      const row = this.rows.get(told.key);
      if (!row) return;
      const run = { ...row.run };
      for (const field of told.unset ?? []) delete run[field];
      this.#set(told.key, told.at, Object.assign(run, told.set));
    } else if (name === "gone") this.rows.delete(told.key);
    else if (name === "ready") this.isReady = true;
    else if (name === "chunk") {
      this.#add(told.parts);
      this.at = told.at;
    } else if (name === "end") this.isOver = true;
    else if (name === "error") this.error = told;
    else return;
    this.changed();
  }

  /** @param {string} key @param {string} at @param {Record<string, any>} run */
  #set(key, at, run) {
    const row = this.rows.get(key);
    if (row) Object.assign(row, { at, run, isNew: true });
    else this.rows.set(key, { at, run, isNew: true, parts: {} });
  }

  /** @param {StreamPart[]} parts */
  #add(parts) {
    const news = parts.filter(({ id }) => !this.ids.has(id));
    for (const { id, chunk, timestamp } of news) {
      this.ids.add(id);
      this.parts.push({ id, chunk, timestamp });
    }
    const extra = this.parts.length - (this.options.maxParts ?? Infinity);
    if (extra > 0) for (const { id } of this.parts.splice(0, extra)) this.ids.delete(id);
    return news.length > 0;
  }

  /** @returns {Snapshot} */
  snapshot() {
    const { parts, at, isReady, isOver, error } = this;
    return { rows: [...this.rows].map(([key, row]) => [key, row.at, row.run]), parts, at, isReady, isOver, error };
  }

  /**
   * Takes over what another tab, or an earlier feed, has. It never goes back: a row that is newer here stays.
   *
   * @param {Snapshot} snapshot
   */
  adopt({ rows, parts, at, isReady, isOver, error }) {
    const keys = new Set(rows.map(([key]) => key));
    for (const key of isReady ? this.rows.keys() : []) if (!keys.has(key)) this.rows.delete(key);
    for (const [key, place, run] of rows) {
      if (!(this.rows.get(key)?.run.updatedAt > run.updatedAt)) this.#set(key, place, run);
    }
    if (this.#add(parts) || this.at === undefined) this.at = at;
    this.isReady ||= isReady;
    this.isOver ||= isOver;
    this.error ??= error;
    this.changed();
    return this;
  }

  /**
   * Goes on where a feed of another token ended, with its objects; where others follow this one already, with its parts.
   *
   * @param {Feed} before
   * @param {boolean} isFresh
   */
  continue({ rows, parts, ids, at, value, isKnown }, isFresh) {
    if (isFresh) Object.assign(this, { rows, parts, ids, at, value, isKnown });
    else if (this.#add(parts)) this.at = at;
  }

  /** @param {() => void} listener */
  listen(listener) {
    this.listeners.add(listener);
    this.changed();
  }

  /** Tells the listeners, once for all events that came together. */
  changed() {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      if (this.listeners.size === 0) return;
      this.#show();
      for (const listener of [...this.listeners]) listener();
    });
  }

  /** Makes the value. */
  #show() {
    if (this.subject.stream) {
      if (this.value.at(-1) !== this.parts.at(-1)) this.value = this.parts.slice();
      this.isKnown = this.isReady || this.parts.length > 0;
      return;
    }
    this.isSettled = true;
    for (const row of this.rows.values()) {
      if (row.isNew) row.isNew = !makeRun(row, this.#load, this.#settled);
      if (row.isNew) this.isSettled = false;
    }
    const runs = [...this.rows.values()].flatMap(({ shown }) => shown ?? []);
    if (this.subject.run) {
      if (this.isSettled || runs[0]) this.value = runs[0];
      this.isKnown ||= this.value !== undefined || (this.isReady && this.isSettled);
      return;
    }
    this.isKnown ||= this.isReady && this.isSettled;
    if (!this.isKnown) return;
    runs.sort((a, b) => Number(b.createdAt) - Number(a.createdAt) || (a.id < b.id ? 1 : -1));
    const isSame = runs.length === this.value.length && runs.every((run, at) => run === this.value[at]);
    if (!isSame) this.value = runs;
  }
}
