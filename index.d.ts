/// <reference lib="esnext.disposable" />

/**
 * Mint Trigger.dev public tokens and follow runs from a Node server, natively.
 *
 * A replacement for the server-side surface of `@trigger.dev/sdk` 4.8: same names, same options, same values. What is
 * added or different says so. Facts about the server are those of its own answers, as recorded and written down in
 * this project's protocol notes ("protocol.md") and list of defects ("defects.md").
 */

// ---------------------------------------------------------------------------------------------------------------------
// Configuration
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How a failed call is tried again. Every member is optional.
 *
 * Source: protocol.md 6. Only what can succeed later is repeated: no answer at all, 408, 409, 429, 5xx, and whatever
 * the server's `x-should-retry` header says.
 */
export interface RetryOptions {
  /** Attempts in all, the first included. @default 5 */
  maxAttempts?: number;
  /** What each wait is multiplied by for the next. @default 1.6 */
  factor?: number;
  /** The first wait, in milliseconds. @default 1000 */
  minTimeoutInMs?: number;
  /** The longest wait, in milliseconds; also caps what a server asks for (defects.md 19). @default 30000 */
  maxTimeoutInMs?: number;
  /** Waits are drawn at random below their limit. @default true */
  randomize?: boolean;
}

/** Settings of the calls a client makes. */
export interface ApiRequestOptions {
  /** How failed calls are tried again. */
  retry?: RetryOptions;
  /** Headers to add to every request. */
  additionalHeaders?: Record<string, string>;
  /**
   * The longest a whole call may take, in milliseconds, its repeats included (defects.md 19).
   *
   * @default 30000 for the claims behind tokens, with at most 10 s an attempt; 60000 for other calls, with at most 30 s
   */
  timeoutInMs?: number;
}

/** Settings of one call. */
export interface CallOptions extends ApiRequestOptions {
  /** Ends the call, which then rejects with the signal's reason (defects.md 19). */
  signal?: AbortSignal;
}

/** What {@link configure} takes. Every member has a default from the environment. */
export interface ApiClientConfiguration {
  /**
   * The server's URL, `http` or `https`; a trailing `/` is dropped.
   *
   * @default `TRIGGER_API_URL`, then `https://api.trigger.dev` (protocol.md 1)
   */
  baseURL?: string;
  /**
   * The secret key, `tr_dev_…` or `tr_prod_…` and so on.
   *
   * @default `TRIGGER_SECRET_KEY`, then `TRIGGER_ACCESS_TOKEN` (protocol.md 1)
   */
  accessToken?: string;
  /** @deprecated Use `accessToken`. Where both are given this one wins, as in the official SDK. */
  secretKey?: string;
  /**
   * The preview branch.
   *
   * @default `TRIGGER_PREVIEW_BRANCH`, `VERCEL_GIT_COMMIT_REF`, then `TRIGGER_DEV_BRANCH` unless it is `default`
   * (protocol.md 1)
   */
  previewBranch?: string;
  /** Settings of the calls made with this configuration. */
  requestOptions?: ApiRequestOptions;
  /** Taken for the official SDK's sake; nothing here uses it yet. */
  refreshAccessToken?: () => Promise<string>;
  /** Taken for the official SDK's sake; nothing here uses it yet. */
  externalDeploymentId?: string;
  /** Taken for the official SDK's sake; nothing here uses it yet. */
  future?: { v2RealtimeStreams?: boolean };
}

/**
 * Sets what later calls use, for this process. What is not given comes from the environment.
 *
 * @throws {ConfigError} on an option that is unknown or of the wrong type. Whether a key is there, and whether the URL
 * is one, is looked at by the call that needs them.
 *
 * @example
 * configure({ accessToken: process.env.MY_KEY, baseURL: "https://trigger.example.com" });
 */
export function configure(options: ApiClientConfiguration): void;

// ---------------------------------------------------------------------------------------------------------------------
// Tokens
// ---------------------------------------------------------------------------------------------------------------------

/** Columns that a run feed can leave out (protocol.md 4). */
export type RealtimeRunSkipColumn =
  | "startedAt"
  | "delayUntil"
  | "queuedAt"
  | "expiredAt"
  | "completedAt"
  | "number"
  | "isTest"
  | "usageDurationMs"
  | "costInCents"
  | "baseCostInCents"
  | "ttl"
  | "payload"
  | "payloadType"
  | "metadata"
  | "output"
  | "outputType"
  | "runTags"
  | "error";

