/** Errors: the official classes, and ours with stable codes. */

/** Headers of a server's answer, lower-case, without those that carry credentials. */
export type APIHeaders = Record<string, string | null | undefined>;

/**
 * The server refused, or did not answer. Name and fields are the official SDK's; `name` is
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
  /** The error of the class that a status has, out of a server's answer. */
  static generate(
    status: number | undefined,
    errorResponse: object | undefined,
    message: string | undefined,
    headers: APIHeaders | undefined,
  ): ApiError;
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
/** {@link ApiError} by the name that it prints: the same class. */
export class TriggerApiError extends ApiError {}
/** No answer came: name resolution, connection, TLS, a reset. */
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

/** The server has fewer items than the batch was made for, after every attempt: the cause of a {@link BatchTriggerError}. */
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

/** What a wait token that timed out has in place of an output: see {@link wait.retrieveToken}. */
export class WaitpointTimeoutError extends Error {
  constructor(message: string);
}

/** A batch could not be triggered. */
export class BatchTriggerError extends Error {
  constructor(
    message: string,
    options: { cause?: unknown; phase: "offload" | "create" | "stream"; batchId?: string; itemCount: number },
  );
  /** What failed: uploading large payloads, making the batch, or sending its items. */
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

/** True for a 401 or 403 of a server, whichever copy of whichever package made the error. Never throws. */
export function isTriggerRealtimeAuthError(error: unknown): boolean;
