"use strict";

const api = require("./js/api.js");
const { BatchNotSealedError, BatchTriggerError } = require("./js/batch/error.js");
const { configure } = require("./js/config/config.js");
const errors = require("./js/errors/errors.js");
const { TriggerClient } = require("./js/trigger-client.js");

exports.configure = configure;
exports.auth = api.auth;
exports.batch = api.batch;
exports.idempotencyKeys = api.idempotencyKeys;
exports.runs = api.runs;
exports.streams = api.streams;
exports.tasks = api.tasks;
exports.wait = api.wait;
exports.TriggerClient = TriggerClient;
// Loaded on demand: most programs make none.
exports.createRealtimeHandler = (/** @type {unknown} */ options) =>
  require("./js/relay/relay.js").createRealtimeHandler(options);

exports.ApiError = errors.ApiError;
// The name that it prints.
exports.TriggerApiError = errors.ApiError;
exports.ApiConnectionError = errors.ApiConnectionError;
exports.BadRequestError = errors.BadRequestError;
exports.AuthenticationError = errors.AuthenticationError;
exports.PermissionDeniedError = errors.PermissionDeniedError;
exports.NotFoundError = errors.NotFoundError;
exports.ConflictError = errors.ConflictError;
exports.UnprocessableEntityError = errors.UnprocessableEntityError;
exports.RateLimitError = errors.RateLimitError;
exports.InternalServerError = errors.InternalServerError;
exports.BatchNotSealedError = BatchNotSealedError;
exports.BatchTriggerError = BatchTriggerError;
exports.WaitpointTimeoutError = errors.WaitpointTimeoutError;
exports.TriggerNativeError = errors.TriggerNativeError;
exports.ProtocolError = errors.ProtocolError;
exports.NoProgressError = errors.NoProgressError;
exports.TimeoutError = errors.TimeoutError;
exports.ConfigError = errors.ConfigError;
exports.ArgumentError = errors.ArgumentError;
exports.DecodeError = errors.DecodeError;
exports.isTriggerRealtimeAuthError = errors.isTriggerRealtimeAuthError;