/** A list of columns to leave out. */
export type RealtimeRunSkipColumns = Array<RealtimeRunSkipColumn>;

/** What may be read or written. An id is a non-blank string; a list grants each of its ids. */
export type PublicTokenPermissionProperties = {
  /** Runs of these tasks, by task id. */
  tasks?: string | string[];
  /** Runs with one of these tags. */
  tags?: string | string[];
  /** These runs, by id; `true` for every run of the environment. */
  runs?: string | string[] | true;
  /** These batches and their runs, by id. */
  batch?: string | string[];
  /** These wait tokens, by id. */
  waitpoints?: string | string[];
  /** The input streams of these runs, by run id. */
  inputStreams?: string | string[];
  /** These sessions, by id or external id; an id can be narrowed, as in `my-session:out`. */
  sessions?: string | string[];
};

/** Everything a public token can grant. How a server reads it: protocol.md 3. */
export type PublicTokenPermissions = {
  /** What the bearer may read. */
  read?: PublicTokenPermissionProperties;
  /** What the bearer may write. */
  write?: PublicTokenPermissionProperties;
  /** Tasks the bearer may trigger, again and again: {@link auth.createTriggerPublicToken} makes one-time tokens. */
  trigger?: { tasks: string | string[] };
  /** Tasks the bearer may trigger in batches: see {@link auth.createBatchTriggerPublicToken}. */
  batchTrigger?: { tasks: string | string[] };
};

/**
 * When a token ends (protocol.md 3): a `Date`, cut to whole seconds; a number of Unix **seconds**; or a period from
 * now such as `"15m"`, `"1h"`, `"2 days"`, `"1.5 hours"`.
 */
export type TokenExpiration = number | Date | string;

/** What {@link auth.createPublicToken} takes. */
export type CreatePublicTokenOptions = {
  /**
   * What the token grants. A token without scopes can do nothing: under a root key it is made all the same, as the
   * official SDK does, with one warning per process; under any other key it is an error.
   */
  scopes?: PublicTokenPermissions;
  /** When it ends. @default 15 minutes from now */
  expirationTime?: TokenExpiration;
  /** Limits on the feeds the token opens. */
  realtime?: {
    /** Columns the server leaves out, on top of those a request leaves out. @default [] */
    skipColumns?: RealtimeRunSkipColumns;
  };
};

/** What {@link auth.createTriggerPublicToken} and {@link auth.createBatchTriggerPublicToken} take. */
export type CreateTriggerTokenOptions = {
  /** When it ends. @default 15 minutes from now */
  expirationTime?: TokenExpiration;
  /** Whether it can be used more than once. @default false */
  multipleUse?: boolean;
  /** Limits on the feeds opened with the token of the run it triggers. */
  realtime?: {
    /** Columns the server leaves out. @default [] */
    skipColumns?: RealtimeRunSkipColumns;
  };
};

/**
 * Public tokens: JSON Web Tokens that a browser may hold.
 *
 * With a root secret key they are signed here (protocol.md 3). The first one of a process asks the server once for the
 * environment's claims; those are kept for each base URL, key and branch, and no later token needs the network
 * (defects.md 14). With an additional key (`tr_…_sk_…`) or a run's token, the server makes each one.
 *
 * All of these throw:
 * - {@link ConfigError} when there is no key, or it is a public token, which never signs;
 * - {@link ArgumentError} on blank ids, unknown scope names, and an expiry that is past, negative, `NaN` or no period;
 * - {@link ApiError} and its kin when the server refuses or does not answer, {@link TimeoutError} when it does not in
 *   time. Nothing is kept then, and the next call asks again.
 */
export const auth: {
  /** The same as {@link configure}. */
  configure: typeof configure;
  /**
   * Makes a public token.
   *
   * @example
   * const token = await auth.createPublicToken({ scopes: { read: { runs: [run.id] } }, expirationTime: "1h" });
   */
  createPublicToken(options?: CreatePublicTokenOptions, requestOptions?: CallOptions): Promise<string>;
  /**
   * Makes a token that triggers the named task or tasks, once unless `multipleUse`. Each one-time token carries a
   * unique `jti`, so that two made in the same second are two tokens (defects.md 2).
   */
  createTriggerPublicToken(
    task: string | string[],
    options?: CreateTriggerTokenOptions,
    requestOptions?: CallOptions,
  ): Promise<string>;
  /** The same for triggering in batches. */
  createBatchTriggerPublicToken(
    task: string | string[],
    options?: CreateTriggerTokenOptions,
    requestOptions?: CallOptions,
  ): Promise<string>;
};

