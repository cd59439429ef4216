/**
 * Tabs of an origin that share one connection. The tab that has the lock leads: it asks for what all of them follow, and
 * tells the others each event. When it closes, the browser gives the lock to another, which asks with the places that it has.
 */

import { SILENCE_MS, TICK_MS } from "./transport.mjs";

/** Changes with what tabs tell each other, so that tabs of another version of the page go on by themselves. */
const VERSION = 2;
/** A leader that said nothing for so many ticks is asked whether it is there, and replaced after one more. It speaks every 15 s. */
const SILENT_TICKS = 5;

/** @typedef {import("./feed.mjs").Feed} Feed */

/**
 * @param {import("./hub.mjs").Hub} hub
 * @param {import("./transport.mjs").Transport} transport
 * @param {unknown} who tabs of one share
 * @returns {import("./hub.mjs").Carrier}
 */
export function shareTabs(hub, transport, who) {
  const { page, feeds } = hub;
  /** @type {LockManager} */
  const locks = page.navigator.locks;
  /** The name of the channel and of the lock. */
  let name = "";
  /** This tab among the others, while it follows something. */
  let id = "";
  /** Never "": a tab that follows nothing does not lead. */
  let leader = " ";
  /** @type {BroadcastChannel | undefined} */
  let channel;
  /** Is aborted when this tab leaves the others: then its locks are let go, and those that it waits for are waited for no longer. */
  let membership = new AbortController();
  /** The tabs whose locks this one, which leads, waits for. @type {Set<string>} */
  const served = new Set();
  /** For how many ticks nothing was heard of the leader. */
  let silent = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let tick;

  const isLeading = () => leader === id;

  /** @param {object} message */
  const post = (message) => channel?.postMessage({ from: id, ...message });

  /** Asks the leader for feeds; for none, whether it is there. @param {Iterable<Feed>} wanted */
  const ask = (wanted) => post({ wants: Array.from(wanted, (feed) => [feed.subject, feed.options, feed.snapshot()]) });

  const lead = () => {
    if (isLeading()) return;
    leader = id;
    post({});
    for (const feed of feeds.values()) transport.want(feed);
  };

  /** Follows what another tab wants, until it is gone. @param {string} tab @param {any[]} wants */
  const serve = (tab, wants) => {
    const told = wants.map(([subject, options, snapshot]) => {
      const feed = hub.hold(hub.make(subject, options), tab);
      // What another tab has of it is what this one begins with.
      if (feed.holders.size === 1) feed.apply(...snapshot);
      return [feed.key, ...feed.snapshot()];
    });
    post({ to: tab, told });
    if (served.has(tab)) return;
    served.add(tab);
    const gone = () => {
      served.delete(tab);
      for (const feed of feeds.values()) hub.release(feed, tab);
    };
    // It is followed no longer where this tab leaves, either.
    locks.request(name + tab, membership, gone).catch(gone);
  };

  /** A message of another tab. `any`: of its own version. @param {any} message */
  const hear = ({ from, to, wants, drop, told = [] }) => {
    if (isLeading()) {
      if (drop) hub.release(feeds.get(drop), from);
      if (wants) {
        serve(from, wants);
        // Who wants nothing asks because somebody looks at the tab, or nothing is heard of this one.
        if (!wants[0]) transport.check(SILENCE_MS);
      }
      return;
    }
    if (wants || drop) return;
    silent = 0;
    if (to && to !== id) return;
    if (leader !== from) {
      leader = from;
      // A leader that took over knows nothing of what the others follow.
      if (!to) ask(feeds.values());
    }
    for (const [key, ...events] of told) {
      const feed = feeds.get(key);
      if (!feed) continue;
      // What a leader tells to all follows what it told to this tab: all that it had.
      if (to) feed.teller = from;
      if (feed.teller === from) feed.apply(...events);
    }
  };

  const join = () => {
    const own = `${Math.random()}`;
    id = own;
    name = `trigger-native ${VERSION} ${who} ${hub.url()} `;
    membership = new AbortController();
    const left = new Promise((resolve) => {
      membership.signal.onabort = resolve;
    });
    const granted = () => {
      if (id !== own) return;
      lead();
      return left;
    };
    const lost = (/** @type {any} */ error) => {
      if (id !== own) return;
      // A page that may have neither, such as a sandboxed one, is alone.
      if (error.name !== "AbortError") return lead();
      // Another tab took the lock, because this one seemed dead.
      carrier.stop();
      join();
    };
    try {
      channel = /** @type {BroadcastChannel} */ (new page.BroadcastChannel(name));
    } catch {
      // Where cookies are blocked there may be none: the page is alone.
      return lead();
    }
    channel.onmessage = ({ data }) => hear(data);
    const present = () => {
      ask(feeds.values());
      return left;
    };
    // By the lock of its own the leader knows that this tab is there.
    locks.request(name + id, present).catch(lost);
    // The controller has what the options of a request need, its signal.
    locks.request(name, membership, granted).catch(lost);
    tick = setInterval(() => {
      if (isLeading() || ++silent < SILENT_TICKS) return;
      if (silent === SILENT_TICKS) ask([]);
      else locks.request(name, { steal: true }, granted).catch(lost);
    }, TICK_MS);
  };

  transport.onTold = (/** @type {import("./transport.mjs").Batch} */ batch) => {
    // Other tabs hold with nothing that is called.
    post({
      told: batch.flatMap(([{ key, holders }, ...event]) =>
        [...holders.values()].includes(undefined) ? [[key, event]] : [],
      ),
    });
  };

  /** @type {import("./hub.mjs").Carrier} */
  const carrier = {
    want(feed) {
      // Until it is told all, what a leader tells to all may not follow what this tab had when it last followed it.
      feed.teller = undefined;
      if (!id) join();
      else if (isLeading()) transport.want(feed);
      else ask([feed]);
    },
    drop(feed) {
      if (isLeading()) transport.drop(feed);
      else post({ drop: feed.key });
    },
    check(silence) {
      if (isLeading()) return transport.check(silence);
      // No answer until the next tick, and the leader is replaced.
      silent = SILENT_TICKS;
      ask([]);
    },
    stop() {
      membership.abort();
      channel = void channel?.close();
      clearInterval(tick);
      transport.stop();
      id = "";
      leader = " ";
    },
  };
  return carrier;
}
