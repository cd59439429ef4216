/** Something that is followed: a store, and an async iterable. */

import { tokenOf } from "./token.mjs";
import { MAX_WAIT_MS } from "./transport.mjs";

/** @typedef {import("./feed.mjs").Feed} Feed */
/** `any`: what it is depends on what is followed. @typedef {{ value: any, error: Error | undefined, state: "waiting" | "connecting" | "live" | "ended", lastEventId?: string }} State */
/** Is called with the state, and the parts of a stream that are new. @typedef {(state: State, parts: any[]) => void} Subscriber */

/**
 * @param {import("./hub.mjs").Hub} hub
 * @param {import("./feed.mjs").Subject | undefined} subject nothing waits
 * @param {import("./token.mjs").TokenSource} source
 * @param {import("./feed.mjs").FeedOptions} options
 * @param {any} none the value of nothing
 * @param {number} [timeoutMs] ends a stream that is silent for so many milliseconds
 */
export function follow(hub, subject, source, options, none, timeoutMs) {
  /** @type {State} */
  let state = { value: none, error: undefined, state: subject ? "connecting" : "waiting" };
  if (options.from) state.lastEventId = options.from;
  /** @type {Set<Subscriber>} */
  const subscribers = new Set();
  /** @type {Feed | undefined} */
  let feed;
  /** How many parts were given out. */
  let given = 0;
  /** Counts the starts and stops: what began before the last of them is void. */
  let turn = 0;
  /** The token that was refused, until another one was not. @type {string | undefined} */
  let refused;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {any} next @param {any[]} [news] */
  const set = (next, news = []) => {
    const before = /** @type {any} */ (state);
    if (Object.keys(next).some((name) => before[name] !== next[name])) state = { ...before, ...next };
    else if (news.length === 0) return;
    for (const subscriber of [...subscribers]) {
      try {
        if (subscribers.has(subscriber)) subscriber(state, news);
      } catch (error) {
        // The fault of one subscriber is nothing to the others.
        Promise.reject(error);
      }
    }
  };

  /** @param {Feed | undefined} from */
  const letGo = (from) => {
    hub.release(from, end);
  };

  const stop = () => {
    turn++;
    clearTimeout(timer);
    letGo(feed);
    hub.leave(end);
  };

  /** @param {Error} [error] */
  const end = (error) => {
    stop();
    set({ error, state: "ended" });
  };

  /** Ends a stream that is silent for too long. */
  const wait = () => {
    clearTimeout(timer);
    if (timeoutMs && timeoutMs < MAX_WAIT_MS) timer = setTimeout(end, timeoutMs);
  };

  /** Looks at the feed, which changed. */
  const look = () => {
    const { subject, error, value, parts, total, isKnown, isReady, isOver, isSettled, at } = /** @type {Feed} */ (feed);
    if (error?.status === 401 && typeof source === "function" && refused === undefined) {
      refused = subject.token;
      open();
      return;
    }
    if (isReady && !error) refused = undefined;
    const news = parts.slice(Math.max(0, parts.length + given - total));
    given = Math.max(given, total);
    if (news.length > 0) wait();
    /** @type {Partial<State>} */
    const next = isKnown ? { value, state: "live" } : {};
    if (at) next.lastEventId = at;
    set(next, news);
    if (error) end(Object.assign(new Error(error.message), error));
    else if (isOver && isSettled) end();
  };

  /**
   * Follows the feed, once there is a token. Never in the same turn: a server that renders subscribes and stops, and by then
   * nothing was asked for, and no error of a page that is not there was shown.
   */
  const open = async () => {
    const mine = ++turn;
    await undefined;
    if (mine !== turn) return;
    try {
      try {
        hub.url();
      } catch {
        throw new Error((await import("./refusal.mjs")).NO_URL);
      }
      const token = await tokenOf(source, refused);
      if (mine !== turn) return;
      const before = feed;
      let fresh = hub.make({ ...subject, token }, options);
      // What is there already goes on, with its objects.
      if (before?.key === fresh.key && !before.error) fresh = before;
      feed = hub.hold(fresh, end, look);
      if (before && feed !== before) {
        const { rows, parts, total, at, value, isKnown } = before;
        if (feed === fresh) Object.assign(feed, { rows, value, isKnown });
        feed.apply(["chunk", { parts, at, from: total - parts.length }]);
        letGo(before);
      }
      feed.changed();
      wait();
    } catch (error) {
      if (mine === turn) end(/** @type {Error} */ (error));
    }
  };

  /** @param {Subscriber} subscriber */
  const add = (subscriber) => {
    subscribers.add(subscriber);
    if (subscribers.size === 1) {
      if (hub.isClosed) end();
      else if (subject) {
        if (state.error) set({ error: undefined, state: "connecting" });
        refused = undefined;
        if (state.state !== "ended") {
          hub.members.add(end);
          open();
        }
      }
    }
    return () => {
      if (subscribers.delete(subscriber) && subscribers.size === 0) stop();
    };
  };

  return {
    getState: () => state,

    subscribe(/** @type {(state: State, parts?: any[]) => void} */ callback) {
      const leave = add((now, parts) => callback(now, parts));
      callback(state);
      return leave;
    },

    /** Iterates: over each part of a stream, and else over the newest states. */
    [Symbol.asyncIterator]() {
      const isStream = subject?.stream;
      /** @type {any[]} */
      let queue = [];
      let isOver = false;
      /** @type {any} */
      let last;
      let wake = () => {};
      /** @type {Subscriber} */
      const take = ({ value, state }, parts) => {
        if (isStream) for (const { chunk } of parts) queue.push(chunk);
        else if (value !== last && value !== undefined && state !== "connecting") queue = [value];
        last = value;
        wake();
      };
      const iterator = (async function* () {
        take(state, isStream ? state.value : []);
        const leave = add(take);
        try {
          while (!isOver) {
            if (queue.length > 0) {
              const batch = queue;
              queue = [];
              yield* batch;
            } else if (state.error) throw state.error;
            else if (state.state === "ended") return;
            else {
              await new Promise((/** @type {(value?: any) => void} */ resolve) => {
                wake = resolve;
              });
            }
          }
        } finally {
          leave();
        }
      })();
      const { return: finish } = iterator;
      // A value that is waited for ends as well.
      iterator.return = (value) => {
        isOver = true;
        wake();
        return finish.call(iterator, value);
      };
      return iterator;
    },
  };
}
