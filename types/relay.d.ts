/// <reference lib="esnext.disposable" />

/** The relay: the server's realtime protocol on an app's own origin, one upstream for any number of viewers. */

import type { PublicTokenPermissions, RealtimeRunSkipColumns } from "./auth.js";

/**
 * The routes that a relay can serve: feeds of one run, by tag and of a batch; streams of runs; triggering one task, and
 * many; completing wait tokens; writing to input streams; retrieving runs; session channels.
 */
export type RelayFamily =
  | "runs"
  | "tags"
  | "batches"
  | "streams"
  | "trigger"
  | "batchTrigger"
  | "waitTokens"
  | "inputs"
  | "retrieve"
  | "sessions";

/** The permissions that `authorize` grants a viewer. */
export interface RelayGrant {
  /**
   * As {@link auth.createPublicToken} takes them, or written out as a token holds them, such as
   * `["read:runs:run_1234"]`. None grants nothing. @default []
   */
  scopes?: string[] | PublicTokenPermissions | undefined;
  /** Columns that this viewer never gets, on top of those its requests leave out. @default [] */
  skipColumns?: RealtimeRunSkipColumns | undefined;
  /**
   * Names the viewer, such as a user's id; not empty. Viewers of one name count for `viewersPerToken` as those of one
   * token do. @default none: only the limits of a feed and in all hold
   */
  id?: string | undefined;
}

/** Limits of a relay: whole numbers above 0. Beyond one, a viewer gets 429 with `Retry-After`. */
export interface RelayLimits {
  /**
   * Held polls, open streams, wants of live streams and requests passed through of one token, or of one `id` of
   * {@link RelayGrant}.
   *
   * @default 1000
   */
  viewersPerToken?: number | undefined;
  /**
   * Polls of one browser over HTTP/1.x without TLS that are held for their full time; its open streams count among them.
   * Polls beyond it are answered within a second, as one without news is, the sooner the more of them wait in the
   * browser: its six connections are not all taken.
   *
   * @default 3
   */
  heldPerBrowser?: number | undefined;
  /** Held polls and open streams of one feed or stream. @default 20000 */
  viewersPerFeed?: number | undefined;
  /** Held polls and open streams in all. @default 50000 */
  viewers?: number | undefined;
  /** Distinct feeds kept at once, and streams likewise: one without a viewer makes way. @default 10000 */
  feeds?: number | undefined;
  /**
   * Distinct feeds that one token began and that are kept, and streams likewise: its own make way first. @default 1000
   */
  feedsPerToken?: number | undefined;
  /**
   * Requests passed through to the server that are under way: one whose own viewer is waited for makes way.
   * @default 1000
   */
  passing?: number | undefined;
  /** Calls of `authorize` under way. @default 1000, or `viewers` where those are fewer */
  authorizing?: number | undefined;
  /** The longest query of a request, in bytes; beyond it 414. @default 8192 */
  queryBytes?: number | undefined;
  /** The longest body of a request that is passed through, in bytes. @default 10485760 */
  bodyBytes?: number | undefined;
  /** The most a request's headers may take, in bytes; beyond it 431. @default 16384 */
  headerBytes?: number | undefined;
  /**
   * Open connections of all listeners. Beyond it the one that is idle for longest makes way; where none is idle the new
   * one gets 503 with `Retry-After`. @default 60000
   */
  connections?: number | undefined;
  /** Requests at once on one HTTP/2 connection of a listener, as its settings say. @default 1000 */
  streamsPerConnection?: number | undefined;
  /**
   * Bytes of responses that viewers have not read yet; a body that many share counts once. The places that live
   * requests bring count, too, until they were compared. Beyond it a viewer gets 429, and so does one whose own token holds a
   * quarter of it.
   * @default 268435456
   */
  bytesUnderWay?: number | undefined;
  /** How long a viewer may read nothing of a response, in milliseconds; then it is dropped. @default 30000 */
  sendTimeoutMs?: number | undefined;
}

/** The budget of a relay's connections to the server, which subscriptions of the same process and environment share. */
export interface RelayUpstream {
  /**
   * Long-polls at once: a whole number from 1, or 0 for no limit. Feeds beyond it share one long-poll, that of the whole
   * environment. The last value given for an environment counts.
   *
   * @default 8, below the 10 of the smallest plan; 200 where the server's feeds are Electric's
   */
  connections?: number | undefined;
  /** Follow the runs with this tag in place of all runs of the environment: for one most of whose runs nobody watches. */
  tag?: string | undefined;
  /**
   * Rows a second of runs that nobody watches, on the average of 10 s. Beyond it the environment's feed is given up for
   * five minutes: feeds take turns then, and are checked every few seconds. @default 200
   */
  rowsPerSecond?: number | undefined;
  /** Bytes of such rows a second, likewise. @default 262144 */
  bytesPerSecond?: number | undefined;
}

