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

/** A request. Its feeds are those that are not over. */
export class LiveRequest {
  /** By the id that each has on the wire. @type {Map<string, Feed>} */
  feeds = new Map();
  #transport;
  /** The present response. @type {AbortController | undefined} */
  #response;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #attempt = 0;
  /** When something came last, or was asked for. */
  #heard = 0;
  /** When to ask next. */
  #due = Infinity;

  /** @param {import("./transport.mjs").Transport} transport */
  constructor(transport) {
    this.#transport = transport;
  }

  /** Asks in `ms` milliseconds. */
  askIn(ms = 2) {
    if (this.#due <= Date.now() + ms) return;
    clearTimeout(this.#timer);
    this.#due = Date.now() + ms;
    this.#timer = setTimeout(() => this.#ask(), ms);
    // A hidden tab's timers run once a second.
    if (ms < 10 && globalThis.document?.hidden) queueMicrotask(() => this.#due < Infinity && this.#ask());
  }

  /**
   * Asks now, if nothing was heard for so long, or the next try is due.
   *
   * @param {number} silence in milliseconds
   * @param {boolean} isEager whether a next try that is not due is made, too
   */
  check(silence, isEager) {
    const now = Date.now();
    if (this.#response ? now - this.#heard >= silence : isEager || now >= this.#due) this.#ask();
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
    if (this.feeds.size === 0) return this.#transport.forget(this);
    const response = new AbortController();
    this.#response = response;
    const asked = Date.now();
    this.#heard = asked;
    /** @type {number | undefined} */
    let wait;
    try {
      wait = await this.#read(response.signal);
    } catch {
      // The network, or an answer that nobody understands.
    }
    if (this.#response !== response) return;
    response.abort();
    this.#response = undefined;
    if (this.feeds.size === 0) return this.#transport.forget(this);
    const lasted = Date.now() - asked;
    if (lasted > 10_000) this.#attempt = 0;
    if (wait === 0 && lasted < 1000) wait = undefined;
    this.askIn(wait ?? backoff(this.#attempt++));
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
        this.#transport.want(feed, this);
      } else wants.push(want);
    }
    return `{"wants":[${wants}]}`;
  }

  /**
   * Reads a response to its end.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<number | undefined>} in how many milliseconds to ask again, if the relay said so
   */
  async #read(signal) {
    const transport = this.#transport;
    const url = `${transport.reach.url()}/relay/v1/live`;
    const response = await transport.reach.fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: this.#body(),
      cache: "no-store",
      signal,
    });
    const { ok, status, headers, body } = response;
    if (!ok || !body || !headers.get("content-type")?.startsWith("text/event-stream")) {
      return this.#refused(url, status, headers, await response.text());
    }
    /** @type {[Feed, string, any][]} */
    let batch = [];
    /** @type {number | undefined} */
    let wait;
    const parse = eventParser((name, data) => {
      const [id, told] = JSON.parse(data);
      const feed = this.feeds.get(id);
      if (name === "again") wait = 0;
      else if (feed) transport.take(this, id, feed, name, told, batch);
    });
    const reader = body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted || done) return wait;
      this.#heard = Date.now();
      try {
        parse(decoder.decode(value, { stream: true }));
      } finally {
        transport.tell(batch);
        batch = [];
      }
    }
  }

  /** @param {string} url @param {number} status @param {Headers} headers @param {string} text */
  #refused(url, status, headers, text) {
    const mayPass = [408, 429].includes(status) || (status >= 500 && headers.get("x-should-retry") !== "false");
    if (mayPass) {
      const seconds = Number(headers.get("retry-after") ?? NaN);
      return Number.isNaN(seconds) ? undefined : 1000 * seconds * (1 + Math.random() / 4);
    }
    /** @type {{ error?: string, hint?: string }} */
    let told = {};
    try {
      told = JSON.parse(text);
    } catch {
      // A page of whatever answered.
    }
    const message =
      status === 404 || status < 300
        ? `${url} answered ${status}, and no relay's answer: is the relay mounted there, and does it take POST?`
        : `${url} answered ${status}: ${told?.error ?? "no reason given"}`;
    /** @type {[Feed, string, any][]} */
    const batch = [];
    for (const [id, feed] of this.feeds) {
      this.#transport.take(this, id, feed, "error", { status, message, hint: told?.hint, retry: false }, batch);
    }
    this.#transport.tell(batch);
  }
}
