/** The transport: asks the relay for feeds, all on one request as long as they fit into one. */

import { backoff, LiveRequest, MAX_SILENCE_MS, MAX_WANTS } from "./live.mjs";

/** How often silence is looked for, in milliseconds. After the sleep of a machine this is how soon it is noticed. */
export const TICK_MS = 5000;
/** A run that is followed beyond its end is asked for so often, in milliseconds. */
const LASTING_MS = 30_000;

/** @typedef {import("./feed.mjs").Feed} Feed */

/** The events that came together: those of `Feed.apply`. @typedef {[Feed, string, any][]} Batch */

export class Transport {
  /** @type {Set<LiveRequest>} */
  #requests = new Set();
  /** Feeds that are asked for, or will be: where, or by which timer. @type {Map<Feed, LiveRequest | ReturnType<typeof setTimeout>>} */
  #places = new Map();
  /** How often each failed since it was told something. @type {WeakMap<Feed, number>} */
  #failures = new WeakMap();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #tick;
  #last = 0;

  /**
   * @param {import("./hub.mjs").Reach} reach
   * @param {(batch: Batch) => void} onTold called with the events that were applied; with none, for a comment
   */
  constructor(reach, onTold) {
    this.reach = reach;
    this.tell = onTold;
  }

  /** Asks for a feed. @param {Feed} feed @param {LiveRequest} [full] the request into which it did not fit */
  want(feed, full) {
    if (feed.isOver || feed.error) return;
    const hasRoom = (/** @type {LiveRequest} */ one) => one !== full && one.feeds.size < MAX_WANTS;
    const request = [...this.#requests].find(hasRoom) ?? new LiveRequest(this);
    this.#requests.add(request);
    this.#places.set(feed, request);
    request.feeds.set(`${++this.#last}`, feed);
    request.askIn();
    if (this.#tick) return;
    this.#tick = setInterval(() => this.check(MAX_SILENCE_MS, false), TICK_MS);
    /** @type {any} */ (this.#tick).unref?.();
  }

  /** Asks for a feed no longer. @param {Feed} feed */
  drop(feed) {
    const place = this.#places.get(feed);
    this.#places.delete(feed);
    if (place instanceof LiveRequest) {
      for (const [id, one] of place.feeds) if (one === feed) place.feeds.delete(id);
      place.askIn();
    } else clearTimeout(place);
  }

  /** Asks for nothing any more. */
  stop() {
    for (const request of this.#requests) request.stop();
    for (const place of this.#places.values()) if (!(place instanceof LiveRequest)) clearTimeout(place);
    this.#requests.clear();
    this.#places.clear();
    clearInterval(this.#tick);
    this.#tick = undefined;
  }

  /** @type {LiveRequest["check"]} */
  check(silence, isEager) {
    for (const request of [...this.#requests]) request.check(silence, isEager);
  }

  /** A request has no feeds any more. @param {LiveRequest} request */
  forget(request) {
    this.#requests.delete(request);
    if (this.#requests.size > 0) return;
    clearInterval(this.#tick);
    this.#tick = undefined;
  }

  /**
   * Takes an event: applies it, and adds it to the batch. A failure that passes is not shown, but retried.
   *
   * @param {LiveRequest} request
   * @param {string} id
   * @param {Feed} feed
   * @param {string} name
   * @param {any} told
   * @param {Batch} batch
   */
  take(request, id, feed, name, told, batch) {
    /** @type {(name: string, told?: any) => void} */
    const apply = (one, value) => {
      feed.apply(one, value);
      batch.push([feed, one, value]);
    };
    if (name === "row" || name === "gone") feed.left.delete(told.key);
    if (name === "ready") {
      // Rows whose places did not fit came again by now, if they are there still.
      for (const key of feed.left) apply("gone", { key });
      feed.left.clear();
    }
    if (name !== "error") this.#failures.delete(feed);
    if (name !== "error" && name !== "end") return apply(name, told);
    request.feeds.delete(id);
    this.#places.delete(feed);
    const isLasting = name === "end" && feed.options.isLasting;
    if (!isLasting && !told?.retry) return apply(name, told);
    const failures = this.#failures.get(feed) ?? 0;
    if (!isLasting) this.#failures.set(feed, failures + 1);
    const wait = isLasting ? LASTING_MS : (told.after ?? backoff(failures));
    this.#places.set(
      feed,
      setTimeout(() => this.want(feed), wait),
    );
  }
}
