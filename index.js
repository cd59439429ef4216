"use strict";

const { configure } = require("./js/config.js");
const auth = require("./js/auth.js");
const runs = require("./js/runs.js");
const streams = require("./js/streams.js");
const errors = require("./js/errors.js");

exports.configure = configure;
exports.auth = {
  configure,
  createPublicToken: auth.createPublicToken,
  createTriggerPublicToken: auth.createTriggerPublicToken,
  createBatchTriggerPublicToken: auth.createBatchTriggerPublicToken,
};
exports.runs = { fetchStream: runs.fetchStream, subscribeToRun: runs.subscribeToRun };
exports.streams = { define: streams.define, input: streams.input, read: streams.read };

exports.ApiError = errors.ApiError;
exports.ApiConnectionError = errors.ApiConnectionError;
exports.BadRequestError = errors.BadRequestError;
exports.AuthenticationError = errors.AuthenticationError;
exports.PermissionDeniedError = errors.PermissionDeniedError;
exports.NotFoundError = errors.NotFoundError;
exports.ConflictError = errors.ConflictError;
exports.UnprocessableEntityError = errors.UnprocessableEntityError;
exports.RateLimitError = errors.RateLimitError;
exports.InternalServerError = errors.InternalServerError;
exports.TriggerNativeError = errors.TriggerNativeError;
exports.ProtocolError = errors.ProtocolError;
exports.NoProgressError = errors.NoProgressError;
exports.TimeoutError = errors.TimeoutError;
exports.ConfigError = errors.ConfigError;
exports.ArgumentError = errors.ArgumentError;
exports.DecodeError = errors.DecodeError;
exports.isTriggerRealtimeAuthError = errors.isTriggerRealtimeAuthError;
