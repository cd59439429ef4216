/** Something that is followed: a store, and an async iterable. */

import { Feed } from "./feed.mjs";
import { loadPacket } from "./packet.mjs";
import { tokenOf } from "./token.mjs";

/** @typedef {import("./feed.mjs").Subject} Subject */
/** `any`: what it is depends on what is followed. @typedef {{ value: any, error: Error | undefined, state: "waiting" | "connecting" | "live" | "ended", lastEventId?: string }} State */

/**
 * What may be followed in more than one way: `isStream` gives each part, `timeoutMs` ends a stream that is silent.
 *
 * @typedef {{ accessToken: import("./token.mjs").TokenSource, isStream?: boolean, maxParts?: number, isLasting?: boolean, lastEventId?: string, timeoutMs?: number }} Options
 */

/** A snapshot of nothing. */
const NOTHING = { rows: [], parts: [], isReady: false, isOver: false };

export class Followed {
  /** @type {State} */
  #state;
  #hub;
  #subject;
  #options;
  /** @type {Set<{ call(state: State, parts: any[]): void }>} */
  #subscribers = new Set();
  /** @type {Feed | undefined} */
  #feed;
  /** The id of the part that was given out last. @type {string | undefined} */
  #given;
  /** Counts the starts and stops: what began before the last of them is void. */
  #turn = 0;
  /** The token that was refused last. @type {string | undefined} */
  #refused;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import("./hub.mjs").Hub} hub
   * @param {Subject | undefined} subject nothing waits
   * @param {Options} options
   * @param {any} none the value of nothing
   */
  constructor(hub, subject, options, none) {
    this.#hub = hub;
    this.#subject = subject;
    this.#options = options;
    this.#state = { value: none, error: undefined, state: subject ? "connecting" : "waiting" };
    if (options.isStream) this.#state.lastEventId = options.lastEventId;
  }

  getState() {
    return this.#state;
  }

