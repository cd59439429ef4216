"use strict";

const { withoutSecrets } = require("./hidden.js");

/**
 * The error classes. A refusal by the server keeps the official name and fields (`name` is "TriggerApiError"; `status`,
 * `headers`, `error`, `code`, `param`, `type`); every other error is a `TriggerNativeError`. Each has a stable `code`.
 */

/**
 * An error as a server sent it, which was not checked.
 *
 * @typedef {{ message?: unknown, code?: string | null, param?: string | null, type?: string }} ServerError
 * @typedef {Record<string, string | null | undefined>} ApiHeaders
 */

/**
 * The message of an API error.
 *
 * @param {number | undefined} status
 * @param {unknown} given the server's error
 * @param {string | undefined} text the body, where it is no JSON
 * @returns {string}
 */
function apiMessage(status, given, text) {
  const error = /** @type {ServerError | null | undefined} */ (given);
  if (error?.message) return typeof error.message === "string" ? error.message : JSON.stringify(error.message);
  if (typeof error === "string" && error) return error;
  if (error) return JSON.stringify(error);
  if (status && text) return `${status} ${text}`;
  if (status) return `${status} status code (no body)`;
  return text || "(no status code or body)";
}

class ApiError extends Error {
  /**
   * @param {number | undefined} status
   * @param {unknown} error the `error` member of the body
   * @param {string | undefined} text the body, where it is no JSON
   * @param {ApiHeaders | undefined} headers
   * @param {unknown} [body]
   */
  constructor(status, error, text, headers, body) {
    super(apiMessage(status, error, text));
    this.name = "TriggerApiError";
    this.status = status;
    this.headers = headers;
    this.body = body;
    const fields = /** @type {ServerError | null | undefined} */ (
      typeof error === "object" && error !== null ? error : body
    );
    this.error = error;
    this.code = fields?.code;
    this.param = fields?.param;
    this.type = fields?.type;
  }

  /**
   * The error of a status.
   *
   * @param {number | undefined} status
   * @param {unknown} body the parsed JSON
   * @param {string | undefined} text the body, where it is no JSON
   * @param {ApiHeaders | undefined} headers
   */
  static generate(status, body, text, headers) {
    if (!status) return new ApiConnectionError({ cause: body instanceof Error ? body : new Error(messageOf(body)) });
    const Class = BY_STATUS[status] ?? (status >= 500 ? InternalServerError : ApiError);
    const { error } = /** @type {{ error?: unknown }} */ (body ?? {});
    return new Class(status, error, text, headers, body);
  }
}

class ApiConnectionError extends ApiError {
  /** @param {{ message?: string, cause?: unknown }} [options] */
  constructor({ message, cause } = {}) {
    super(undefined, undefined, message || "Connection error.", undefined);
    if (cause) this.cause = cause;
  }
}

class BadRequestError extends ApiError {}
class AuthenticationError extends ApiError {}
class PermissionDeniedError extends ApiError {}
class NotFoundError extends ApiError {}
class ConflictError extends ApiError {}
class UnprocessableEntityError extends ApiError {}
class InternalServerError extends ApiError {}

class RateLimitError extends ApiError {
  /** Milliseconds until the limit resets, with up to 2 s of jitter; undefined when unknown. */
  get millisecondsUntilReset() {
    const reset = Number.parseInt(this.headers?.["x-ratelimit-reset"] ?? "", 10);
    if (Number.isNaN(reset)) return undefined;
    return Math.max(reset - Date.now() + Math.floor(Math.random() * 2000), 0);
  }
}

/** @type {Record<number, typeof ApiError | undefined>} */
const BY_STATUS = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  422: UnprocessableEntityError,
  429: RateLimitError,
};

/** @typedef {import("./codes.js").Code} Code */
/** @template {string} Name @typedef {import("./codes.js").CodeOf<Name>} CodeOf */

/**
 * An error that this package itself found. `code` is stable; the message names the fix.
 *
 * @template {Code} [C=CodeOf<"TriggerNativeError">]
 */
