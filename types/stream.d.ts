/** Streams of runs: the chunks that a run writes, read live, and input streams, which send data to a run. */

import type { ApiRequestOptions, CallBounds } from "./config.js";
import type { LiveStream, SubscriptionState, WatchOptions } from "./subscription.js";
import type { AnyRunHandle } from "./task.js";

/** The counts of a read of a stream. */
export interface StreamStats {
  /** Its state; `"idle"` before the first read. */
  state: SubscriptionState | "idle";
  /** Why it is over: the stream is complete, or nothing came for `timeoutInSeconds`; `null` while it is not over. */
  ending: "complete" | "idle" | null;
  /** Requests sent, repeated ones included. */
  requests: number;
  /** Requests that were repeats after a failure. */
  retries: number;
  /** Chunks received, without repeated ones. */
  chunks: number;
  /** Bytes of bodies received, after decompression. */
  bytes: number;
  /** Bytes that were received and not read yet; above a bound no more are received (defects.md 9). */
  unreadBytes: number;
}

/**
 * The chunks of a stream, live. As a response each is an event `chunk`; a browser that reconnects with the id of one
 * gets those after it, each once, read from there on the server; the end is an event `end` with a {@link
 * StreamEndEvent}.
 */
export type RealtimeStream<T> = LiveStream<T, StreamStats>;

/** The options of {@link streams.read}. The official ones are `signal`, `timeoutInSeconds`, `startIndex` and `from`. */
export type ReadStreamOptions = WatchOptions & {
  /** Ends the read: the loop ends normally. */
  signal?: AbortSignal | undefined;
  /** How long without a chunk until the stream counts as over, in seconds, 1 to 600. @default 60 */
  timeoutInSeconds?: number | undefined;
  /** How many chunks to skip, 0 or more. */
  startIndex?: number | undefined;
  /** Whether to start with the chunks that were written before, or with those from now on. @default "beginning" */
  from?: "beginning" | "latest" | undefined;
};

/**
 * The options of `send` of an input stream: the bounds of the call, beside the official `requestOptions` and over them.
 */
export type SendInputStreamOptions = CallBounds & {
  /** As of every call: over those of {@link configure}. */
  requestOptions?: (ApiRequestOptions & CallBounds) | undefined;
};

/** The options of {@link streams.define}. */
export type RealtimeDefineStreamOptions = {
  /** The stream's key. */
  id: string;
};

/** Works in tasks only, with the official SDK: here it throws a {@link TriggerNativeError}, `ERR_TASK_ONLY`. */
type TaskOnly = (...args: unknown[]) => never;

/** A stream's key with the type of its chunks. Writing to it is for tasks, and stays with the official SDK. */
export type DefinedStream<TPart> = {
  id: string;
  /** The same as {@link streams.read} with this key. */
  read: (run: string | AnyRunHandle, options?: ReadStreamOptions) => Promise<RealtimeStream<TPart>>;
  /** @deprecated In tasks only: throws here. */
  pipe: TaskOnly;
  /** @deprecated In tasks only: throws here. */
  append: TaskOnly;
  /** @deprecated In tasks only: throws here. */
  writer: TaskOnly;
};

/** An input stream's id with the type of its data. Receiving is for tasks, and stays with the official SDK. */
export type DefinedInputStream<TData> = {
  id: string;
  /**
   * Sends data to a run, up to 1 MB as JSON.
   *
   * @throws {BadRequestError} when the run is over, {@link NotFoundError} when there is none, {@link ApiError} with
   * status 413 when the data is too large
   */
  send: (run: string | AnyRunHandle, data: TData, options?: SendInputStreamOptions) => Promise<void>;
  /** @deprecated In tasks only: throws here. */
  on: TaskOnly;
  /** @deprecated In tasks only: throws here. */
  once: TaskOnly;
  /** @deprecated In tasks only: throws here. */
  peek: () => TData | undefined;
  /** @deprecated In tasks only: throws here. */
  wait: TaskOnly;
  /** @deprecated In tasks only: throws here. */
  waitWithIdleTimeout: TaskOnly;
};

/** The type of a defined stream's chunks: of ours, and of the official SDK's. */
export type InferStreamType<T> = T extends {
  read: (run: any, ...rest: any[]) => Promise<AsyncIterable<infer TPart>>;
}
  ? TPart
  : unknown;

/** The type of a defined input stream's data: of ours, and of the official SDK's. */
export type InferInputStreamType<T> = T extends { send: (run: any, data: infer TData, ...rest: any[]) => Promise<void> }
  ? TData
  : unknown;

/**
 * Streams of runs.
 *
 * A read loses no chunk and repeats none, also across dropped connections (defects.md 12, 13), ends when the stream is
 * complete or idle for `timeoutInSeconds`, and rejects with a typed error otherwise (defects.md 3).
 *
 * All of these throw {@link ArgumentError} on an id or key that cannot be one (defects.md 8), and on options of the
 * wrong type or out of range.
 */
export const streams: {
  /** Reads the stream of a run with the key `"default"`. */
  read<T>(run: string | AnyRunHandle, options?: ReadStreamOptions): Promise<RealtimeStream<T>>;
  /**
   * Reads a stream of a run.
   *
   * @example
   * const chunks = await streams.read<string>(runId, "ai", { signal: request.signal });
   * for await (const chunk of chunks) process.stdout.write(chunk);
   *
   * @throws {ArgumentError} on an id or key that cannot be one (defects.md 8), and on options out of range
   */
  read<T>(run: string | AnyRunHandle, key: string, options?: ReadStreamOptions): Promise<RealtimeStream<T>>;
  /** Names a stream and the type of its chunks once, for many reads. */
  define<TPart>(options: RealtimeDefineStreamOptions): DefinedStream<TPart>;
  /** Names an input stream and the type of its data once, for many sends. */
  input<TData>(options: { id: string }): DefinedInputStream<TData>;
};
