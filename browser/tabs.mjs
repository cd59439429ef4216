/**
 * Tabs of an origin that share one connection. The tab that has the lock leads: it asks for what all of them follow, and
 * tells the others each event. When it closes, the browser gives the lock to another, which asks with the places that it has.
 */

import { SILENCE_MS, TICK_MS } from "./transport.mjs";

/** Changes with what tabs tell each other, so that tabs of another version of the page go on by themselves. */
const VERSION = 1;
/** A leader that said nothing for so many ticks is asked whether it is there, and replaced after one more. It speaks every 15 s. */
const SILENT_TICKS = 5;

/** @typedef {import("./feed.mjs").Feed} Feed */

/** @typedef {import("./hub.mjs").Carrier} Carrier */

/** @implements {Carrier} */
export class Tabs {
  #hub;
  #transport;
  #name;
  /** This tab among the others, while it follows something. */
  #id = "";
  /** @type {BroadcastChannel | undefined} */
  #channel;
  #leader = "";
  /** Lets the locks go. */
  #leave = () => {};
  /** Feeds by the numbers that the leader gave them. @type {Map<string, Feed>} */
  #told = new Map();
  /** The tabs whose locks this one, which leads, waits for. @type {Set<string>} */
  #served = new Set();
  #silent = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #tick;

  /**
   * @param {import("./hub.mjs").Hub} hub
   * @param {import("./transport.mjs").Transport} transport
   * @param {string} who the user, where tabs of several do not share
   */
  constructor(hub, transport, who) {
    this.#hub = hub;
    this.#transport = transport;
    this.#name = `trigger-native ${VERSION} ${who} `;
    transport.onTold = (batch) => this.#tell(batch);
  }

  /** @param {Feed} feed */
  want(feed) {
    if (!this.#id) this.#join();
    else if (this.#leader === this.#id) this.#transport.want(feed);
    else this.#ask([feed]);
  }

  /** @param {Feed} feed */
  drop(feed) {
    if (this.#leader === this.#id) this.#transport.drop(feed);
    else this.#post({ drop: feed.key });
  }

  /** @type {Carrier["check"]} */
  check(silence, isEager) {
    if (this.#leader === this.#id) this.#transport.check(silence, isEager);
    else {
      // No answer until the next tick, and the leader is replaced.
      this.#silent = SILENT_TICKS;
      this.#post({ isPing: true });
    }
  }

  stop() {
    this.#leave();
    this.#channel?.close();
    clearInterval(this.#tick);
    this.#transport.stop();
    this.#id = "";
    this.#leader = "";
    this.#told.clear();
  }

  #join() {
    const id = `${Math.random()}`;
    const name = this.#name + this.#hub.url();
    this.#id = id;
    /** @type {Promise<void>} */
    const left = new Promise((resolve) => {
      this.#leave = resolve;
    });
    const locks = this.#locks();
    const lead = () => {
      if (this.#id === id) this.#lead();
      return this.#id === id ? left : undefined;
    };
    const lost = (/** @type {Error} */ error) => {
      if (this.#id !== id) return;
      // A page that may have neither, such as a sandboxed one, is alone.
      if (error.name !== "AbortError") return this.#lead();
      // Another tab took the lock, because this one seemed dead.
      this.stop();
      this.#join();
    };
    try {
      this.#channel = new this.#hub.page.BroadcastChannel(name);
      /** @type {BroadcastChannel} */ (this.#channel).onmessage = ({ data }) => this.#hear(data);
      // The lock that tells the leader when this tab is gone.
      const asking = locks.request(name + id, () => {
        this.#ask(this.#hub.feeds.values());
        return left;
      });
      asking.catch(() => {});
      locks.request(name, lead).catch(lost);
    } catch (error) {
      lost(/** @type {Error} */ (error));
    }
    this.#tick = setInterval(() => {
      if (this.#leader === this.#id || ++this.#silent < SILENT_TICKS) return;
      if (this.#silent === SILENT_TICKS) this.#post({ isPing: true });
      else locks.request(name, { steal: true }, lead).catch(lost);
    }, TICK_MS);
  }

  /** @returns {LockManager} */
  #locks() {
    return this.#hub.page.navigator.locks;
  }

  #lead() {
    if (this.#leader === this.#id) return;
    this.#leader = this.#id;
    this.#post({});
    for (const feed of this.#hub.feeds.values()) this.#transport.want(feed);
  }

  /** Asks the leader for feeds. @param {Iterable<Feed>} feeds */
  #ask(feeds) {
    const wants = Array.from(feeds, (feed) => [feed.key, feed.subject, feed.options, feed.snapshot()]);
    this.#post({ wants });
  }

  /** Tells the other tabs what was told. @param {import("./transport.mjs").Batch} batch */
  #tell(batch) {
    const isShared = (/** @type {Feed} */ feed) => [...feed.holders].some((holder) => typeof holder === "string");
    this.#post({ events: batch.flatMap(([feed, ...event]) => (isShared(feed) ? [[feed.n, ...event]] : [])) });
  }

  /** @param {object} message */
  #post(message) {
    this.#channel?.postMessage({ from: this.#id, ...message });
  }

  /** A message of another tab. `any`: of its own version. @param {any} message */
  #hear({ from, to, wants, drop, isPing, events = [], have = [] }) {
    if (this.#leader === this.#id) {
      if (isPing) {
        this.#post({});
        this.#transport.check(SILENCE_MS, true);
      }
      if (drop) this.#hub.release(this.#hub.feeds.get(drop), from);
      if (wants) this.#serve(from, wants);
      return;
    }
    if (wants || drop || isPing) return;
    this.#silent = 0;
    if (to && to !== this.#id) return;
    if (this.#leader !== from) {
      this.#leader = from;
      this.#told.clear();
      // A leader that took over knows nothing of what the others follow.
      if (!to) this.#ask(this.#hub.feeds.values());
    }
    for (const [key, n, snapshot] of have) {
      const feed = this.#hub.feeds.get(key);
      if (feed) this.#told.set(n, feed.adopt(snapshot));
    }
    for (const [n, name, told] of events) this.#told.get(n)?.apply(name, told);
  }

  /** Follows what another tab wants, until it is gone. @param {string} tab @param {any[]} wants */
  #serve(tab, wants) {
    const hub = this.#hub;
    const have = wants.map(([key, subject, options, snapshot]) => {
      const feed = hub.feeds.get(key) ?? hub.make(key, subject, options).adopt(snapshot);
      hub.hold(feed, tab);
      return [key, feed.n, feed.snapshot()];
    });
    this.#post({ to: tab, have });
    if (this.#served.has(tab)) return;
    this.#served.add(tab);
    this.#locks().request(this.#name + hub.url() + tab, () => {
      this.#served.delete(tab);
      for (const feed of hub.feeds.values()) hub.release(feed, tab);
    });
  }
}
