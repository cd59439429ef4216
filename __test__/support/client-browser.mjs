// A browser as the client of the live stream sees it: tabs of one origin with Web Locks and BroadcastChannel, as the
// standards have them.

import { connect } from "trigger-native/client";
import { clientRelay, settle, simulate } from "./client-relay.mjs";

/** Tabs share locks and channels. `relay` cuts off the requests of a tab that is closed. */
export function clientBrowser(relay) {
  /** @type {Map<string, { held?: object, queue: object[] }>} */
  const locks = new Map();
  const channels = new Set();

  const lockOf = (name) => {
    if (!locks.has(name)) locks.set(name, { held: undefined, queue: [] });
    return locks.get(name);
  };
  const grant = (name) => {
    const lock = lockOf(name);
    if (lock.held || lock.queue.length === 0) return;
    const request = lock.queue.shift();
    lock.held = request;
    request.granted();
    const release = () => {
      if (lock.held !== request) return;
      lock.held = undefined;
      grant(name);
    };
    request.release = release;
    queueMicrotask(async () => {
      if (request.tab.isClosed) return release();
      // A tab that is frozen gets a lock, and does nothing with it.
      if (request.tab.isFrozen) return;
      try {
        request.resolve(await request.callback({ name }));
      } catch (error) {
        request.reject(error);
      }
      if (!request.tab.isClosed) release();
    });
  };

  const open = () => {
    const tab = { isClosed: false, isHung: false };
    const page = Object.assign(new EventTarget(), {
      document: { hidden: false },
      location: { href: "http://app.example/page" },
      navigator: {
        locks: {
          request(name, options, callback = options) {
            return new Promise((resolve, reject) => {
              if (tab.isClosed) return;
              const lock = lockOf(name);
              const request = { tab, callback, resolve, reject };
              const withdraw = () => {
                lock.queue = lock.queue.filter((other) => other !== request);
                reject(options.signal.reason);
              };
              options.signal?.addEventListener("abort", withdraw);
              request.granted = () => options.signal?.removeEventListener("abort", withdraw);
              if (options.steal) {
                lock.held?.reject(Object.assign(new Error("stolen"), { name: "AbortError" }));
                lock.held = undefined;
                lock.queue.unshift(request);
              } else lock.queue.push(request);
              queueMicrotask(() => grant(name));
            });
          },
        },
      },
      BroadcastChannel: class {
        constructor(name) {
          this.name = name;
          this.tab = tab;
          channels.add(this);
        }
        postMessage(message) {
          if (tab.isClosed) return;
          if (!channels.has(this)) throw Object.assign(new Error("Channel is closed"), { name: "InvalidStateError" });
          const text = structuredClone(message);
          for (const other of channels) {
            if (other === this || other.name !== this.name) continue;
            setImmediate(() => {
              if (channels.has(other) && !other.tab.isClosed && !other.tab.isHung) other.onmessage?.({ data: text });
            });
          }
        }
        close() {
          channels.delete(this);
        }
      },
    });
    return Object.assign(tab, {
      page,
      fetch: relay.fetchOf(tab),
      /** Closes the tab, as a crash does: nothing of it runs any more. */
      async close() {
        tab.isClosed = true;
        for (const channel of channels) if (channel.tab === tab) channels.delete(channel);
        for (const ask of relay.asks) if (ask.tab === tab) await ask.cut();
        for (const [name, lock] of locks) {
          lock.queue = lock.queue.filter((request) => request.tab !== tab);
          if (lock.held?.tab === tab) {
            lock.held = undefined;
            grant(name);
          }
        }
        await settle();
      },
      /** An event of the page. Those of its document come by the page, too. */
      async event(name) {
        page.dispatchEvent(new Event(name));
        await settle();
      },
    });
  };
  return {
    open,
    channels,
    /** How many locks are held. */
    held: () => [...locks.values()].filter(({ held }) => held).length,
    /** How many requests for locks wait. */
    queued: () => [...locks.values()].reduce((count, { queue }) => count + queue.length, 0),
  };
}

/** Tabs in simulated time, each with a connection, and their relay. @param {import("node:test").TestContext} t */
export function startTabs(t) {
  simulate(t);
  const relay = clientRelay();
  const browser = clientBrowser(relay);
  const all = [];
  const open = (options = {}, change = (_page) => {}) => {
    const tab = browser.open();
    change(tab.page);
    const connection = connect({ url: "/api/trigger", ...options }, Object.assign(tab.page, { fetch: tab.fetch }));
    all.push(connection);
    return Object.assign(tab, { connection });
  };
  t.after(() => {
    for (const connection of all) connection.close();
  });
  return { relay, browser, open };
}