// ---------------------------------------------------------------------------------------------------------------------
// Runs: types inferred from tasks and handles
// ---------------------------------------------------------------------------------------------------------------------

/** The types of a run: its task's id, payload and output. */
export type RunTypes<TTaskIdentifier extends string, TPayload, TOutput> = {
  output: TOutput;
  payload: TPayload;
  taskIdentifier: TTaskIdentifier;
};

/** A run whose task is not known. */
export type AnyRunTypes = RunTypes<string, any, any>;

/**
 * Anything with the shape of the official SDK's `task()`, `schemaTask()` and so on. Told by shape, so that this
 * package needs no official one.
 */
export interface AnyTask {
  /** The task's id. */
  id: string;
  /** Its first parameter is the payload. */
  trigger: (payload: any, ...rest: any[]) => PromiseLike<{ id: string }>;
  /** What it resolves to, unwrapped, is the output. */
  triggerAndWait: (payload: any, ...rest: any[]) => { unwrap(): PromiseLike<any> };
}

/** Anything that names a run: what triggering returns. */
export interface AnyRunHandle {
  /** The run's id, `run_…`. */
  id: string;
  /** The id of its task. */
  taskIdentifier?: string;
}

/** The id of task `T`. */
export type TaskIdentifier<T extends AnyTask> = T["id"];

/** The payload of task `T`. */
export type TaskPayload<T extends AnyTask> = T["trigger"] extends (payload: infer TPayload, ...rest: any[]) => any
  ? TPayload
  : never;

/** The output of task `T`. */
export type TaskOutput<T extends AnyTask> = Awaited<ReturnType<ReturnType<T["triggerAndWait"]>["unwrap"]>>;

/**
 * The official handle type carries payload and output under keys that only the official package can name: its own type
 * is asked, where it is installed. Elsewhere this is `any`, and payload and output of a handle are `any` as well.
 */
// @ts-ignore: the official SDK is an optional peer
type OfficialHandle<TTaskIdentifier extends string, TPayload, TOutput> = import("@trigger.dev/sdk").RunHandle<
  TTaskIdentifier,
  TPayload,
  TOutput
>;

/** `Then` where `T` is `any`, else `Else`. */
type IfAny<T, Then, Else> = 0 extends 1 & T ? Then : Else;

/** The types behind a handle. */
type HandleTypes<T> = IfAny<
  OfficialHandle<string, any, any>,
  T extends { taskIdentifier: infer TTaskIdentifier extends string }
    ? RunTypes<TTaskIdentifier, any, any>
    : AnyRunTypes,
  T extends OfficialHandle<infer TTaskIdentifier extends string, infer TPayload, infer TOutput>
    ? RunTypes<TTaskIdentifier, TPayload, TOutput>
    : AnyRunTypes
>;

/** The types of the run that `T` names: a task's type, a handle's, or anything for a plain id. */
export type InferRunTypes<T> = T extends AnyTask
  ? RunTypes<TaskIdentifier<T>, TaskPayload<T>, TaskOutput<T>>
  : T extends AnyRunHandle
    ? HandleTypes<T>
    : AnyRunTypes;

/** What may be passed as the run, given `T`: a task's type is passed as the id of one of its runs. */
export type RunId<T> = T extends AnyTask ? string : T extends AnyRunHandle ? T : T extends string ? T : never;

// ---------------------------------------------------------------------------------------------------------------------
// Runs: the run object
// ---------------------------------------------------------------------------------------------------------------------

/** A JSON value. */
export type DeserializedJson =
  | string
  | number
  | boolean
  | null
  | { [key: string]: DeserializedJson }
  | DeserializedJson[];

/**
 * Where a run is (protocol.md 4).
 *
 * Exactly the official union, so that an exhaustive `switch` and an assignment to the official type still compile. A
 * newer server may send a status that is not in it: it arrives unchanged, not disguised as `QUEUED` (defects.md 21),
 * so keep a `default` branch where that matters.
 */