/** The options of {@link createRealtimeHandler}. */
export interface RealtimeHandlerOptions {
  /**
   * The environment's secret key. It follows shared feeds and streams and verifies viewers' tokens. For a viewer's own
   * request it is sent only where `authorize` let the viewer in and no shared feed or stream has the data. It cannot be
   * a function.
   *
   * @default what {@link configure} was given, `TRIGGER_SECRET_KEY`, then `TRIGGER_ACCESS_TOKEN`
   */
  accessToken?: string | undefined;
  /**
   * The Trigger.dev server, `http` or `https`.
   *
   * @default what {@link configure} was given, `TRIGGER_API_URL`, then `https://api.trigger.dev`
   */
  baseURL?: string | undefined;
  /**
   * The prefix of the server's paths: the path of the route, such as `/api/trigger`. Where it is given, no other path
   * is served.
   *
   * @default the part before the first `/realtime/v1/`, `/api/v1/`, `/api/v2/` or `/api/v3/` of a path
   */
  basePath?: string | undefined;
  /**
   * Decides by the request itself, such as its session cookie, which data a viewer may see, instead of a public token.
   * The relay calls it for each request except preflights and the metrics. `null`, `undefined` and `false` give 401; a
   * `Response`, returned or thrown, is sent as it is. Any other error gives 500 without its message, which goes to
   * `process.emitWarning`. The relay reads the request's body: read that
   * of a `request.clone()`. The `Request` has a body with `handler(request)` alone, and none with `handler.node` and
   * `handler.listen()`.
   */
  authorize?(
    request: Request,
  ): RelayGrant | Response | null | undefined | false | Promise<RelayGrant | Response | null | undefined | false>;
  /** How long `authorize` may take, in milliseconds; then a viewer gets 503 with `Retry-After`. @default 10000 */
  authorizeTimeoutMs?: number | undefined;
  /**
   * Origins whose pages may send the app's cookies and read the responses, such as `["https://app.example"]`. Where
   * `authorize` decides, a page of any other origin is refused (403), for it would act as its visitor.
   *
   * @default the relay's own origin
   */
  allowOrigins?: string[] | undefined;
  /** The routes to serve; any other gets 404. @default everything */
  allow?: RelayFamily[] | undefined;
  /** The limits of what is served at once. */
  limits?: RelayLimits | undefined;
  /** The budget of connections to the server (docs/relay.md, "Connections"). */
  upstream?: RelayUpstream | undefined;
  /** How long a feed or stream is kept after its last viewer, in milliseconds. @default 5000 */
  keepMs?: number | undefined;
  /** How long a live poll without news is held, give or take 15 %, in milliseconds. @default 20000, in Bun 6500 */
  holdMs?: number | undefined;
  /**
   * Serves counters as Prometheus text, without authorization: `true` at `/metrics`, a string at that whole path.
   *
   * @default false
   */
  metrics?: boolean | string | undefined;
}

/** The options of {@link RealtimeHandler.listen}. */
export interface RelayListenOptions {
  /** 0 is any free one. @default 0 */
  port?: number | undefined;
  /** An IP address of this machine, or `localhost`; `0.0.0.0` is every one. @default "127.0.0.1" */
  host?: string | undefined;
  /**
   * Serves TLS, HTTP/2 or HTTP/1.1 as the client asks (ALPN). Each is the content of a PEM file: the server's certificate,
   * followed by those that lead to its authority if any, and its private key without a passphrase (RSA, ECDSA or Ed25519).
   * The certificate is read once: to use a new one, listen anew. @default none: no TLS
   */
  tls?: { cert: string | Uint8Array; key: string | Uint8Array } | undefined;
}

