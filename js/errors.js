"use strict";

// Stand-in for the error classes, enough to run the token tests.

class TriggerNativeError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
Object.defineProperty(TriggerNativeError.prototype, "name", { value: "TriggerNativeError" });
class ConfigError extends TriggerNativeError {}
class ArgumentError extends TriggerNativeError {}
class ProtocolError extends TriggerNativeError {}
class TimeoutError extends TriggerNativeError {}

class ApiError extends Error {
  constructor(status, headers, body) {
    let error;
    try {
      error = JSON.parse(body);
    } catch {
      error = body;
    }
    super(typeof error?.error === "string" ? error.error : String(body));
    Object.assign(this, { status, headers, error, code: error?.code, param: error?.param, type: error?.type });
  }
}
Object.defineProperty(ApiError.prototype, "name", { value: "TriggerApiError" });
class BadRequestError extends ApiError {}
class AuthenticationError extends ApiError {}
class PermissionDeniedError extends ApiError {}
class NotFoundError extends ApiError {}
class InternalServerError extends ApiError {}
class ApiConnectionError extends ApiError {}

const byStatus = { 400: BadRequestError, 401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError };
const byKind = { Config: ConfigError, Argument: ArgumentError, Protocol: ProtocolError, Timeout: TimeoutError };

/** @param {{kind: string, code: string, message: string, status?: number, headers?: [string, string][], body?: string}} data */
function fromNative(data) {
  if (data.kind === "Api") {
    const Class = byStatus[data.status] ?? (data.status >= 500 ? InternalServerError : ApiError);
    return new Class(data.status, Object.fromEntries(data.headers), data.body);
  }
  if (data.kind === "Connection") return new ApiConnectionError(undefined, undefined, data.message);
  return new (byKind[data.kind] ?? TriggerNativeError)(data.code, data.message);
}

module.exports = {
  TriggerNativeError,
  ConfigError,
  ArgumentError,
  ProtocolError,
  TimeoutError,
  ApiError,
  BadRequestError,
  AuthenticationError,
  PermissionDeniedError,
  NotFoundError,
  InternalServerError,
  ApiConnectionError,
  fromNative,
};