export type RunStatus =
  | "PENDING_VERSION"
  | "QUEUED"
  | "DEQUEUED"
  | "EXECUTING"
  | "WAITING"
  | "COMPLETED"
  | "CANCELED"
  | "FAILED"
  | "CRASHED"
  | "SYSTEM_FAILURE"
  | "DELAYED"
  | "EXPIRED"
  | "TIMED_OUT";

/** Why a run failed. */
export interface SerializedError {
  /** What happened. */
  message: string;
  /** The error's class, where the task threw one. */
  name?: string | undefined;
  /** The stack in the task's own code. */
  stackTrace?: string | undefined;
  /** The errors behind it, outermost first, where there are any. */
  causes?: { name?: string | undefined; message: string; stackTrace?: string | undefined }[] | undefined;
}

/**
 * A run as a feed tells it (protocol.md 4): the official object, and {@link RunShape.isFinished} and
 * {@link RunShape.decodeErrors}.
 *
 * A column that was skipped or has no value is 0, `[]` or `false` where the type is a number, a list or a flag, and
 * `undefined` elsewhere. Money is in US cents, durations in milliseconds.
 */
export type RunShape<TRunTypes extends AnyRunTypes> = TRunTypes extends AnyRunTypes
  ? {
      /** `run_…` */
      id: string;
      /** The id of the task. */
      taskIdentifier: TRunTypes["taskIdentifier"];
      /** What it was triggered with. `undefined` when skipped. */
      payload: TRunTypes["payload"];
      /** What it returned, once it has. */
      output?: TRunTypes["output"];
      createdAt: Date;
      updatedAt: Date;
      /** See {@link RunStatus}. */
      status: RunStatus;
      /** Time spent executing so far, in milliseconds. */
      durationMs: number;
      /** Cost of the machine time so far, in US cents. */
      costInCents: number;
      /** Cost of having been started, in US cents. */
      baseCostInCents: number;
      tags: string[];
      idempotencyKey?: string;
      expiredAt?: Date;
      /** How long it may wait to be started, as it was given: `"10m"`. */
      ttl?: string;
      /** Stays `undefined` for a run that was cancelled before it started (defects.md 22): see `isFinished`. */
      finishedAt?: Date;
      startedAt?: Date;
      delayedUntil?: Date;
      queuedAt?: Date;
      metadata?: Record<string, DeserializedJson>;
      /** Why it failed, if it did. */
      error?: SerializedError;
      isTest: boolean;
      /** Not started: PENDING_VERSION, QUEUED, DELAYED. */
      isQueued: boolean;
      /** DEQUEUED or EXECUTING. */
      isExecuting: boolean;
      /** WAITING. */
      isWaiting: boolean;
      /** Succeeded or failed. False for a cancelled run: see `isFinished`. */
      isCompleted: boolean;
      /** FAILED, CRASHED, SYSTEM_FAILURE, EXPIRED or TIMED_OUT. */
      isFailed: boolean;
      /** COMPLETED. */
      isSuccess: boolean;
      /** CANCELED. */
      isCancelled: boolean;
      /** The keys of the run's streams. */
      realtimeStreams: string[];
      /**
       * Whether nothing more will happen: succeeded, failed or cancelled (defects.md 21, 22). Added to the official
       * object; not enumerable, so that `JSON.stringify`, spreading and deep equality see the official object.
       */
      readonly isFinished: boolean;
      /**
       * What could not be decoded, by property; such a property is `undefined` and the rest of the run is as it should
       * be (defects.md 16). Only there when something failed.
       */
      decodeErrors?: Record<string, Error>;
    }
  : never;

/** A run of an unknown task. */
export type AnyRunShape = RunShape<AnyRunTypes>;

/** A run of task `TTask`. */
export type TaskRunShape<TTask extends AnyTask> = RunShape<InferRunTypes<TTask>>;

/** A run of task `TTask`: the name the official SDK exports. */
export type RealtimeRun<TTask extends AnyTask> = TaskRunShape<TTask>;

/** A run of an unknown task: the name the official SDK exports. */
export type AnyRealtimeRun = AnyRunShape;

