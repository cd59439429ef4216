/** Something that is followed: a store, and an async iterable. */

import { tokenOf } from "./token.mjs";
import { MAX_WAIT_MS } from "./transport.mjs";

/** A token that is refused sooner, in milliseconds, is no better than the one before. */
const YOUNG_MS = 60_000;

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
  /** The feed whose token was refused, until another one was not. @type {Feed | undefined} */
  let refused;
  /** When the token came. */
  let since = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {any} next @param {any[]} [news] */
  const set = (next, news = []) => {
    if (Object.keys(next).some((name) => /** @type {any} */ (state)[name] !== next[name]))
      state = { ...state, ...next };
    else if (!news[0]) return;
    for (const subscriber of [...subscribers]) {
      try {
        if (subscribers.has(subscriber)) subscriber(state, news);
      } catch (error) {
        // The fault of one subscriber is nothing to the others.
        Promise.reject(error);
      }
    }
  };

  const stop = () => {
    turn++;
    clearTimeout(timer);
    hub.release(feed, end);
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
    const { error, value, parts, total, isKnown, isReady, isOver, isSettled, at } = /** @type {Feed} */ (feed);
    // Nothing of it counts while another token is waited for.
    if (feed === refused) return;
    // A token of too little may be another run's, or be of before: a function may know better.
    if (
      /40[13]/.test(/** @type {any} */ (error?.status)) &&
      typeof source === "function" &&
      !(refused && since > Date.now() - YOUNG_MS)
    ) {
      refused = feed;
      open();
      return;
    }
    if (isReady && !error) refused = undefined;
    const news = parts.slice(Math.max(0, parts.length + given - total));
    // One that others began to follow may be behind what was given out, until it was told all, and its packets came.
    const isBehind = total < given || (state.value?.updatedAt > value?.updatedAt && !(isReady && isSettled));
    if (news[0]) wait();
    /** @type {Partial<State>} */
    let next = {};
    if (!isBehind) {
      given = total;
      if (isKnown) next = { value, state: "live" };
      if (at) next.lastEventId = at;
    }
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
    /** @type {string | undefined} */
    let token;
    await undefined;
    if (mine !== turn) return;
    try {
      hub.url();
      token = await tokenOf(hub.tokens, source, refused?.subject.token);
      if (mine !== turn) return;
      since = Date.now();
      if (hub.isUnfit(token)) throw hub;
      const before = feed;
      let fresh = hub.make({ ...subject, token }, options);
      // What is there already goes on, with its objects.
      if (before?.key === fresh.key && !before.error) fresh = before;
      feed = hub.hold(fresh, end, look);
      if (before && feed !== before) {
        const { rows, parts, total, at, value, isKnown } = before;
        // One that is followed already is being told, from its own place.
        if (feed === fresh) {
          Object.assign(feed, { rows, value, isKnown });
          // Others may go on with the one before, and be told something else.
          before.rows = new Map(rows);
          feed.apply(["chunk", { parts, at, from: total - parts.length }]);
        }
        hub.release(before, end);
      }
      feed.changed();
      wait();
    } catch (thrown) {
      const error = await import("./reason.mjs").then(
        ({ reason }) => reason(hub, token, thrown),
        (missing) => missing,
      );
      if (mine === turn) end(error);
    }
  };

  /** @param {Subscriber} subscriber */
  const add = (subscriber) => {
    subscribers.add(subscriber);
    if (subscribers.size === 1) {
      if (hub.isClosed) end();
      else if (!subject) hub.waiting.add(end);
      else {
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
      try {
        callback(state);
      } catch (error) {
        // Nobody has got what stops it.
        leave();
        throw error;
      }
      return leave;
    },

    /** Iterates: over each part of a stream, and else over the newest states. */
    [Symbol.asyncIterator]() {
      /** @type {Promise<AsyncGenerator<any, any, any>> | undefined} */
      let made;
      /** @type {any} */
      const iterator = { [Symbol.asyncIterator]: () => iterator };
      for (const how of /** @type {const} */ (["next", "return", "throw"]))
        iterator[how] = async (/** @type {any} */ value) => {
          made ??= import("./iterate.mjs").then(({ iterate }) => iterate(() => state, add, subject?.stream, none));
          return (await made)[how](value);
        };
      return iterator;
    },
  };
}
