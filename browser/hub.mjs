/** The hub: the feeds that a page follows, each once, and what carries them. */

import { Feed } from "./feed.mjs";
import { SILENCE_MS } from "./transport.mjs";

/**
 * What carries feeds: the transport, or the tabs that share one. `stop` lets all go.
 *
 * @typedef {{ want(feed: Feed): void, drop(feed: Feed): void, stop(): void, check(silence: number, isEager: boolean): void }} Carrier
 */

export class Hub {
  /** By their keys. @type {Map<string, Feed>} */
  feeds = new Map();
  /** Those of this tab that follow something. @type {Set<{ close(): void }>} */
  members = new Set();
  isClosed = false;
  /** Is put in right after it is made. @type {Carrier} */
  carrier = /** @type {any} */ (undefined);
  #isOn = false;
  #isAway = false;
  #url;

  /**
   * @param {string} url
   * @param {any} page what has the page's events: the global object
   * @param {typeof globalThis.fetch} fetch
   */
  constructor(url, page, fetch) {
    this.#url = url;
    this.page = page;
    this.fetch = fetch;
  }

  /** The relay's mount point. @throws {TypeError} where there is no page to complete it */
  url() {
    return new URL(this.#url, this.page.location?.href).href.replace(/\/+$/, "");
  }

  /**
   * A feed, which nobody holds yet.
   *
   * @param {string} key
   * @param {import("./feed.mjs").Subject} subject
   * @param {import("./feed.mjs").FeedOptions} options
   */
  make(key, subject, options) {
    return new Feed(key, subject, options, async (...packet) => {
      const { loadPacket } = await import("./stored.mjs");
      return loadPacket(this, subject.token, ...packet);
    });
  }

  /**
   * Follows a feed, or the one of the same key that is followed already.
   *
   * @param {Feed} feed
   * @param {unknown} holder
   */
  hold(feed, holder) {
    const known = this.feeds.get(feed.key);
    (known ?? feed).holders.add(holder);
    if (known) return known;
    this.feeds.set(feed.key, feed);
    if (!this.#isOn) this.#listen(true);
    if (!this.#isAway) this.carrier.want(feed);
    return feed;
  }

  /** @param {Feed | undefined} feed @param {unknown} holder */
  release(feed, holder) {
    if (!feed?.holders.delete(holder) || feed.holders.size > 0) return;
    this.feeds.delete(feed.key);
    this.carrier.drop(feed);
  }

  /** @param {{ close(): void }} member */
  leave(member) {
    this.members.delete(member);
    // One that comes in the same turn finds all as it was.
    queueMicrotask(() => {
      if (this.members.size > 0 || !this.#isOn) return;
      this.#listen(false);
      this.carrier.stop();
      this.feeds.clear();
    });
  }

  /** Ends all. */
  close() {
    this.isClosed = true;
    for (const member of this.members) member.close();
  }

  /** @param {boolean} isOn */
  #listen(isOn) {
    const { page } = this;
    this.#isOn = isOn;
    this.#isAway = false;
    const how = isOn ? "addEventListener" : "removeEventListener";
    for (const name of ["online", "pagehide", "pageshow"]) page[how]?.(name, this);
    for (const name of ["visibilitychange", "freeze", "resume"]) page.document?.[how](name, this);
  }

  /** An event of the page. @param {Event} event */
  handleEvent({ type }) {
    if (type === "online") this.carrier.check(0, true);
    else if (type === "visibilitychange") {
      if (!this.page.document.hidden) this.carrier.check(SILENCE_MS, true);
    } else if (type === "pagehide" || type === "freeze") {
      // A page that is kept for going back, or frozen, holds nothing meanwhile.
      this.#isAway = true;
      this.carrier.stop();
    } else if (this.#isAway) {
      this.#isAway = false;
      for (const feed of this.feeds.values()) this.carrier.want(feed);
    }
  }
}
