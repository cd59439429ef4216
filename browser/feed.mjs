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

/** An event: its name, and what it tells. `any`: the JSON of it. @typedef {[name: string, told?: any]} FeedEvent */

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
  /** Who wants it, with what each calls when something changed: of other tabs, their ids with nothing. @type {Map<unknown, (() => void) | undefined>} */
  holders = new Map();
  /** The ids of the parts. @type {Set<string>} */
  ids = new Set();
  #isDue = false;
  #settled = () => this.changed();
  #load;

  /**
   * @param {Subject} subject
   * @param {FeedOptions} options
   * @param {import("./packet.mjs").LoadPacket} load
   */
  constructor(subject, options, load) {
    /** What tells it from others. */
    this.key = JSON.stringify([subject, options]);
    this.subject = subject;
    this.options = options;
    this.at = options.from;
    this.#load = load;
    this.value = subject.run ? undefined : [];
  }

  /** The places to send. */
  places() {
    if (this.subject.stream) return this.at;
    const rows = [...this.rows.values()];
    if (rows.length > MAX_PLACES) rows.sort((a, b) => b.run.createdAt - a.run.createdAt).length = MAX_PLACES;
    return rows.map(({ at }) => at);
  }

  /** Applies events, of the relay or of another tab's `snapshot`. It never goes back. @param {FeedEvent[]} events */
  apply(...events) {
    const { rows } = this;
    for (const [name, told] of events) {
      const row = rows.get(told?.key);
      if (name === "row") {
        if (!(row && row.run.updatedAt > told.run.updatedAt)) this.#set(told, told.run);
      } else if (name === "change" && row) {
        const run = { ...row.run };
        for (const field of told.unset ?? []) delete run[field];
        this.#set(told, Object.assign(run, told.set));
      } else if (name === "gone") rows.delete(told.key);
      else if (name === "only") {
        for (const key of rows.keys()) if (!told.includes(key)) rows.delete(key);
      } else if (name === "chunk") this.#add(told);
      else if (name === "ready") this.isReady = true;
      else if (name === "end") this.isOver = true;
      else if (name === "error") this.error = told;
    }
    this.changed();
  }

  /** @param {{ key: string, at: string }} told @param {Record<string, any>} run */
  #set({ key, at }, run) {
    this.rows.set(key, { parts: {}, ...this.rows.get(key), at, run, isNew: true });
  }

  /** @param {{ at: string, parts: StreamPart[] }} told */
  #add({ at, parts }) {
    const news = parts.filter(({ id }) => !this.ids.has(id));
    // Where all came before, this is as far at least.
    if (news.length > 0 || parts.length === 0) this.at = at;
    for (const { id, chunk, timestamp } of news) {
      this.ids.add(id);
      this.parts.push({ id, chunk, timestamp });
    }
    const extra = this.parts.length - (this.options.maxParts ?? Infinity);
    if (extra > 0) for (const { id } of this.parts.splice(0, extra)) this.ids.delete(id);
  }

  /** What another tab has to apply to have the same. @returns {FeedEvent[]} */
  snapshot() {
    const { rows, at, parts, isReady, isOver, error } = this;
    /** @type {FeedEvent[]} */
    const events = Array.from(rows, ([key, { at, run }]) => ["row", { key, at, run }]);
    if (isReady) events.push(["only", [...rows.keys()]], ["ready"]);
    if (at) events.push(["chunk", { at, parts }]);
    if (isOver) events.push(["end"]);
    if (error) events.push(["error", error]);
    return events;
  }

  /** Tells the listeners, once for all events that came together. */
  changed() {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      const listeners = [...this.holders.values()].filter((listener) => listener);
      if (listeners.length > 0) this.#show();
      for (const listener of listeners) listener?.();
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
    const { run } = this.subject;
    // `any`: times are compared as numbers.
    const runs = [...this.rows.values()].flatMap(({ shown }) => /** @type {any} */ (shown ?? []));
    this.isKnown ||= (this.isReady && this.isSettled) || !!(run && runs[0]);
    if (!this.isKnown) return;
    runs.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
    if (run) this.value = runs[0];
    else if (runs.length !== this.value.length || runs.some((one, at) => one !== this.value[at])) this.value = runs;
  }
}