/** A relay on a port of its own. */
export interface RelayListener {
  /** The URL, such as `http://127.0.0.1:41234`; with TLS `https:`, of the address, which the certificate need not name. */
  readonly url: string;
  /**
   * Stops listening; held requests end within about a second, live responses with `again`, and a request that waits for
   * `authorize` gets 503. Idempotent.
   */
  close(): Promise<void>;
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The counts of a relay since its first request, from the handler, `node` and `listen` together. Each is exact;
 * together they are of nearly the same moment.
 */
export interface RealtimeStats {
  /** Open polls, streams and wants of live streams: how many now, and the most at once so far. */
  viewers: { now: number; peak: number };
  /** Feeds that are shared now, including those that are kept for `keepMs` after their last viewer. */
  feeds: number;
  /** Streams of runs that are shared now, likewise. */
  streams: number;
  upstream: {
    /** Requests to the server that are under way: long-polls, one for each stream, and those of viewers' own. */
    connections: number;
    /** What the budget of the environment is held for, by everything in this process; `null` without a limit. */
    budget: {
      /** Long-polls that may be held at once; fewer for a while after the server refused one (429). */
      connections: number;
      /** Long-polls of feeds that have one of their own. */
      own: number;
      /** Whether the environment's feed is followed, which is one long-poll more. */
      environment: boolean;
      /** Whether it was given up for a while, because most of its runs are watched by nobody. */
      costly: boolean;
      /** Feeds without a long-poll of their own. */
      shared: number;
      /** Those of them that nothing tells of changes: they are checked every few seconds. */
      polling: number;
    } | null;
    /** Requests for shared feeds and streams that the server was sent so far. */
    requests: number;
  };
  /** Rows that changed and parts of streams that viewers were given. */
  updates: number;
  /** Bytes of bodies that viewers were sent; of compressed ones, the compressed bytes. */
  bytes: number;
  /** Requests that were passed through to the server. */
  passed: number;
  /** Requests passed through that are under way: how many now, and the most at once so far. */
  passing: { now: number; peak: number };
  /** Calls of `authorize` under way, likewise. */
  authorizing: { now: number; peak: number };
  /** How many viewers came beyond each of the `limits`, by its name; `streamsPerConnection` is not counted. */
  limited: Record<Exclude<keyof RelayLimits, "streamsPerConnection">, number>;
  /** Open connections of listeners: how many now, and the most at once so far. */
  connections: {
    now: number;
    peak: number;
    /** Idle ones that were closed for new ones. */
    evicted: number;
  };
  /** Bytes of responses that viewers have not read yet, and of the places that live requests brought: now. */
  bytesUnderWay: number;
  /** Refusals. */
  refusals: {
    /** 401: no token, an invalid one, or nothing that `authorize` grants. */
    token: number;
    /** 403: without the scope. */
    scope: number;
    /** 404: no such route, run or batch, or one that `allow` leaves out. */
    unknown: number;
    /** 413, 414 and 431: a body, query or headers too long. */
    size: number;
    /** 429: a limit was reached. */
    limit: number;
    /** 502 to 504: the server could not be asked. */
    upstream: number;
  };
  /** The delay from an update's arrival here to the waking of a held viewer, as a histogram. */
  lag: {
    /** How many were measured. */
    count: number;
    /** All of them together, in milliseconds. */
    sumMs: number;
    /** The upper bounds of `counts`, in milliseconds. */
    boundsMs: number[];
    /** How many were within each bound and above the one before it; the last one counts those above all bounds. */
    counts: number[];
  };
}

/** The part that is needed of a request of Node's `http` or `http2`, or of Express. */
export interface NodeRequest {
  method?: string | undefined;
  url?: string | undefined;
  rawHeaders: string[];
  headers: Record<string, string | string[] | undefined>;
}

/** The response beside a {@link NodeRequest}. */
export interface NodeResponse {
  writeHead(status: number, ...rest: any[]): unknown;
  end(...rest: any[]): unknown;
}

/** A handler of web requests, for Node's `http` too, and as a listener. */
export interface RealtimeHandler {
  /** The same for loaders and actions, which get their `request` in an object. */
  (given: { request: Request }, ...rest: unknown[]): Promise<Response>;
  /**
   * Answers one request; other arguments of a framework are ignored. The request's signal ends a held poll or stream.
   *
   * Without a secret key, or with a base URL that cannot work, the answer is 500 with what to set, and the process is
   * warned once.
   *
   * @throws {ArgumentError} for a value that is no request (`ERR_INVALID_REQUEST`)
   */
  // The last of the two: of several, Next.js checks a route by that one.
  (request: Request, ...rest: unknown[]): Promise<Response>;
  /**
   * Answers a request of Node's `http` or `http2`, or of Express: `app.use("/api/trigger", handler.node)`. Put it
   * before body parsers. With `next`, paths that cannot be the relay's go on to it. Never rejects.
   */
  node(req: NodeRequest, res: NodeResponse, next?: (error?: any) => void): Promise<void>;
  /**
   * Serves the same from the package's own threads, over HTTP/1.1 and HTTP/2, with or without TLS. Keeps the process alive
   * until it is closed.
   *
   * @throws {ArgumentError} on a wrong option, a certificate or a key that cannot be used (`ERR_INVALID_OPTIONS`); {@link ConfigError} without a secret key, when the
   * port is taken (`ERR_RELAY_PORT`), and on a closed handler (`ERR_CLOSED`)
   */
  listen(options?: RelayListenOptions): Promise<RelayListener>;
  /** The counts of this handler, all 0 before its first request. Fast enough to be called every second. */
  stats(): RealtimeStats;
  /**
   * Ends held polls and streams, every upstream and every listener. Requests are answered 503 from then on, and
   * those that wait for `authorize`, too. Idempotent. A handler that is not closed keeps no process alive, except by the requests it holds for viewers.
   */
  close(): Promise<void>;
}

/**
 * Makes a handler that serves Trigger.dev's realtime API on your own origin, so that `@trigger.dev/react-hooks` works
 * with its `baseURL` pointing there and a thousand viewers of a run take one connection to the server. See
 * `docs/relay.md`.
 *
 * The first request reads the environment and connects, so that a build needs no key.
 *
 * @throws {ArgumentError} on an option that is unknown or wrong (`ERR_INVALID_OPTIONS`)
 *
 * @example
 * // app/api/trigger/[...path]/route.ts
 * const handler = createRealtimeHandler();
 * export { handler as GET, handler as POST, handler as PUT, handler as HEAD, handler as OPTIONS };
 */
export function createRealtimeHandler(options?: RealtimeHandlerOptions): RealtimeHandler;
