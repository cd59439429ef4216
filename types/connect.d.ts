/** `trigger-native/client`: one connection to the relay for everything that a page, and the tabs beside it, follow. */

import type { AnyRunShape } from "./run.js";

/** Options of {@link connect}. */
export interface ConnectOptions {
  /**
   * The relay's mount point, as `baseURL` of the official hooks: a path of the page's own origin (`"/api/trigger"`) or a URL.
   * @default "/api/trigger"
   */
  url?: string | undefined;
  /**
   * The public access token, or a function that gets one. The function is asked when the first want needs it, and again when the relay
   * answered 401 or 403 or the token's time is over. One that does not answer within 30 s counts as one that throws. Leave it out where
   * the relay's `authorize` knows the session. On a page it is never a secret key.
   */
  accessToken?: string | (() => string | undefined | Promise<string | undefined>) | undefined;
  /**
   * Whether the tabs of an origin share one connection. It takes Web Locks and BroadcastChannel, which plain http: pages of
   * another host than localhost do not have. A text is the user: tabs with another do not share. Give one where the relay's
   * `authorize` knows the session and a browser's user can change while a tab stays open.
   * @default true
   */
  share?: boolean | string | undefined;
}

/** Options of everything that is followed. */
export interface FollowOptions {
  /** The token for this alone. */
  accessToken?: ConnectOptions["accessToken"] | undefined;
  /** `false` waits: nothing is asked for. An id that is `undefined` or empty waits likewise. @default true */
  enabled?: boolean | undefined;
}

/** Options of feeds of runs. */
export interface FollowRunsOptions extends FollowOptions {
  /** Columns to leave out. @default [] */
  skipColumns?: string[] | undefined;
}

/** Options of {@link Connection.run}. */
export interface FollowRunOptions extends FollowRunsOptions {
  /** Whether the feed ends with the run. `false` looks for later changes, as of the metadata, every 30 s. @default true */
  stopOnCompletion?: boolean | undefined;
}

/** Options of {@link Connection.stream}. */
export interface FollowStreamOptions extends FollowOptions {
  /** Whether it is an input stream of the run. @default false */
  input?: boolean | undefined;
  /** Where to go on: {@link StreamState.lastEventId} of before, or an event id of the server. */
  lastEventId?: string | undefined;
  /** Ends after so many seconds without a part; by default with the run. */
  timeoutInSeconds?: number | undefined;
  /**
   * How many parts the store keeps, the newest. An iteration gets all of them even so if it is the first to follow the stream with this
   * number, in any tab; one that comes later begins with those that are kept. So does one go on whose tab was away (kept for going
   * back, frozen, or without a token that another tab had already) while other tabs were told more parts than are kept: those between
   * are left out, and none is given twice.
   * @default all
   */
  maxParts?: number | undefined;
}

/** Why something that is followed is over. */
export interface FollowError extends Error {
  /** The HTTP status with which it was refused; `undefined` where no answer is at fault, as when `accessToken` threw. */
  status?: number | undefined;
  /** What to do about it, where the relay says so. */
  hint?: string | undefined;
}

/** The state of something that is followed, which `subscribe` gives. A new object at every change. */
export interface FollowState<T> {
  /** What is followed, as far as it is known. */
  value: T;
  /** Why it is over, where it failed. A failure that passes is retried, and is not shown. */
  error: FollowError | undefined;
  /** `waiting`: not enabled; `connecting`: nothing is known yet; `live`; `ended`. */
  state: "waiting" | "connecting" | "live" | "ended";
}

/** One part of a stream. */
export interface StreamPart<T> {
  /** The id of its event. */
  id: string;
  /** The value. */
  chunk: T;
  /** When it was written, in Unix milliseconds; 0 where the server does not say. */
  timestamp: number;
}

/** The state of a stream. */
export interface StreamState<T> extends FollowState<StreamPart<T>[]> {
  /** The place after the last part: keep it, and pass it on to go on there. */
  lastEventId: string | undefined;
}

/**
 * Something that is followed. It is asked for while somebody subscribes or iterates, and no longer.
 *
 * @typeParam S what `subscribe` gives. @typeParam I what an iteration gives.
 */
export interface Followed<S, I> extends AsyncIterable<I> {
  /** Calls back with the state at once, and at every change (the contract of Svelte's stores). Returns the function that stops it. */
  subscribe(callback: (state: S) => void): () => void;
  /** The state now, the same object until it changes (the contract of React's `useSyncExternalStore`). */
  getState(): S;
}

/** A connection to a relay. `NoInfer`: what takes anything that is followed does not decide which type a run has. */
export interface Connection {
  /** One run. An iteration gives each state of it, ends with the run and throws where it failed. */
  run<TRun = AnyRunShape>(
    id: string | undefined,
    options?: FollowRunOptions,
  ): Followed<FollowState<NoInfer<TRun> | undefined>, NoInfer<TRun>>;
  /** The runs with all of these tags, newest first. An iteration gives the whole list at each change. */
  runs<TRun = AnyRunShape>(
    filter: { tags: string | string[]; createdAt?: string | undefined },
    options?: FollowRunsOptions,
  ): Followed<FollowState<NoInfer<TRun>[]>, NoInfer<TRun>[]>;
  /** The runs of a batch, likewise. */
  batch<TRun = AnyRunShape>(
    id: string | undefined,
    options?: FollowRunsOptions,
  ): Followed<FollowState<NoInfer<TRun>[]>, NoInfer<TRun>[]>;
  /** A stream of a run, `"default"` without a key. An iteration gives each part's value. */
  stream<T = unknown>(
    runId: string | undefined,
    key?: string,
    options?: FollowStreamOptions,
  ): Followed<StreamState<T>, T>;
  /** Ends all that it follows, with the state `ended`. */
  close(): void;
}

/**
 * Opens nothing yet: the connection is made when something is followed. Throws nothing: what fails is the `error` of what is followed,
 * and an iteration of it throws that.
 */
export declare function connect(options?: ConnectOptions): Connection;
