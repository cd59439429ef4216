/** The hub: the feeds that a page follows, each once, and what carries them. */

/** @typedef {import("./feed.mjs").Feed} Feed */

/** The way to the relay: its mount point as a whole URL, and `fetch`. @typedef {{ url(): string, fetch: typeof fetch }} Reach */

/**
 * What carries feeds: the transport, or the tabs that share one. `stop` lets all go.
 *
 * @typedef {{ want(feed: Feed): void, drop(feed: Feed): void, stop(): void, check(silence: number, isEager: boolean): void }} Carrier
 */

/** Silence after which a tab that is looked at again asks anew, in milliseconds. */
const SILENCE_MS = 20_000;

export class Hub {
  /** By their keys. @type {Map<string, Feed>} */
  feeds = new Map();
  /** Those that follow something. @type {Set<{ close(): void }>} */
  members = new Set();
  isClosed = false;
  #isAway = false;
  /** @type {Carrier} */
  #carrier;

  /**
   * @param {Reach} reach
   * @param {(hub: Hub) => Carrier} carrier
   * @param {any} page what has the page's events: the global object
   */
  constructor(reach, carrier, page) {
    this.reach = reach;
    this.page = page;
    this.#carrier = carrier(this);
  }

  /**
   * Follows a feed, or the one of the same key that is followed already.
   *
   * @param {Feed} feed
   * @param {unknown} holder
   */
  hold(feed, holder) {
    const known = this.feeds.get(feed.key) ?? feed;
    known.holders.add(holder);
    if (known !== feed || this.feeds.has(feed.key)) return known;
    if (this.feeds.size === 0) this.#listen(true);
    this.feeds.set(feed.key, feed);
    if (!this.#isAway) this.#carrier.want(feed);
    return feed;
  }

  /** @param {Feed} feed @param {unknown} holder */
  release(feed, holder) {
    feed.holders.delete(holder);
    if (feed.holders.size > 0 || this.feeds.get(feed.key) !== feed) return;
    this.feeds.delete(feed.key);
    if (!this.#isAway) this.#carrier.drop(feed);
    if (this.feeds.size === 0) this.#listen(false);
  }

  /** Ends all. */
  close() {
    this.isClosed = true;
    for (const member of [...this.members]) member.close();
  }

  /** @param {boolean} isOn */
  #listen(isOn) {
    const { page } = this;
    const how = isOn ? "addEventListener" : "removeEventListener";
    for (const name of ["online", "pagehide", "pageshow"]) page[how]?.(name, this);
    for (const name of ["visibilitychange", "freeze", "resume"]) page.document?.[how](name, this);
  }

  /** An event of the page. @param {Event} event */
  handleEvent({ type }) {
    if (type === "online") this.#carrier.check(0, true);
    else if (type === "visibilitychange") {
      if (!this.page.document.hidden) this.#carrier.check(SILENCE_MS, true);
    } else if (type === "pagehide" || type === "freeze") {
      // A page that is kept for going back holds nothing meanwhile.
      this.#isAway = true;
      this.#carrier.stop();
    } else if (this.#isAway) {
      this.#isAway = false;
      for (const feed of this.feeds.values()) this.#carrier.want(feed);
    }
  }
}
