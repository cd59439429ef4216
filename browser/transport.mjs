/** The transport: asks the relay for feeds, all on one request as long as they fit into one. */

import { backoff, LiveRequest, MAX_SILENCE_MS, MAX_WANTS } from "./live.mjs";

/** How often silence is looked for, in milliseconds. After the sleep of a machine this is how soon it is noticed. */
export const TICK_MS = 5000;
/** Silence after which a tab that is looked at again asks anew, in milliseconds. */
export const SILENCE_MS = 20_000;
/** A run that is followed beyond its end is asked for so often, in milliseconds. */
const LASTING_MS = 30_000;

/** @typedef {import("./feed.mjs").Feed} Feed */

/** Events that came together: those of `Feed.apply`. @typedef {[Feed, string, any][]} Batch */

export class Transport {
  /** @type {Set<LiveRequest>} */
  #requests = new Set();
  /** When feeds that failed are asked for again. @type {Map<Feed, ReturnType<typeof setTimeout>>} */
  #retries = new Map();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #tick;

  /** Called with the events that were applied; with none, for a comment. @type {(batch: Batch) => void} */
  onTold = () => {};

  /** @param {import("./hub.mjs").Hub} hub */
  constructor(hub) {
    this.hub = hub;
  }

  /** Asks for a feed. @param {Feed} feed */
  want(feed) {
    if (feed.isOver || feed.error) return;
    const requests = this.#requests;
    const request = [...requests].find((one) => !one.isFull && one.feeds.size < MAX_WANTS) ?? new LiveRequest(this);
    requests.add(request);
    request.feeds.set(feed.n, feed);
    request.askIn();
    // Not what keeps a process of Node alive: the response is.
    this.#tick ??= unref(setInterval(() => this.check(MAX_SILENCE_MS, false), TICK_MS));
  }

  /** Asks for a feed no longer. @param {Feed} feed */
  drop(feed) {
    clearTimeout(this.#retries.get(feed));
    this.#retries.delete(feed);
    for (const request of this.#requests) {
      if (!request.feeds.delete(feed.n)) continue;
      request.isFull = false;
      request.askIn();
    }
  }

  /** Asks for nothing any more. */
  stop() {
    for (const timer of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
    for (const request of this.#requests) this.forget(request);
  }

  /** @type {LiveRequest["check"]} */
  check(silence, isEager) {
    for (const request of [...this.#requests]) request.check(silence, isEager);
  }

  /** Lets a request go. @param {LiveRequest} request */
  forget(request) {
    request.stop();
    this.#requests.delete(request);
    if (this.#requests.size > 0) return;
    clearInterval(this.#tick);
    this.#tick = undefined;
  }

  /**
   * Applies an event, and adds what was applied to the batch. A failure that passes is not shown, but retried.
   *
   * @param {LiveRequest} request
   * @param {Feed} feed
   * @param {string} name
   * @param {any} told
   * @param {Batch} batch
   */
  take(request, feed, name, told, batch) {
    const apply = (/** @type {string} */ one, /** @type {any} */ value) => {
      feed.apply(one, value);
      batch.push([feed, one, value]);
    };
    const isError = name === "error";
    if (!isError) feed.failures = 0;
    if (told?.key) feed.left.delete(told.key);
    if (name === "ready") {
      // Rows whose places did not fit came again by now, if they are there still.
      for (const key of feed.left) apply("gone", { key });
      feed.left.clear();
    }
    if (isError || name === "end") {
      request.feeds.delete(feed.n);
      const wait = isError
        ? told.retry && (told.after ?? backoff(feed.failures++))
        : feed.options.isLasting && LASTING_MS;
      if (wait) {
        this.#retries.set(
          feed,
          setTimeout(() => this.want(feed), wait),
        );
        return;
      }
    }
    apply(name, told);
  }
}

/** @param {any} timer */
export function unref(timer) {
  timer.unref?.();
  return timer;
}
