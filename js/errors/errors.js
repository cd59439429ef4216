"use strict";

/**
 * The errors of the face. Server refusals keep the official names and fields (`name` is
 * "TriggerApiError"; `status`, `headers`, `error`, `code`, `param`, `type`); everything the
 * server did not say is a `TriggerNativeError`. Each has a stable `code`.
 */

/** Picks the message of an API error out of what the server said. */
function apiMessage(status, error, text) {
  if (error?.message) return typeof error.message === "string" ? error.message : JSON.stringify(error.message);
  if (typeof error === "string" && error) return error;
  if (error) return JSON.stringify(error);
  if (status && text) return `${status} ${text}`;
  if (status) return `${status} status code (no body)`;
  return text || "(no status code or body)";
}

class ApiError extends Error {
  constructor(status, error, text, headers, body) {
    super(apiMessage(status, error, text));
    this.name = "TriggerApiError";
    this.status = status;
    this.headers = headers;
    this.body = body;
    const fields = typeof error === "object" && error !== null ? error : body;
    this.error = error;
    this.code = fields?.code;
    this.param = fields?.param;
    this.type = fields?.type;
  }

  /** The error of a status: `answer` is the parsed JSON body, `text` the body that is no JSON. */
  static generate(status, answer, text, headers) {
    if (!status)
      return new ApiConnectionError({ cause: answer instanceof Error ? answer : new Error(messageOf(answer)) });
    const Class = BY_STATUS[status] ?? (status >= 500 ? InternalServerError : ApiError);
    return new Class(status, answer?.error, text, headers, answer);
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
    const reset = Number.parseInt(this.headers?.["x-ratelimit-reset"], 10);
    if (Number.isNaN(reset)) return undefined;
    return Math.max(reset - Date.now() + Math.floor(Math.random() * 2000), 0);
  }
}

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
 * What this package itself found wrong. `code` is stable; the message names the fix.
 *
 * @template {Code} [C=CodeOf<"TriggerNativeError">]
 */
class TriggerNativeError extends Error {
  /** @param {NoInfer<C>} code one that the registry has for this class @param {string} message @param {ErrorOptions} [options] */
  constructor(code, message, options) {
    super(message, options);
    this.name = "TriggerNativeError";
    this.code = code;
  }
}

/**
 * What came back is not the protocol: HTML, missing headers, JSON cut short, again and again.
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

/** What a wait token that timed out holds instead of data. The official name. */
class WaitpointTimeoutError extends Error {
  /** @param {string} [message] */
  constructor(message) {
    super(message);
    this.name = "WaitpointTimeoutError";
  }
}

const BY_KIND = {
  timeout: TimeoutError,
  protocol: ProtocolError,
  noProgress: NoProgressError,
  config: ConfigError,
  argument: ArgumentError,
  decode: DecodeError,
};

/** Under which an error's classes have their names, in every copy of this package. */
const NAME = Symbol.for("trigger-native error");

/**
 * Lets `instanceof` hold for the errors of other copies of this package: a bundle has one, a development server loads it
 * anew, a test runner has one for each file. Classes that a program derives from ours stay its own.
 *
 * @param {Record<string, any>} classes
 */
function recognizeCopies(classes) {
  for (const [name, Class] of Object.entries(classes)) {
    Object.defineProperty(Class.prototype, NAME, { value: name });
    Object.defineProperty(Class, Symbol.hasInstance, { value: isInstance });
  }
}

/** @this {any} @param {any} value */
function isInstance(value) {
  if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
  if (!Object.hasOwn(this.prototype, NAME) || typeof value !== "object") return false;
  const name = this.prototype[NAME];
  for (let kin = value; kin; kin = Object.getPrototypeOf(kin)) {
    if (Object.hasOwn(kin, NAME) && kin[NAME] === name) return true;
  }
  return false;
}

/** Header names are looked up in any case, as in the official SDK. */
function anyCase(headers) {
  return new Proxy(headers, {
    get: (target, name) => (typeof name === "string" ? (target[name.toLowerCase()] ?? target[name]) : target[name]),
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What stands under `error` in a failure that came over the bridge (`src/bridge/error.rs`).
 *
 * @typedef {object} NativeError
 * @property {string} kind
 * @property {any} code
 * @property {string} message
 * @property {string} [cause]
 * @property {number} [status]
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 */

/**
 * The error of a failure that came over the bridge.
 *
 * @param {string | { error: NativeError }} failure as text, or parsed already
 * @returns {Error}
 */
function fromNative(failure) {
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
  return new Class(data.code, data.message, cause && { cause });
}

/** What anything that was thrown says of itself. @param {unknown} thrown */
function messageOf(thrown) {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return "what was thrown cannot be shown";
  }
}

/** What an aborted call rejects with: the signal's own reason, else a DOMException. */
function abortError(signal) {
  return signal?.reason ?? new DOMException("This operation was aborted", "AbortError");
}

/**
 * Whether `error` is a 401 or 403 of the API. Judged by its fields, so that copies of this
 * package and of the official one are told alike.
 */
function isTriggerRealtimeAuthError(error) {
  if (error === null || typeof error !== "object") return false;
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
