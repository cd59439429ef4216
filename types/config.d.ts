/** The server and key of calls, and the options that every call takes. */

/**
 * How a failed call is tried again. Every member is optional.
 *
 * A call is repeated only where it can succeed later: without a response, at 408, 409, 429 and 5xx, and where the
 * server's `x-should-retry` header says so (docs/calls.md).
 */
export interface RetryOptions {
  /** Attempts in all, the first included. @default 5 */
  maxAttempts?: number | undefined;
  /** The factor from each wait to the next. @default 1.6 */
  factor?: number | undefined;
  /** The first wait, in milliseconds. @default 1000 */
  minTimeoutInMs?: number | undefined;
  /** The longest wait, in milliseconds, also where a server asks for more (defects.md 19). @default 30000 */
  maxTimeoutInMs?: number | undefined;
  /** Waits are drawn at random below their limit. @default true */
  randomize?: boolean | undefined;
}

/** Settings of the calls a client makes. */
export interface ApiRequestOptions {
  /** How failed calls are tried again. */
  retry?: RetryOptions | undefined;
  /** Headers to add to every request. */
  additionalHeaders?: Record<string, string> | undefined;
}

/** The bounds of one call (defects.md 19). */
export interface CallBounds {
  /** Ends the call, which then rejects with the signal's reason. An aborted one sends no request (defects.md 17). */
  signal?: AbortSignal | undefined;
  /**
   * The longest the whole call may take, in milliseconds, its repeats included; it then rejects with a
   * {@link TimeoutError}. A whole number above 0.
   *
   * @default 30000 for the claims behind tokens, with at most 10 s an attempt; 60000 for other calls, with at most 30 s
   */
  timeoutInMs?: number | undefined;
}

/** Settings of one call: the official ones, and its bounds. */
export interface CallOptions extends ApiRequestOptions, CallBounds {}

/** Settings of the public token that a handle carries. */
export interface TriggerJwtOptions {
  /** When it ends, as {@link TokenExpiration} says. @default 1 hour from now */
  expirationTime?: number | Date | string | undefined;
}

/** Settings of one call that triggers. */
export interface TriggerApiRequestOptions extends CallOptions {
  /** Settings of the public token that the handle carries. */
  publicAccessToken?: TriggerJwtOptions | undefined;
  /** The server and key of this one call, over those of {@link configure}. */
  clientConfig?: ApiClientConfiguration | undefined;
}

/** Server, key, branch and the settings of calls. Every member has a default from the environment. */
export interface ApiClientConfiguration {
  /**
   * The server's URL, `http` or `https`; a trailing `/` is dropped.
   *
   * @default `TRIGGER_API_URL`, then `https://api.trigger.dev`
   */
  baseURL?: string | undefined;
  /**
   * The secret key, `tr_dev_…` or `tr_prod_…` and so on, or a public token, or a function that makes one. The function
   * is called once for all calls, subscriptions and streams of a configuration: when a token is first needed, 30 s (or
   * a tenth of its life, if that is less) before the token expires, and when a server refuses it (defects.md 5). After
   * 30 s without a token the call fails: with a {@link TimeoutError} where there was no token before, else with the
   * server's refusal and that as its `cause`. An error of the function rejects the calls that need a first token.
   *
   * @default `TRIGGER_SECRET_KEY`, then `TRIGGER_ACCESS_TOKEN`
   */
  accessToken?: string | (() => string | Promise<string>) | undefined;
  /** @deprecated Use `accessToken`. Where both are given this one wins, as in the official SDK. */
  secretKey?: string | undefined;
  /**
   * The preview branch; an empty one means none.
   *
   * @default `TRIGGER_PREVIEW_BRANCH`, `VERCEL_GIT_COMMIT_REF`, then `TRIGGER_DEV_BRANCH` unless it is `default`
   */
  previewBranch?: string | undefined;
  /** Settings of the calls made with this configuration. */
  requestOptions?: ApiRequestOptions | undefined;
  /**
   * Makes a fresh token instead of `accessToken`. It is called once for all calls, subscriptions and streams, shortly
   * before the token in use expires and when a server refuses it; the loops that read them go on (defects.md 5). It may
   * take 30 s. A call that was refused is made once more. Like `accessToken` it runs in the async context where it was
   * given: given to `configure()` it sees no `AsyncLocalStorage` of a request, whose token belongs into
   * `auth.withAuth()`.
   */
  refreshAccessToken?: (() => Promise<string>) | undefined;
  /**
   * Pins the runs triggered with this configuration to the deployment of that external id. The option of a trigger
   * wins over it.
   *
   * @default `TRIGGER_EXTERNAL_DEPLOYMENT_ID`
   */
  externalDeploymentId?: string | undefined;
  /** `v2RealtimeStreams: false` asks for streams of the first version. */
  future?: { v2RealtimeStreams?: boolean } | undefined;
  /**
   * The budget of upstream connections of run subscriptions (docs/feeds.md, "Many at once"). Not in the official SDK.
   */
  realtime?:
    | {
        /**
         * Long-polls at once, of all subscriptions and relays of the environment in this process: a whole number from 1, or 0
         * for no limit. Feeds beyond it share one long-poll. The last value given for an environment counts.
         *
         * @default 8, below the 10 of the smallest plan; 200 where the server's feeds are Electric's
         */
        connections?: number | undefined;
      }
    | undefined;
}

/**
 * A receiver of log lines, such as `console`. The functions that it has decide how much is logged. An error that one
 * throws, or rejects with, is ignored. A logger that takes its fields first, such as pino, is wrapped:
 * `{ warn: (message, fields) => pino.warn(fields, message) }`.
 */
export interface Logger {
  /** Connections that open and close. */
  debug?(message: string, fields: LogFields): void;
  /** Feeds, streams and a relay's upstreams that start and end. */
  info?(message: string, fields: LogFields): void;
  /** Retries, refusals, connections that failed. */
  warn?(message: string, fields: LogFields): void;
  /** Faults of this package that ended something. */
  error?(message: string, fields: LogFields): void;
}

/** The subject of a log line: ids, paths without their queries, statuses, codes, milliseconds. Never a secret. */
export type LogFields = Record<string, string | number>;

/** The options of {@link configure}. */
export interface ConfigureOptions extends ApiClientConfiguration {
  /**
   * Receives the log lines of this process, from every thread: docs/relay.md, "Logging". Without it and without
   * `TRIGGER_NATIVE_LOG` nothing is logged, at no cost. A later call without one ends it.
   */
  logger?: Logger | undefined;
}

/**
 * Sets the configuration of later calls, for this process. An option that is missing comes from the environment. For
 * several keys in one process see {@link TriggerClient} and {@link auth.withAuth}.
 *
 * @throws {ConfigError} on an option that is unknown or of the wrong type. Key and URL are checked by the call that needs
 * them.
 *
 * @example
 * configure({ accessToken: process.env.MY_KEY, baseURL: "https://trigger.example.com" });
 */
export function configure(options: ConfigureOptions): void;
