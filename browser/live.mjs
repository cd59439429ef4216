/** One live request and its response, which is asked for again whenever it ends or its wants change. */

import { eventParser } from "./events.mjs";

/** A request has at most so many wants. */
export const MAX_WANTS = 100;
/** The longest body, in bytes: the relay takes 256 KiB. */
const MAX_BODY = 250_000;
/** Silence after which a response counts as dead, in milliseconds: the relay sends a comment every 15 s. */
export const MAX_SILENCE_MS = 40_000;

/** @typedef {import("./feed.mjs").Feed} Feed */

/** The time until the next try, in milliseconds: 0.5 to 15 s, with jitter. @param {number} attempt from 0 */
export const backoff = (attempt) => Math.min(15_000, 500 * 2 ** attempt) * (0.5 + Math.random() / 2);

/** A request. Its feeds are those that are not over, by their ids on the wire. */
export class LiveRequest {
  /** @type {Map<string, Feed>} */
  feeds = new Map();
  /** Whether the longest body was reached: no more is added until something is dropped. */
  isFull = false;
  #transport;
  /** The present response. @type {AbortController | undefined} */
  #response;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** When to ask next. */
  #due = Infinity;
  /** When something came last, or was asked for. */
  #heard = 0;
  #attempt = 0;

  /** @param {import("./transport.mjs").Transport} transport */
  constructor(transport) {
    this.#transport = transport;
  }

  /** Asks in `ms` milliseconds: all that want something at once share a request. */
  askIn(ms = 2) {
    const due = Date.now() + ms;
    if (this.#due <= due) return;
    this.#due = due;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), ms);
    // The timers of a hidden tab are late.
    if (globalThis.document?.hidden) queueMicrotask(() => this.check(Infinity, ms < 3));
  }

  /**
   * Asks now, if nothing was heard for so long, or the next try is due.
   *
   * @param {number} silence in milliseconds
   * @param {boolean} isEager whether a next try that is not due is made, too
   */
  check(silence, isEager) {
    const now = Date.now();
    const isDue = this.#due < Infinity && (isEager || now >= this.#due);
    if (isDue || (this.#response && now - this.#heard >= silence)) this.#ask();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#due = Infinity;
    this.#response?.abort();
    this.#response = undefined;
  }

  async #ask() {
    // From here on nothing of the old response is applied: the places say where the new one begins.
    this.stop();
    const { feeds } = this;
    const response = new AbortController();
    this.#response = response;
    const asked = Date.now();
    this.#heard = asked;
    let wait = /** @type {number | void} */ (undefined);
    try {
      if (feeds.size > 0) wait = await this.#read(response.signal);
    } catch {
      // The network, or an answer that nobody understands.
    }
    if (this.#response !== response) return;
    this.stop();
    if (feeds.size === 0) return this.#transport.forget(this);
    const lasted = Date.now() - asked;
    if (lasted > 10_000) this.#attempt = 0;
    // A relay that says `again` at once, over and over, is asked as one that fails.
    if (!wait && (wait === undefined || lasted < 1000)) wait = backoff(this.#attempt++);
    this.askIn(wait);
  }

  /** The body of the request. What does not fit goes into another. */
  #body() {
    const wants = [];
    let length = 0;
    for (const [id, feed] of this.feeds) {
      const want = JSON.stringify({ id, ...feed.subject, at: feed.places() });
      length += new TextEncoder().encode(want).length;
      if (wants.length > 0 && length > MAX_BODY) {
        this.feeds.delete(id);
        this.isFull = true;
        this.#transport.want(feed);
      } else wants.push(want);
    }
    return `{"wants":[${wants}]}`;
  }

  /**
   * Reads a response to its end.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<number | void>} in how many milliseconds to ask again, if the relay said so
   */
  async #read(signal) {
    const transport = this.#transport;
    const { hub } = transport;
    const url = `${hub.url()}/relay/v1/live`;
    const headers = { "content-type": "application/json" };
    const response = await hub.fetch(url, { method: "POST", headers, body: this.#body(), cache: "no-store", signal });
    /** @type {import("./transport.mjs").Batch} */
    let batch = [];
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const { after, ...refused } = await refusal(url, response);
      if (signal.aborted || !refused.status) return after;
      for (const feed of this.feeds.values()) transport.take(this, feed, "error", refused, batch);
      return transport.onTold(batch);
    }
    /** @type {number | undefined} */
    let wait;
    const parse = eventParser((name, data) => {
      const [id, told] = JSON.parse(data);
      const feed = this.feeds.get(id);
      if (name === "again") wait = 0;
      else if (feed) transport.take(this, feed, name, told, batch);
    });
    const reader = /** @type {ReadableStream} */ (response.body).getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted || done) return wait;
      this.#heard = Date.now();
      try {
        parse(decoder.decode(value, { stream: true }));
      } finally {
        transport.onTold(batch);
        batch = [];
      }
    }
  }
}

/**
 * The error for all wants of an answer that is no live response. Without a status, it passes: `after` how many milliseconds,
 * where it says so.
 *
 * @param {string} url
 * @param {Response} response
 * @returns {Promise<Partial<import("./feed.mjs").Refusal>>}
 */
async function refusal(url, response) {
  const { status, headers } = response;
  const text = await response.text();
  if (status === 408 || status === 429 || (status >= 500 && headers.get("x-should-retry") !== "false")) {
    const seconds = Number(headers.get("retry-after"));
    return seconds > 0 ? { after: seconds * 1000 * (1 + Math.random() / 4) } : {};
  }
  /** @type {{ error?: string, hint?: string }} */
  let told = {};
  try {
    told = JSON.parse(text) ?? told;
  } catch {
    // A page of whatever answered.
  }
  const isOther = status < 300 || status === 404;
  const why = isOther ? "is the relay mounted there, and does it take POST?" : told.error;
  return { status, message: `${url} answered ${status}: ${why}`, hint: told.hint, retry: false };
}