  /** @param {(state: State) => void} callback */
  subscribe(callback) {
    const stop = this.#add({ call: (state) => callback(state) });
    callback(this.#state);
    return stop;
  }

  /** @param {{ call(state: State, parts: any[]): void }} subscriber */
  #add(subscriber) {
    this.#subscribers.add(subscriber);
    if (this.#subscribers.size === 1) this.#start();
    return () => {
      if (this.#subscribers.delete(subscriber) && this.#subscribers.size === 0) this.#stop();
    };
  }

  /** Ends it. */
  close() {
    this.#stop();
    this.#set({ state: "ended" });
  }

  #start() {
    if (this.#hub.isClosed) return this.close();
    if (!this.#subject) return;
    this.#hub.members.add(this);
    if (this.#state.error) this.#set({ error: undefined, state: "connecting" });
    this.#refused = undefined;
    if (this.#state.state !== "ended") this.#open();
  }

  #stop() {
    this.#turn++;
    clearTimeout(this.#timer);
    this.#hub.members.delete(this);
    const feed = this.#feed;
    if (!feed) return;
    feed.listeners.delete(this.#look);
    this.#hub.release(feed, this);
  }

  /** Follows the feed, once there is a token. Never at once, so that a server which renders asks for nothing. */
  async #open() {
    const turn = ++this.#turn;
    const { accessToken, maxParts, isLasting, lastEventId } = this.#options;
    const { reach } = this.#hub;
    try {
      reach.url();
      const token = await tokenOf(accessToken, this.#refused);
      if (turn !== this.#turn) return;
      const subject = { ...this.#subject, token };
      const before = this.#feed;
      const key = JSON.stringify([subject, maxParts, isLasting, lastEventId]);
      /** @type {import("./packet.mjs").LoadPacket} */
      const load = (...names) => loadPacket(reach, token, ...names);
      const fresh = new Feed(key, subject, { maxParts, isLasting }, load);
      fresh.at = lastEventId;
      // What is there already goes on.
      const feed = this.#hub.hold(before?.key === key && !before.error ? before : fresh, this);
      this.#feed = feed;
      if (before && feed === fresh) feed.continue(before);
      else if (before && feed !== before) feed.adopt({ ...NOTHING, parts: before.parts, at: before.at });
      feed.listen(this.#look);
      this.#listenOn();
    } catch (error) {
      if (turn === this.#turn) this.#end(/** @type {Error} */ (error));
    }
  }

  /** Looks at the feed, which changed. */
  #look = () => {
    const feed = /** @type {Feed} */ (this.#feed);
    const { error, value, isKnown, isOver, isSettled, at } = feed;
    const { isStream } = this.#options;
    if (error && error.status === 401 && this.#canRefresh(feed)) {
      this.#refused = feed.subject.token;
      this.#stop();
      this.#hub.members.add(this);
      this.#open();
      return;
    }
    if (feed.isReady && !error) this.#refused = undefined;
    const parts = feed.parts.slice(feed.parts.findLastIndex(({ id }) => id === this.#given) + 1);
    this.#given = feed.parts.at(-1)?.id ?? this.#given;
    if (parts.length > 0) this.#listenOn();
    /** @type {Partial<State>} */
    const next = isKnown ? { value, state: "live" } : {};
    if (isStream && at !== undefined) next.lastEventId = at;
    if (isOver && isSettled) next.state = "ended";
    this.#set(next, parts);
    if (error) this.#end(toError(error));
    else if (next.state === "ended") this.#stop();
  };

  /** A function is asked for another token once. @param {Feed} feed */
  #canRefresh(feed) {
    return typeof this.#options.accessToken === "function" && this.#refused === undefined && !!feed.subject.token;
  }

  /** Ends a stream that is silent for too long. */
  #listenOn() {
    const { timeoutMs } = this.#options;
    clearTimeout(this.#timer);
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#end(undefined), timeoutMs);
  }

  /** @param {Error | undefined} error */
  #end(error) {
    this.#stop();
    this.#set({ error, state: "ended" });
  }

  /** @param {Partial<State>} next @param {any[]} [parts] */
  #set(next, parts = []) {
    const before = this.#state;
    const isSame = Object.entries(next).every(([name, value]) => before[/** @type {keyof State} */ (name)] === value);
    if (isSame && parts.length === 0) return;
    if (!isSame) this.#state = { ...before, ...next };
    for (const subscriber of [...this.#subscribers]) {
      if (!this.#subscribers.has(subscriber)) continue;
      try {
        subscriber.call(this.#state, parts);
      } catch (error) {
        // The fault of one subscriber is nothing to the others.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Iterates: over each part of a stream, and else over the newest states. @returns {AsyncIterator<any>} */
  [Symbol.asyncIterator]() {
    const { isStream } = this.#options;
    /** @type {any[]} */
    let queue = [];
    /** @type {{ resolve(result: IteratorResult<any>): void, reject(error: Error): void }[]} */
    const waiting = [];
    /** @type {any} */
    let last;
    /** @type {State} */
    let state = this.#state;
    let isOver = false;
    /** @type {(() => void) | undefined} */
    let stop;
    const turn = () => {
      while (waiting.length > 0) {
        const { resolve, reject } = waiting[0];
        if (!isOver && queue.length > 0) resolve({ done: false, value: queue.shift() });
        else if (isOver || state.state === "ended") {
          stop?.();
          if (!isOver && state.error) reject(state.error);
          else resolve({ done: true, value: undefined });
          isOver = true;
        } else return;
        waiting.shift();
      }
    };
    const subscriber = {
      call: (/** @type {State} */ now, /** @type {any[]} */ parts) => {
        state = now;
        if (isStream) queue.push(...parts.map(({ chunk }) => chunk));
        else if (now.value !== last && now.value !== undefined) queue = [now.value];
        last = now.value;
        turn();
      },
    };
    const start = () => {
      if (stop) return;
      const { value } = this.#state;
      last = value;
      if (isStream) queue = value.map((/** @type {any} */ part) => part.chunk);
      else if (value !== undefined && /live|ended/.test(this.#state.state)) queue = [value];
      stop = this.#add(subscriber);
      state = this.#state;
    };
    return {
      next: () =>
        new Promise((resolve, reject) => {
          if (!isOver) start();
          waiting.push({ resolve, reject });
          turn();
        }),
      return: async (value) => {
        isOver = true;
        stop?.();
        turn();
        return { done: true, value };
      },
    };
  }
}

/** @param {import("./feed.mjs").Refusal} refusal */
const toError = ({ status, message, hint }) => Object.assign(new Error(message), { status, hint });
