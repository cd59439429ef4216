/** Errors: the official classes, and ours with stable codes. */

/** Headers of a server's response, in lower case, without those that carry credentials. */
export type APIHeaders = Record<string, string | null | undefined>;

/**
 * The server refused, or did not respond. Name and fields are the official SDK's; `name` is
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
  /** The error of a server's response, of the class that its status has. */
  static generate(
    status: number | undefined,
    errorResponse: object | undefined,
    message: string | undefined,
    headers: APIHeaders | undefined,
  ): ApiError;
  /** The HTTP status; `undefined` without a response. */
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
/** {@link ApiError} by the name that it prints: the same class. */
export class TriggerApiError extends ApiError {}
/** No response came: name resolution, connection, TLS, a reset. */
export class ApiConnectionError extends ApiError {
  constructor(options: { message?: string; cause?: Error | undefined });
  readonly status: undefined;
}
/** 400 */
export class BadRequestError extends ApiError {
  readonly status: 400;
}
/** 401: the key or token is not valid. An expired token and a badly signed one look the same. */
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

/**
 * The server has fewer items than the batch was made for, after every attempt: the cause of a {@link
 * BatchTriggerError}.
 */
export class BatchNotSealedError extends Error {
  constructor(options: {
    batchId: string;
    enqueuedCount: number;
    expectedCount: number;
    itemsAccepted: number;
    itemsDeduplicated: number;
  });
  readonly name: "BatchNotSealedError";
  readonly batchId: string;
  /** Items that the server holds. */
  readonly enqueuedCount: number;
  /** Items that the batch was made for. */
  readonly expectedCount: number;
  /** Items of the last attempt that were new. */
  readonly itemsAccepted: number;
  /** Items of the last attempt that the server had. */
  readonly itemsDeduplicated: number;
}

/** The error of a wait token that timed out, instead of an output: see {@link wait.retrieveToken}. */
export class WaitpointTimeoutError extends Error {
  constructor(message: string);
}

/** A batch could not be triggered. */
export class BatchTriggerError extends Error {
  constructor(
    message: string,
    options: { cause?: unknown; phase: "offload" | "create" | "stream"; batchId?: string; itemCount: number },
  );
  /** The phase that failed: uploading large payloads, making the batch, or sending its items. */
  readonly phase: "offload" | "create" | "stream";
  /** The batch, once it was made. */
  readonly batchId?: string;
  readonly itemCount: number;
  /** Whether it was a 429. */
  readonly isRateLimited: boolean;
  /** After a 429, milliseconds until the server takes more. */
  readonly retryAfterMs?: number;
  /** The server's refusal, when it was one. */
  readonly apiError?: ApiError;
  readonly cause?: unknown;
}

/**
 * The stable codes. docs/errors.md says of each its class, when it comes and what mends it. An {@link ApiError} whose
 * server sent a code of its own has that one.
 */
export type ErrorCode =
  | "ERR_BAD_REQUEST"
  | "ERR_AUTHENTICATION"
  | "ERR_PERMISSION_DENIED"
  | "ERR_NOT_FOUND"
  | "ERR_CONFLICT"
  | "ERR_UNPROCESSABLE_ENTITY"
  | "ERR_RATE_LIMIT"
  | "ERR_SERVER"
  | "ERR_API"
  | "ERR_CONNECTION"
  | "ERR_CERTIFICATE"
  | "ERR_DROPPED"
  | "ERR_BODY_BROKE_OFF"
  | "ERR_TIMEOUT"
  | "ERR_POLL_TIMEOUT"
  | "ERR_SILENT"
  | "ERR_PROTOCOL"
  | "ERR_TOO_LARGE"
  | "ERR_STREAM"
  | "ERR_NO_PROGRESS"
  | "ERR_INVALID_CONFIG"
  | "ERR_INVALID_BASE_URL"
  | "ERR_MISSING_ACCESS_TOKEN"
  | "ERR_INVALID_ACCESS_TOKEN"
  | "ERR_INVALID_BRANCH"
  | "ERR_INVALID_HEADER"
  | "ERR_INVALID_REQUEST_OPTIONS"
  | "ERR_INVALID_REQUEST"
  | "ERR_INVALID_PROXY"
  | "ERR_INVALID_THREADS"
  | "ERR_HTTP_CLIENT"
  | "ERR_CANNOT_SIGN"
  | "ERR_SERVER_TOO_OLD"
  | "ERR_MISSING_SCOPE"
  | "ERR_CLOSED"
  | "ERR_RELAY_PORT"
  | "ERR_EMULATOR_PORT"
  | "ERR_EMULATOR_STOPPED"
  | "ERR_NOT_HERE"
  | "ERR_INVALID_OPTIONS"
  | "ERR_INVALID_ARGUMENT"
  | "ERR_INVALID_ID"
  | "ERR_INVALID_TAG"
  | "ERR_INVALID_TASK"
  | "ERR_INVALID_SCOPES"
  | "ERR_SCOPES_REQUIRED"
  | "ERR_INVALID_EXPIRATION"
  | "ERR_INVALID_PAYLOAD"
  | "ERR_INVALID_IDEMPOTENCY_KEY"
  | "ERR_INVALID_ITEM"
  | "ERR_INVALID_ITEMS"
  | "ERR_BATCH_TOO_LARGE"
  | "ERR_ALREADY_READ"
  | "ERR_NO_PAGE"
  | "ERR_INVALID_SCRIPT"
  | "ERR_CLOCK"
  | "ERR_INVALID_ROW"
  | "ERR_DECODE"
  | "ERR_ABORTED"
  | "ERR_TASK_ONLY"
  | "ERR_NO_TEMPORARY_FILE"
  | "ERR_NO_SCOPES"
  | "ERR_POLLING"
  | "ERR_LARGE_COLUMNS"
  | "ERR_NO_ADDON"
  | "ERR_ADDON_VERSION"
  | "ERR_INTERNAL"
  | "ERR_RUNTIME"
  | "ERR_TLS";
/** An error of this package's own. */
export class TriggerNativeError extends Error {
  /** Stable: compare this, not the message. */
  readonly code: ErrorCode;
}
/** The responses are not of the protocol: HTML, missing headers, JSON cut short, again and again (defects.md 1). */
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

/** True for a 401 or 403 of a server, whichever copy of whichever package made the error. Never throws. */
export function isTriggerRealtimeAuthError(error: unknown): boolean;
