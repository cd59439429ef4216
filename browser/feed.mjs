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
 * @typedef {{ run?: string, lasting?: boolean, tags?: string[], createdAt?: string, batch?: string, stream?: any, skipColumns?: string[], token?: string }} Subject
 */

/** `from`: where a stream begins. @typedef {{ from?: string, maxParts?: number }} FeedOptions */

/** An event: its name, and what it tells. `any`: the JSON of it. @typedef {[name: string, told?: any]} FeedEvent */

let count = 0;

/** @typedef {ReturnType<typeof makeFeed>} Feed */

/**
 * A want, and what was told of it. Events are applied alike in the tab that asks and in those beside it.
 *
 * @param {Subject} subject
 * @param {FeedOptions} options
 * @param {(feed: Feed, key: string, ...packet: Parameters<import("./packet.mjs").LoadPacket>) => Promise<import("./packet.mjs").Packet>} load
 */
export function makeFeed(subject, options, load) {
  let isDue = false;

  /** @param {{ key: string, at: string }} told @param {Record<string, any>} run */
  const set = ({ key, at }, run) =>
    feed.rows.set(key, { ...feed.rows.get(key), parts: { ...feed.rows.get(key)?.parts }, at, run, waits: undefined });

  /**
   * Adds parts. `from` is the number of those before them: the relay goes on where this is, and other tabs tell theirs. Ids
   * tell no part from another: the server gives several the same.
   *
   * @param {{ at?: string, from?: number, parts: StreamPart[] }} told
   */
  const add = (told) => {
    told.from ??= feed.total;
    const end = told.from + told.parts.length;
    // Where all came before, this is as far at least.
    if (end < feed.total || (end === feed.total && told.parts[0])) return;
    // Those between are kept no more: these do not follow those from before.
    if (told.from > feed.total) feed.parts.length = 0;
    for (const part of told.parts.slice(Math.max(0, feed.total - told.from))) feed.parts.push(part);
    feed.total = end;
    feed.at = told.at ?? feed.at;
  };

  /** How many parts there are that are not kept. */
  const beyond = () => Math.max(0, feed.parts.length - (options.maxParts ?? Infinity));

  /** Makes the value. */
  const show = () => {
    if (subject.stream) {
      if (feed.value.at(-1) !== feed.parts.at(-1)) feed.value = feed.parts.slice(beyond());
      feed.isKnown = feed.isReady || feed.parts.length > 0;
      return;
    }
    feed.isSettled = true;
    /** Times are compared as numbers. @type {any[]} */
    const runs = [];
    for (const [key, row] of feed.rows) {
      // In a long list packets come one after another: only the rows that waited for them are made again.
      if (!row.waits?.every(({ wait }) => wait)) row.waits = makeRun(row, (...packet) => load(feed, key, ...packet));
      for (const { wait } of row.waits) {
        feed.isSettled = false;
        wait?.add(feed.changed);
      }
      if (row.shown) runs.push(row.shown);
    }
    feed.isKnown ||= (feed.isReady && runs.length === feed.rows.size) || (subject.run && runs[0]);
    if (!feed.isKnown) return;
    runs.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
    if (subject.run) feed.value = runs[0];
    else if (runs.some((one, at) => one !== feed.value[at]) || runs.length !== feed.value.length) feed.value = runs;
  };

  const feed = {
    subject,
    options,
    /** What tells it from others. */
    key: JSON.stringify([subject, options]),
    /** Its id on the wire. */
    n: `${++count}`,
    /** The tab whose snapshot it has, and whose events therefore follow. @type {string | undefined} */
    teller: undefined,
    /** How often it was refused in a row, where that passes. */
    failures: 0,
    /** When it is asked for again. @type {ReturnType<typeof setTimeout> | undefined} */
    retry: undefined,
    rows: /** @type {Map<string, Row>} */ (new Map()),
    parts: /** @type {StreamPart[]} */ ([]),
    /** How many parts came, those that are not kept any more included. */
    total: 0,
    /** The place in a stream. */
    at: options.from,
    isReady: false,
    isOver: false,
    error: /** @type {Refusal | undefined} */ (undefined),
    /** What subscribers see: a run, runs or parts. */
    value: /** @type {any} */ (subject.run ? undefined : []),
    /** Whether `value` says something. */
    isKnown: false,
    /** Whether no value is waited for. */
    isSettled: true,
    /** Who wants it, with what each calls when something changed: of other tabs, their ids with nothing. @type {Map<unknown, (() => void) | undefined>} */
    holders: new Map(),

    /** The places to send. */
    places() {
      if (subject.stream) return feed.at;
      const all = [...feed.rows.values()];
      if (all.length > MAX_PLACES) all.sort((a, b) => b.run.createdAt - a.run.createdAt).length = MAX_PLACES;
      return all.map(({ at }) => at);
    },

    /** Applies events, of the relay or of another tab's `snapshot`. It never goes back. @param {FeedEvent[]} events */
    apply(...events) {
      for (const [name, told] of events) {
        const row = feed.rows.get(told?.key);
        if (name === "row") {
          if (!(row?.run.updatedAt > told.run.updatedAt)) set(told, told.run);
        } else if (name === "change" && row) {
          const run = { ...row.run };
          for (const field of told.unset ?? []) delete run[field];
          set(told, Object.assign(run, told.set));
        } else if (name === "gone") feed.rows.delete(told.key);
        else if (name === "only") {
          for (const key of feed.rows.keys()) if (!told.includes(key)) feed.rows.delete(key);
        } else if (name === "chunk") add(told);
        else if (name === "ready") feed.isReady = true;
        else if (name === "end") feed.isOver = true;
        else if (name === "error") feed.error = told;
      }
      feed.changed();
    },

    /** What another tab has to apply to have the same. */
    snapshot() {
      const { rows, at, parts, total, isReady, isOver, error } = feed;
      /** @type {FeedEvent[]} */
      const events = Array.from(rows, ([key, { at, run }]) => ["row", { key, at, run }]);
      if (isReady) events.push(["only", [...rows.keys()]], ["ready"]);
      if (at) events.push(["chunk", { at, parts, from: total - parts.length }]);
      if (isOver) events.push(["end"]);
      if (error) events.push(["error", error]);
      return events;
    },

    /** Tells the listeners, once for all events that came together. */
    changed() {
      if (isDue) return;
      isDue = true;
      // A long value is made less often: what its copies cost in a second does not grow with it.
      const ms = feed.value?.length / 1000;
      const later = ms > 1 ? setTimeout : queueMicrotask;
      later(() => {
        isDue = false;
        let isShown = false;
        // Who left because of what another was told is told nothing.
        for (const listener of feed.holders.values()) {
          if (!listener) continue;
          if (!isShown) show();
          isShown = true;
          listener();
        }
        // Those that are not kept were new to the listeners.
        feed.parts.splice(0, beyond());
      }, ms);
    },
  };
  return feed;
}
