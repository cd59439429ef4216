/** Server-sent events of subscriptions and streams. */

/** The browser's request: a web `Request`, or the part of one that is needed. */
export interface EventsRequest {
  /** `Last-Event-ID` is read. */
  headers: Headers | Record<string, string | string[] | undefined>;
  /** Ends the response when the browser leaves. */
  signal?: AbortSignal | null;
}

/** The data of a `chunk` event of runs and their streams: a chunk of the stream `type` of the run `runId`. */
export interface StreamChunkEvent<TKey extends PropertyKey = string, TChunk = unknown> {
  /** The stream's key. */
  type: TKey;
  /** Missing where the writer left it undefined. */
  chunk: TChunk;
  /** The run's id. */
  runId: string;
}

/**
 * The data of a `restart` event of runs and their streams: the next `chunk` of this stream is its first one, so the
 * page drops the chunks it has. Of a single stream it is empty.
 */
export interface StreamRestartEvent<TKey extends PropertyKey = string> {
  /** The stream's key. */
  type: TKey;
  /** The run's id. */
  runId: string;
}

/** The data of the `end` event of a single stream. */
export interface StreamEndEvent {
  /** `"complete"`: nothing more can come. `"idle"`: nothing came for `timeoutInSeconds`. */
  ending: "complete" | "idle";
}

/** The options of {@link Live.toResponse}. */
export interface ToResponseOptions {
  /** Headers to add to the defaults, and over them. */
  headers?: ConstructorParameters<typeof Headers>[0] | undefined;
  /**
   * The silence after which a comment is sent, in milliseconds, so that no proxy takes it for the end.
   *
   * @default 15000, in Bun 7000
   */
  heartbeatInMs?: number | undefined;
  /** How long a browser waits before it reconnects, in milliseconds. @default the browser's own */
  retryInMs?: number | undefined;
  /**
   * Whether values are written as superjson, which keeps dates, maps, sets and bigints. In plain JSON dates are ISO
   * texts, maps lists of pairs, sets lists, and bigints and regular expressions texts.
   *
   * @default false
   */
  superjson?: boolean | undefined;
  /** The clock of the heartbeats, for tests. @default the process's own */
  timer?: Pick<typeof globalThis, "setTimeout" | "clearTimeout"> | undefined;
}
