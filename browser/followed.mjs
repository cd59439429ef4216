/** Something that is followed: a store, and an async iterable. */

import { tokenOf } from "./token.mjs";

/** @typedef {import("./feed.mjs").Feed} Feed */
/** @typedef {import("./feed.mjs").Subject} Subject */
/** `any`: what it is depends on what is followed. @typedef {{ value: any, error: Error | undefined, state: "waiting" | "connecting" | "live" | "ended", lastEventId?: string }} State */
/** Is called with the state, and the parts of a stream that are new. @typedef {(state: State, parts: any[]) => void} Subscriber */

export class Followed {
  /** @type {State} */
  #state;
  #hub;
  #subject;
  #source;
  #options;
  #timeoutMs;
  /** @type {Set<Subscriber>} */
  #subscribers = new Set();
  /** @type {Feed | undefined} */
  #feed;
  /** The id of the part that was given out last. @type {string | undefined} */
  #given;
  /** Counts the starts and stops: what began before the last of them is void. */
  #turn = 0;
  /** The token that was refused, until another one was not. @type {string | undefined} */
  #refused;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import("./hub.mjs").Hub} hub
   * @param {Subject | undefined} subject nothing waits
   * @param {import("./token.mjs").TokenSource} source
   * @param {import("./feed.mjs").FeedOptions} options
   * @param {any} none the value of nothing
   * @param {number | undefined} timeoutMs ends a stream that is silent for so many milliseconds
   */
  constructor(hub, subject, source, options, none, timeoutMs) {
    this.#hub = hub;
    this.#subject = subject;
    this.#source = source;
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#state = { value: none, error: undefined, state: subject ? "connecting" : "waiting" };
    if (options.from) this.#state.lastEventId = options.from;
  }

  getState() {
    return this.#state;
  }

  /** @param {(state: State) => void} callback */
  subscribe(callback) {
    const stop = this.#add((state) => callback(state));
    callback(this.#state);
    return stop;
  }

  /** @param {Subscriber} subscriber */
  #add(subscriber) {
    this.#subscribers.add(subscriber);
    if (this.#subscribers.size === 1) this.#start();
    return () => {
      if (this.#subscribers.delete(subscriber) && this.#subscribers.size === 0) this.#stop();
    };
  }

  close() {
    this.#end();
  }

  #start() {
    if (this.#hub.isClosed) return this.#end();
    if (!this.#subject) return;
    if (this.#state.error) this.#set({ error: undefined, state: "connecting" });
    this.#refused = undefined;
    if (this.#state.state === "ended") return;
    this.#hub.members.add(this);
    this.#open();
  }

  #stop() {
    this.#turn++;
    clearTimeout(this.#timer);
    this.#letGo(this.#feed);
    this.#hub.leave(this);
  }

  /** @param {Error} [error] */
  #end(error) {
    this.#stop();
    this.#set({ error, state: "ended" });
  }

  /** @param {Feed | undefined} feed */
  #letGo(feed) {
    feed?.listeners.delete(this.#look);
    this.#hub.release(feed, this);
  }

  /** Follows the feed, once there is a token. Never at once, so that a server which renders asks for nothing. */
  async #open() {
    const turn = ++this.#turn;
    const [hub, options, before] = [this.#hub, this.#options, this.#feed];
    try {
      hub.url();
      const token = await tokenOf(this.#source, this.#refused);
      if (turn !== this.#turn) return;
      const subject = { ...this.#subject, token };
      const key = JSON.stringify([subject, options]);
      // What is there already goes on, with its objects.
      const fresh = before && !before.error && before.key === key ? before : hub.make(key, subject, options);
      const feed = hub.hold(fresh, this);
      if (before && feed !== before) {
        feed.continue(before, feed === fresh);
        this.#letGo(before);
      }
      this.#feed = feed;
      feed.listen(this.#look);
      this.#wait();
    } catch (error) {
      if (turn === this.#turn) this.#end(/** @type {Error} */ (error));
    }
  }

  /** Looks at the feed, which changed. */
  #look = () => {
    const { subject, error, value, parts, isKnown, isReady, isOver, isSettled, at } = /** @type {Feed} */ (this.#feed);
    if (error?.status === 401 && typeof this.#source === "function" && subject.token && this.#refused === undefined) {
      this.#refused = subject.token;
      this.#open();
      return;
    }
    if (isReady && !error) this.#refused = undefined;
    const news = parts.slice(parts.findLastIndex(({ id }) => id === this.#given) + 1);
    if (news.length > 0) {
      this.#given = news.at(-1)?.id;
      this.#wait();
    }
    /** @type {Partial<State>} */
    const next = isKnown ? { value, state: "live" } : {};
    if (subject.stream && at) next.lastEventId = at;
    this.#set(next, news);
    if (error) this.#end(Object.assign(new Error(error.message), { status: error.status, hint: error.hint }));
    else if (isOver && isSettled) this.#end();
  };

  /** Ends a stream that is silent for too long. */
  #wait() {
    clearTimeout(this.#timer);
    if (this.#timeoutMs) this.#timer = setTimeout(() => this.#end(), this.#timeoutMs);
  }

  /** @param {any} next @param {any[]} [news] */
  #set(next, news = []) {
    const before = /** @type {any} */ (this.#state);
    if (Object.keys(next).some((name) => before[name] !== next[name])) this.#state = { ...before, ...next };
    else if (news.length === 0) return;
    for (const subscriber of [...this.#subscribers]) {
      try {
        subscriber(this.#state, news);
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
    const isStream = !!this.#subject?.stream;
    /** @type {any[]} */
    let queue = [];
    /** Those that wait for something to come. @type {(() => void)[]} */
    let waiting = [];
    let isOver = false;
    /** @type {any} */
    let last;
    /** @type {(() => void) | undefined} */
    let stop;
    const wake = () => {
      for (const go of waiting) go();
      waiting = [];
    };
    /** @type {Subscriber} */
    const take = ({ value, state }, parts) => {
      if (isStream) queue.push(...parts);
      else if (value !== last && value !== undefined && state !== "connecting") queue = [value];
      last = value;
      wake();
    };
    const next = async () => {
      if (!stop) {
        take(this.#state, isStream ? this.#state.value : []);
        stop = this.#add(take);
      }
      while (!isOver && queue.length === 0 && this.#state.state !== "ended") {
        await new Promise((/** @type {(value?: any) => void} */ resolve) => waiting.push(resolve));
      }
      if (!isOver && queue.length > 0) return { done: false, value: isStream ? queue.shift().chunk : queue.shift() };
      const error = isOver ? undefined : this.#state.error;
      finish();
      if (error) throw error;
      return { done: true, value: undefined };
    };
    const finish = () => {
      isOver = true;
      stop?.();
      wake();
    };
    return {
      next,
      return: async (value) => {
        finish();
        return { done: true, value };
      },
    };
  }
}