// ---------------------------------------------------------------------------------------------------------------------
// Runs: following one
// ---------------------------------------------------------------------------------------------------------------------

/** A failure that will be tried again (defects.md 6). */
export interface RetryNotice {
  /** How many failures came in a row, this one included. */
  attempt: number;
  /** How long until the next request, in milliseconds. */
  delayMs: number;
  /** The HTTP status, where the server answered. */
  status?: number;
  /** What went wrong. */
  reason: RetryReason;
}

/**
 * Why a request is made again: 429; another status that may be tried again; 404 with `x-should-retry: true`; no
 * connection; silence; a body that broke off; an answer that is not the protocol; 409 again and again; answers that
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

/** Where a subscription is: the feed's own phases. `ended` comes once and last. */
export type SubscriptionState = "connecting" | "catching-up" | "live" | "retrying" | "ended";

/** What the feed behind a subscription has done so far. Subscriptions to the same feed share it (defects.md 15). */
export interface SubscriptionStats {
  /** Where it is; `"idle"` before the first `next()`. */
  state: SubscriptionState | "idle";
  /** Requests sent, repeated ones included. */
  requests: number;
  /** Requests that were repeats after a failure. */
  retries: number;
  /** Rows received that differed from the one before. */
  rows: number;
  /** Bytes of bodies received, after decompression. */
  bytes?: number;
  /** States that this reader was too slow for and that made way for later ones (defects.md 9). */
  coalesced: number;
}

/** What {@link runs.subscribeToRun} takes. The first three are the official ones. */
export type SubscribeToRunOptions = {
  /**
   * Whether to end when the run is finished. Set it to `false` when something changes the run's metadata afterwards,
   * and end it with `break`, `close()` or a signal.
   *
   * @default true
   */
  stopOnCompletion?: boolean;
  /** Columns to leave out. The end is still seen when `completedAt` is among them (defects.md 18). @default [] */
  skipColumns?: RealtimeRunSkipColumns;
  /**
   * Ends the subscription: the loop ends normally, as with the official SDK. With a signal that was aborted before,
   * no request is sent and nothing is yielded (defects.md 17).
   */
  signal?: AbortSignal;
  /** Called before each wait for another attempt (defects.md 6). What it throws is ignored. */
  onRetry?: (notice: RetryNotice) => void;
  /** Called when the subscription's state changes (defects.md 6). What it throws is ignored. */
  onStateChange?: (state: SubscriptionState) => void;
  /** How failures are waited out. */
  retry?: {
    /** Give up when nothing but failures came for so long, in milliseconds. @default 300000 */
    maxElapsedMs?: number;
    /** The first wait is at most this, in milliseconds; each further one 1.6 times as long. @default 500 */
    minDelayMs?: number;
    /** No wait is longer, whatever the server asks, in milliseconds. @default 30000 */
    maxDelayMs?: number;
  };
  /**
   * A connection without a byte for so long is dead: it is opened again, and resumed, in milliseconds. Servers hold a
   * silent poll for up to 23 s (defects.md 11). @default 60000
   */
  silenceTimeoutMs?: number;
};

/**
 * A live run. Yields the run at once and then at each change; ends when the run is finished.
 *
 * One reader sees every final state; a slow reader sees the latest state instead of each one (defects.md 9). While it
 * is open it keeps the process alive; a closed one never does.
 *
 * A failure that cannot be mended rejects the pending `next()` with a typed error (defects.md 1): {@link ApiError} and
 * its kin when the server refuses, {@link ProtocolError} when what answers is no Trigger.dev server,
 * {@link NoProgressError} and {@link TimeoutError} when it answers for ever without getting on, or not at all.
 */
export interface RunSubscription<TRunTypes extends AnyRunTypes> {
  /** The next state of the run. Calls may overlap: they are answered in order. */
  next(): Promise<IteratorResult<RunShape<TRunTypes>, undefined>>;
  /** Ends the subscription: what `break` calls. */
  return(value?: unknown): Promise<IteratorResult<RunShape<TRunTypes>, undefined>>;
  /** Ends the subscription: pending `next()` calls answer `done`. Idempotent. */
  close(): void;
  [Symbol.asyncIterator](): AsyncIterator<RunShape<TRunTypes>, undefined>;
  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** A reader over {@link RunSubscription.toReadableStream}. */
  getReader(): ReadableStreamDefaultReader<RunShape<TRunTypes>>;
  /** The same runs as a web stream. Cancelling it closes the subscription. */
  toReadableStream(): ReadableStream<RunShape<TRunTypes>>;
  /** What it has done so far. */
  stats(): SubscriptionStats;
}

