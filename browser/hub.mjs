/** The hub: the feeds that a page follows, each once, and what carries them. */

import { makeFeed } from "./feed.mjs";
import { SILENCE_MS } from "./transport.mjs";

/** @typedef {import("./feed.mjs").Feed} Feed */

/**
 * What carries feeds: the transport, or the tabs that share one. `stop` lets all go; `check` asks again where nothing was heard
 * for so many milliseconds, and where a try is due; with less than a response's usual silence, before it is due.
 *
 * @typedef {{ want(feed: Feed): void, drop(feed: Feed): void, stop(): void, check(silence: number): void }} Carrier
 */

/** URLs that no fetch takes, and keys that no page may have, after a URL. */
const UNFIT = /^(ftp|file|ws)|^[^/]+..[^/]*@| tr_/;
const EVENTS = "online visibilitychange pagehide pageshow freeze resume".split(" ");

/** @typedef {ReturnType<typeof makeHub>} Hub */

/**
 * @param {string} base the relay's mount point
 * @param {any} page the global object
 */
export function makeHub(base, page) {
  /** By their keys. @type {Map<string, Feed>} */
  const feeds = new Map();
  /** What ends each thing that this tab follows. @type {Set<() => void>} */
  const members = new Set();
  /** What ends each thing that waits, and follows nothing. @type {Set<() => void>} */
  const waiting = new Set();
  let isOn = false;
  let isAway = false;

  /** Listens to the page, or no longer. @param {"addEventListener" | "removeEventListener"} how */
  const listen = (how) => {
    isOn = !isOn;
    isAway = false;
    // Those of the document come here on their way down.
    for (const name of EVENTS) page[how]?.(name, hear, true);
  };

  /** @param {Event} event */
  const hear = ({ type, target }) => {
    // Elements may have events of these names, which are theirs alone.
    if (![page, page.document].includes(target)) return;
    if (type === "online") hub.carrier.check(0);
    else if (type === "visibilitychange") {
      if (!page.document.hidden) hub.carrier.check(SILENCE_MS);
    } else if (/hide|freeze/.test(type)) {
      // A page that is kept for going back, or frozen, holds nothing meanwhile.
      isAway = true;
      hub.carrier.stop();
    } else if (isAway) {
      isAway = false;
      for (const feed of feeds.values()) hub.carrier.want(feed);
    }
  };

  const hub = {
    feeds,
    members,
    waiting,
    page,
    tokens: /** @type {import("./token.mjs").Given} */ (new WeakMap()),
    /** Is put in right after it is made. */
    carrier: /** @type {Carrier} */ (/** @type {unknown} */ (undefined)),
    isClosed: false,

    /** The mount point. @throws {TypeError} where there is no page to complete it */
    url: () => new URL(base, page.location?.href).href.replace(/\/+$/, ""),

    /** Whether nothing can be asked for: there are no such URLs, or the token is a page's secret key. @param {unknown} token */
    isUnfit: (token) => UNFIT.test(`${hub.url()} ${page.document && token}`),

    /**
     * A feed, which nobody holds yet.
     *
     * @param {import("./feed.mjs").Subject} subject
     * @param {import("./feed.mjs").FeedOptions} options
     */
    make: (subject, options) =>
      makeFeed(subject, options, async (...packet) => (await import("./stored.mjs")).loadPacket(hub, ...packet)),

    /**
     * Follows a feed, or the one of the same key that is followed already, unless that was refused: somebody who hangs may hold
     * it for long.
     *
     * @param {Feed} feed
     * @param {unknown} holder
     * @param {() => void} [listener]
     */
    hold(feed, holder, listener) {
      const known = feeds.get(feed.key);
      if (known && !known.error) feed = known;
      // Tabs that had it followed before this one left them follow it no longer.
      else feed.holders.clear();
      feed.holders.set(holder, listener);
      if (feed === known) return feed;
      feeds.set(feed.key, feed);
      if (!isOn) listen("addEventListener");
      if (!isAway) hub.carrier.want(feed);
      return feed;
    },

    /** @param {Feed | undefined} feed @param {unknown} holder */
    release(feed, holder) {
      if (!feed?.holders.delete(holder) || feed.holders.size > 0 || feeds.get(feed.key) !== feed) return;
      feeds.delete(feed.key);
      hub.carrier.drop(feed);
    },

    /** @param {() => void} member */
    leave(member) {
      members.delete(member);
      waiting.delete(member);
      // One that comes in the same turn finds all as it was.
      queueMicrotask(() => {
        if (members.size > 0 || !isOn) return;
        listen("removeEventListener");
        hub.carrier.stop();
        feeds.clear();
      });
    },

    /** Ends all. */
    close() {
      hub.isClosed = true;
      for (const end of [...members, ...waiting]) end();
    },
  };
  return hub;
}
