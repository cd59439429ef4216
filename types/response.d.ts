/** Server-sent events out of what comes live. */

/** The browser's request: a web `Request`, or as much of one as is needed. */
export interface EventsRequest {
  /** `Last-Event-ID` is read. */
  headers: Headers | Record<string, string | string[] | undefined>;
  /** Ends the response when the browser leaves. */
  signal?: AbortSignal | null;
}

/** What {@link Live.toResponse} takes. */
export interface ToResponseOptions {
  /** Headers to add to ours, and over them. */
  headers?: ConstructorParameters<typeof Headers>[0];
  /**
   * A comment is sent after so long a silence, in milliseconds, so that no proxy takes it for the end.
   *
   * @default 15000
   */
  heartbeatInMs?: number;
  /** How long a browser waits before it comes back, in milliseconds. @default the browser's own */
  retryInMs?: number;
  /**
   * Whether values go as superjson, which keeps dates, maps, sets and bigints. In plain JSON dates are ISO texts, maps
   * lists of pairs, sets lists, and bigints and regular expressions texts.
   *
   * @default false
   */
  superjson?: boolean;
  /** The clock of the heartbeats, for tests. @default the process's own */
  timer?: Pick<typeof globalThis, "setTimeout" | "clearTimeout">;
}