/** Runs. */
export const runs: {
  /**
   * Follows one run, by its id or by what triggering it returned.
   *
   * Nothing is sent until the first `next()`.
   *
   * @throws {ArgumentError} at once when the id is empty, `undefined` or cannot be one (defects.md 8), or an option is
   * of the wrong type.
   * @throws {ConfigError} at once when there is no key, or the base URL is none.
   *
   * @example
   * for await (const run of runs.subscribeToRun<typeof myTask>(runId)) {
   *   console.log(run.status, run.payload.name, run.output?.total);
   * }
   */
  subscribeToRun<TRunId extends AnyRunHandle | AnyTask | string>(
    run: RunId<TRunId>,
    options?: SubscribeToRunOptions,
  ): RunSubscription<InferRunTypes<TRunId>>;
};

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** Headers of a server's answer, lower-case, without those that carry credentials. */
export type APIHeaders = Record<string, string | null | undefined>;

/**
 * The server refused, or did not answer. Name and fields are the official SDK's (protocol.md 6); `name` is
 * `"TriggerApiError"` for all of its kin.
 */
export class ApiError extends Error {
  constructor(
    status: number | undefined,
    error: object | undefined,
    message: string | undefined,
    headers: APIHeaders | undefined,
    body?: object,
  );
  /** The HTTP status; `undefined` when no answer came. */
  readonly status: number | undefined;
  readonly headers: APIHeaders | undefined;
  /** The `error` member of the body. */
  readonly error: object | undefined;
  /** The whole parsed body. */
  readonly body: object | undefined;
  /** The server's code; where it sent none, ours (`ERR_NOT_FOUND` and so on). */
  readonly code: string | null | undefined;
  readonly param: string | null | undefined;
  readonly type: string | undefined;
}
/** No answer came: name resolution, connection, TLS, a reset. */
export class ApiConnectionError extends ApiError {
  constructor(options: { message?: string; cause?: Error | undefined });
  readonly status: undefined;
}
/** 400 */
export class BadRequestError extends ApiError {
  readonly status: 400;
}
/** 401: the key or token is not valid. An expired token and a badly signed one look the same (protocol.md 3). */
export class AuthenticationError extends ApiError {
  readonly status: 401;
}
/** 403: the token lacks the scope. */
export class PermissionDeniedError extends ApiError {
  readonly status: 403;
}
/** 404 */
export class NotFoundError extends ApiError {
  readonly status: 404;
}
/** 409 */
export class ConflictError extends ApiError {
  readonly status: 409;
}
/** 422 */
export class UnprocessableEntityError extends ApiError {
  readonly status: 422;
}
/** 429 */
export class RateLimitError extends ApiError {
  readonly status: 429;
  /** Milliseconds until the server's `x-ratelimit-reset`, never negative; `undefined` without that header. */
  get millisecondsUntilReset(): number | undefined;
}
/** 500 and above */
export class InternalServerError extends ApiError {}

/** An error of this package's own. */
export class TriggerNativeError extends Error {
  /** Stable, `ERR_…`: compare this, not the message. */
  readonly code: string;
}
/** What came back is not the protocol: HTML, missing headers, JSON cut short, again and again (defects.md 1). */
export class ProtocolError extends TriggerNativeError {}
/** The server answers again and again without any progress (defects.md 7). */
export class NoProgressError extends TriggerNativeError {}
/** A deadline passed (defects.md 11, 19). */
export class TimeoutError extends TriggerNativeError {}
/** No key, a key that cannot do this, or a base URL that is none. The message names the fix. */
export class ConfigError extends TriggerNativeError {}
/** An argument that cannot be right: an id, a scope, an expiry. */
export class ArgumentError extends TriggerNativeError {}
/** A value that cannot be decoded: found in {@link RunShape.decodeErrors}. */
export class DecodeError extends TriggerNativeError {}

/** True for a 401 or 403 of a server, whichever copy of whichever package made the error. */
export function isTriggerRealtimeAuthError(error: unknown): boolean;