class TriggerNativeError extends Error {
  /**
   * @param {NoInfer<C>} code one that the registry has for this class
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(withoutSecrets(message), options);
    this.name = "TriggerNativeError";
    this.code = code;
  }
}

/**
 * The responses are not of the protocol: HTML, missing headers, JSON cut short, again and again.
 *
 * @extends {TriggerNativeError<CodeOf<"ProtocolError">>}
 */
class ProtocolError extends TriggerNativeError {}
/**
 * The server answers again and again without any progress.
 *
 * @extends {TriggerNativeError<CodeOf<"NoProgressError">>}
 */
class NoProgressError extends TriggerNativeError {}
/**
 * A deadline of ours passed.
 *
 * @extends {TriggerNativeError<CodeOf<"TimeoutError">>}
 */
class TimeoutError extends TriggerNativeError {}
/**
 * No key, a key that cannot do this, or a base URL that is none.
 *
 * @extends {TriggerNativeError<CodeOf<"ConfigError">>}
 */
class ConfigError extends TriggerNativeError {}
/**
 * An argument that cannot be right.
 *
 * @extends {TriggerNativeError<CodeOf<"ArgumentError">>}
 */
class ArgumentError extends TriggerNativeError {}
/**
 * A column or packet that cannot be decoded.
 *
 * @extends {TriggerNativeError<CodeOf<"DecodeError">>}
 */
class DecodeError extends TriggerNativeError {}

/** The error of a wait token that timed out. The official name. */
class WaitpointTimeoutError extends Error {
  /** @param {string} [message] */
  constructor(message) {
    super(message);
    this.name = "WaitpointTimeoutError";
  }
}

/**
 * By the kind of an error in the core.
 *
 * @type {Record<string, (new (code: never, message: string, options?: ErrorOptions) => Error) | undefined>}
 */
const BY_KIND = {
  timeout: TimeoutError,
  protocol: ProtocolError,
  noProgress: NoProgressError,
  config: ConfigError,
  argument: ArgumentError,
  decode: DecodeError,
};

/** The property with the name of a class, the same in every copy of this package. */
const NAME = Symbol.for("trigger-native error");

/**
 * Makes `instanceof` hold for the errors of other copies of this package. A bundle has a copy, a development server
 * reloads it, and a test runner has one per file. Classes that a program derives from ours are not affected.
 *
 * @param {Record<string, { prototype: Error }>} classes
 */
function recognizeCopies(classes) {
  for (const [name, Class] of Object.entries(classes)) {
    Object.defineProperty(Class.prototype, NAME, { value: name });
    Object.defineProperty(Class, Symbol.hasInstance, { value: isInstance });
  }
}

/** @this {{ prototype: Record<symbol, unknown> }} @param {unknown} value */
function isInstance(value) {
  if (Function.prototype[Symbol.hasInstance].call(/** @type {Function} */ (/** @type {unknown} */ (this)), value))
    return true;
  if (!Object.hasOwn(this.prototype, NAME) || typeof value !== "object") return false;
  const name = this.prototype[NAME];
  for (let kin = /** @type {Record<symbol, unknown> | null} */ (value); kin; kin = Object.getPrototypeOf(kin)) {
    if (Object.hasOwn(kin, NAME) && kin[NAME] === name) return true;
  }
  return false;
}

/**
 * Headers whose names are read in any case, as in the official SDK.
 *
 * @param {Record<string | symbol, string>} headers
 * @returns {Record<string, string>}
 */
function anyCase(headers) {
  return new Proxy(headers, {
    get: (target, name) => (typeof name === "string" ? (target[name.toLowerCase()] ?? target[name]) : target[name]),
  });
}

/** The value of a JSON text; undefined for any other. @param {string | undefined} text @returns {unknown} */
function parsed(text) {
  try {
    return JSON.parse(/** @type {string} */ (text));
  } catch {
    return undefined;
  }
}

/**
 * The error of a failure that came over the bridge (`src/bridge/error.rs`).
 *
 * @param {string | { error?: import("../native/addon.js").WireError }} failure as JSON, or parsed
 * @returns {Error}
 */
function fromNative(failure) {
  /** @type {{ error: import("../native/addon.js").WireError }} */
  const { error: data } = typeof failure === "string" ? JSON.parse(failure) : failure;
  const cause = data.cause ? new Error(data.cause) : undefined;
  if (data.kind === "api") {
    const answer = parsed(data.body);
    const error = ApiError.generate(data.status, answer, answer ? undefined : data.body, anyCase(data.headers ?? {}));
    error.code ??= data.code;
    return error;
  }
  if (data.kind === "connection") {
    const error = new ApiConnectionError({ message: data.message, cause });
    error.code = data.code;
    return error;
  }
  if (data.kind === "aborted") return abortError();
  const Class = BY_KIND[data.kind] ?? TriggerNativeError;
  // A cast: the core's registry of codes (`src/error/code.rs`) has the class of each.
  return new Class(/** @type {never} */ (data.code), data.message, cause && { cause });
}

/** The message of whatever was thrown. @param {unknown} thrown */
function messageOf(thrown) {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return "what was thrown cannot be shown";
  }
}

/** The rejection of an aborted call: the signal's own reason, else a DOMException. @param {AbortSignal} [signal] */
function abortError(signal) {
  return signal?.reason ?? new DOMException("This operation was aborted", "AbortError");
}

/**
 * Whether an error is a 401 or 403 of the API. Its fields decide, so that it holds for errors of other copies of this
 * package, and of the official one.
 *
 * @param {unknown} given
 */
function isTriggerRealtimeAuthError(given) {
  if (given === null || typeof given !== "object") return false;
  const error = /** @type {{ name?: unknown, status?: unknown }} */ (given);
  return error.name === "TriggerApiError" && (error.status === 401 || error.status === 403);
}

const classes = {
  ApiError,
  ApiConnectionError,
  BadRequestError,
  AuthenticationError,
  PermissionDeniedError,
  NotFoundError,
  ConflictError,
  UnprocessableEntityError,
  RateLimitError,
  InternalServerError,
  TriggerNativeError,
  ProtocolError,
  NoProgressError,
  TimeoutError,
  ConfigError,
  ArgumentError,
  DecodeError,
  WaitpointTimeoutError,
};
recognizeCopies(classes);

module.exports = {
  ...classes,
  recognizeCopies,
  isTriggerRealtimeAuthError,
  fromNative,
  abortError,
  messageOf,
};
