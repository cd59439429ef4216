/** Following runs live. */

import type { RealtimeRunSkipColumns } from "./auth.js";
import type { EventsRequest, ToResponseOptions } from "./response.js";
import type { RunShape } from "./run.js";
import type { AnyRunTypes } from "./task.js";

/** A failure that will be tried again (defects.md 6). */
export interface RetryNotice {
  /** Failures in a row, this one included. */
  attempt: number;
  /** The wait before the next request, in milliseconds. */
  delayMs: number;
  /** The HTTP status, where the server answered. */
  status?: number;
  /** The reason of the failure. */
  reason: RetryReason;
}

/**
 * Why a request is made again: 429; another status that may be tried again; 404 with `x-should-retry: true`; no
 * connection; silence; a body that broke off; a response that is not the protocol; 409 again and again; responses that
 * come at once and bring nothing.
 */
export type RetryReason =
  | "rate-limited"
  | "server-error"
  | "not-found-yet"
  | "unreachable"
  | "silent"
  | "cut"
  | "protocol"
  | "refetch"
  | "no-progress";

/**
 * The state of a subscription or a stream. `polling`: the budget of long-polls is used up and nothing tells this feed of
 * changes, so that it is checked every few seconds (docs/feeds.md, "Many at once"). `refreshing`: a fresh token is being
 * made (defects.md 5). `ended` comes once and last.
 */
export type SubscriptionState = "connecting" | "live" | "polling" | "retrying" | "refreshing" | "ended";

/** The counts of the feed behind a subscription. Subscriptions to the same feed share it (defects.md 15). */
export interface SubscriptionStats {
  /** Its state; `"idle"` before the first `next()`. */
  state: SubscriptionState | "idle";
  /** Requests sent, repeated ones included. */
  requests: number;
  /** Requests that were repeats after a failure. */
  retries: number;
  /** Rows received that differed from the one before. */
  rows: number;
  /** Bytes of bodies received, after decompression. */
  bytes: number;
  /** States that this reader was too slow for and that made way for later ones (defects.md 9). */
  coalesced: number;
}

/** The counts of a subscription with streams. */
export interface WithStreamsStats extends SubscriptionStats {
  /** Streams that are being read. */
  streams: number;
}

/** The options of every subscription and every stream: how failures are retried, and callbacks for them. */
export interface WatchOptions {
  /** Called before each wait for another attempt (defects.md 6). Its errors are ignored. */
  onRetry?: ((notice: RetryNotice) => void) | undefined;
  /** Called when the state changes (defects.md 6). Its errors are ignored. */
  onStateChange?: ((state: SubscriptionState) => void) | undefined;
  /** How failures are retried. */
  retry?:
    | {
        /** The longest time of nothing but failures, in milliseconds; then it fails. @default 300000 */
        maxElapsedMs?: number | undefined;
        /**
         * The first wait is at most this, in milliseconds; each further one 1.6 times as long, at most 10 s (of a stream
         * 30 s) unless the server asks for more. @default 500
         */
        minDelayMs?: number | undefined;
        /** No wait is longer, whatever the server asks, in milliseconds. @default 30000 */
        maxDelayMs?: number | undefined;
      }
    | undefined;
  /**
   * The longest silence of a connection, in milliseconds; then it is opened again, and resumed. Servers hold a silent
   * poll for up to 23 s (defects.md 11). @default 60000
   */
  silenceTimeoutMs?: number | undefined;
}

/**
 * The options of {@link runs.subscribeToRun}. The first three are the official ones. Here and in all other options of
 * subscriptions and streams, `null` is as good as missing, and an unknown name is an {@link ArgumentError}
 * (`ERR_INVALID_OPTIONS`).
 */
export type SubscribeToRunOptions = WatchOptions & {
  /**
   * Whether to end when the run is finished. Set it to `false` where the run's metadata changes afterwards, and end it
   * with `break`, `close()` or a signal.
   *
   * @default true
   */
  stopOnCompletion?: boolean | undefined;
  /** Columns to leave out. The end is still seen when `completedAt` is among them (defects.md 18). @default [] */
  skipColumns?: RealtimeRunSkipColumns | undefined;
  /**
   * Ends the subscription: the loop ends normally, as with the official SDK. With a signal that was aborted before,
   * no request is sent and nothing is yielded (defects.md 17).
   */
  signal?: AbortSignal | undefined;
};

/** Which runs {@link runs.subscribeToRunsWithTag} follows. */
export type SubscribeToRunsFilterOptions = {
  /** Only runs created within this time before the subscription: a period such as `"30m"`, a week at most. */
  createdAt?: string | undefined;
  /** Columns to leave out. @default [] */
  skipColumns?: RealtimeRunSkipColumns | undefined;
};

/** How {@link runs.subscribeToRunsWithTag} follows them. `signal` is the official one. */
export type SubscribeToRunsOptions = WatchOptions & {
  /** Ends the subscription: the loop ends normally. */
  signal?: AbortSignal | undefined;
  /**
   * Called for a row that cannot be read, with its key where that is known, and for a stream of a run that
   * `withStreams()` cannot read, with the run's id: the others go on (defects.md 16). Its errors are ignored.
   *
   * @default one warning of the process
   */
  onItemError?: ((error: Error, key: string | null) => void) | undefined;
};

