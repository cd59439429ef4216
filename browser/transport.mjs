/** The transport: asks the relay for feeds, all on one request as long as they fit into one. */

import { backoff, liveRequest, MAX_SILENCE_MS } from "./live.mjs";

/** How often silence is looked for, in milliseconds. After the sleep of a machine this is how soon it is noticed. */
export const TICK_MS = 5000;
/** The silence after which a response counts as dead where a tab is looked at again. */
export const SILENCE_MS = 20_000;
/** The longest time of a timer, in milliseconds: with more it is over at once. */
export const MAX_WAIT_MS = 2 ** 31 - 1;
/** A request has at most so many wants. */
const MAX_WANTS = 100;

/** @typedef {import("./feed.mjs").Feed} Feed */
/** @typedef {import("./live.mjs").LiveRequest} LiveRequest */

/** Events that came together: those of `Feed.apply`. @typedef {[Feed, string, any][]} Batch */

/**
 * The carrier that asks by itself. `onTold` is called with the events that were applied; with none, for a comment.
 * `maxBody` is how long a body may be, in bytes: the relay takes 256 KiB, and what is before it may take less.
 *
 * @typedef {import("./hub.mjs").Carrier & { hub: import("./hub.mjs").Hub, maxBody: number, onTold(batch: Batch): void, forget(request: LiveRequest): void, take(request: LiveRequest, feed: Feed, name: string, told: any, batch: Batch): void }} Transport
 */

/** @param {import("./hub.mjs").Hub} hub */
export function makeTransport(hub) {
  /** @type {Set<LiveRequest>} */
  const requests = new Set();
  /** @type {any} */
  let tick;

  /** Lets a request go. @param {LiveRequest} request */
  const forget = (request) => {
    request.stop();
    requests.delete(request);
  };

  /** @type {Transport} */
  const transport = {
    hub,
    maxBody: 250_000,
    forget,
    onTold() {},

    want(feed) {
      if (feed.isOver || feed.error) return;
      const request = [...requests].find((one) => !one.isFull && one.feeds.size < MAX_WANTS) ?? liveRequest(transport);
      requests.add(request);
      request.feeds.set(feed.n, feed);
      request.askSoon();
      tick ??= setInterval(() => transport.check(MAX_SILENCE_MS), TICK_MS);
      // A process of Node is kept alive by the response, not by this.
      tick.unref?.();
    },

    drop(feed) {
      clearTimeout(feed.retry);
      for (const request of requests) {
        if (!request.feeds.delete(feed.n)) continue;
        request.isFull = false;
        request.askSoon();
      }
    },

    stop() {
      for (const feed of hub.feeds.values()) clearTimeout(feed.retry);
      for (const request of requests) forget(request);
      tick = void clearInterval(tick);
    },

    check(silence) {
      for (const request of requests) request.check(silence);
    },

    // Applies an event, and adds what was applied to the batch. A failure that passes is not shown, but retried.
    take(request, feed, name, told, batch) {
      if (name !== "error") feed.failures = 0;
      else if (told.retry) {
        request.feeds.delete(feed.n);
        // Where the relay says when, then: but what fails over and over is asked for later and later.
        const wait = backoff(feed.failures);
        const after = Math.max(told.after ?? wait, feed.failures++ && wait);
        feed.retry = setTimeout(transport.want, Math.min(after, MAX_WAIT_MS), feed);
        return;
      }
      feed.apply([name, told]);
      if (feed.isOver || feed.error) request.feeds.delete(feed.n);
      batch.push([feed, name, told]);
    },
  };
  return transport;
}