/** The options of {@link runs.subscribeToBatch}. All are added: the official function takes an id alone. */
export type SubscribeToBatchOptions = SubscribeToRunsOptions & {
  /** Columns to leave out. @default [] */
  skipColumns?: RealtimeRunSkipColumns | undefined;
};

/** A chunk of one of a run's streams, with its key as `type`, and the run as it was then (defects.md 21). */
export type StreamPartResult<TRun, TStreams extends Record<string, any>> = {
  [K in keyof TStreams]: { type: K; chunk: TStreams[K]; run: TRun };
}[keyof TStreams];

/** A part of {@link RunSubscription.withStreams}: a run that changed, or a chunk of one of its streams. */
export type RunWithStreamsResult<TRun, TStreams extends Record<string, any>> =
  | { type: "run"; run: TRun }
  | StreamPartResult<TRun, TStreams>;

/** The options of {@link RunSubscription.withStreams}. */
export type WithStreamsOptions<TKey> = {
  /**
   * Keys of streams to open from the start. Others are opened when the run names them, which may be at its end only.
   * @default []
   */
  streams?: TKey[] | undefined;
};

/** An async iterable that is a web stream, as in the official SDK. */
export type AsyncIterableStream<T> = AsyncIterable<T> & ReadableStream<T>;

/**
 * The members that subscriptions and streams have in common. While one is open it keeps the process alive; a closed one
 * never does. Unread values are fetched up to a bound only (defects.md 9).
 */
export interface Live<T, TStats> {
  /** Ends it: pending reads answer `done`. Idempotent. */
  close(): void;
  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** The same as a web stream. Cancelling it ends this. */
  toReadableStream(): ReadableStream<T>;
  /**
   * The same as a response of server-sent events, for a route handler: with event ids, heartbeats and the headers that
   * proxies need. With the browser's request it resumes after its `Last-Event-ID`, and ends when the browser leaves.
   * `docs/feeds.md` lists the events. Read either the response or this.
   *
   * @throws {ArgumentError} on options out of range; `ERR_ALREADY_READ` after parts of `withStreams()` were read
   * @throws {TypeError} when a stream is locked by another reader
   */
  toResponse(request?: EventsRequest, options?: ToResponseOptions): Response;
  /** Its counts so far. */
  stats(): TStats;
}

/** Live values as a web stream: `for await`, `getReader()`, `pipeThrough()`, `new Response(stream)` and so on. */
export type LiveStream<T, TStats = SubscriptionStats> = AsyncIterableStream<T> & Live<T, TStats>;

/**
 * Live runs. Yields each at once and then at each change; the subscription to one run ends when the run is finished.
 *
 * One reader sees every final state; a slow reader sees the latest state of a run instead of each one (defects.md 9).
 *
 * A failure that cannot be retried rejects the pending `next()` with a typed error (defects.md 1): {@link ApiError} and
 * its kin when the server refuses, {@link ProtocolError} when the server is no Trigger.dev server,
 * {@link NoProgressError} and {@link TimeoutError} when it responds without any progress, or not at all.
 */
export interface RunSubscription<TRunTypes extends AnyRunTypes> extends Live<RunShape<TRunTypes>, SubscriptionStats> {
  [Symbol.asyncIterator](): AsyncIterator<RunShape<TRunTypes>, undefined>;
  /** A reader over {@link Live.toReadableStream}. */
  getReader(): ReadableStreamDefaultReader<RunShape<TRunTypes>>;
  /**
   * The next state of a run. Calls may overlap: they are answered in order.
   *
   * @throws {ApiError} or its kin, {@link ProtocolError}, {@link NoProgressError}, {@link TimeoutError}: the failure that
   * ends the subscription; the signal's reason where that ended it
   */
  next(): Promise<IteratorResult<RunShape<TRunTypes>, undefined>>;
  /** Ends the subscription. `break` calls it. */
  return(value?: unknown): Promise<IteratorResult<RunShape<TRunTypes>, undefined>>;
  /** Ends the subscription: the official name of {@link Live.close}. */
  unsubscribe(): void;
  /**
   * The runs with the chunks of their streams, in the official shapes. It ends when the run is finished and its streams
   * are drained (defects.md 4); a stream that fails rejects it with a typed error (defects.md 3). Read either this or
   * the subscription itself. As a response it is the events `run`, with a run, and `chunk`, with a
   * {@link StreamChunkEvent}.
   *
   * @example
   * for await (const part of runs.subscribeToRun(id).withStreams<{ ai: string }>()) {
   *   if (part.type === "ai") process.stdout.write(part.chunk);
   *   else console.log(part.run.status);
   * }
   *
   * @throws {ArgumentError} `ERR_ALREADY_READ` when it is called again; `ERR_INVALID_ID` on a key that cannot be one
   */
  withStreams<TStreams extends Record<string, any>>(
    options?: WithStreamsOptions<keyof TStreams>,
  ): LiveStream<RunWithStreamsResult<RunShape<TRunTypes>, TStreams>, WithStreamsStats>;
}
