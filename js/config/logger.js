"use strict";

/** Hands the log lines of native code to an app's logger (docs/relay.md, "Logging"). */

const { ConfigError } = require("../errors/errors.js");
const native = require("../native/native.js");
const { shared } = require("./scope.js");

/** The functions of a logger, from the most verbose level on. */
const LEVELS = /** @type {const} */ (["debug", "info", "warn", "error"]);

/**
 * @typedef {import("../../types/config.js").Logger} Logger
 * @typedef {import("../native/addon.js").LogLine} LogLine
 */

/** The sink of the present logger, shared by all copies of this package. @type {{ sink?: { close(): void } }} */
const current = shared("logger", () => ({}));

/**
 * Makes `logger` the logger of this thread, in place of the one before.
 *
 * @param {string} where names the argument in errors
 * @param {Logger | undefined} logger
 * @throws {ConfigError} `ERR_INVALID_CONFIG` for an object without any of the functions
 */
function setLogger(where, logger) {
  const level = logger && LEVELS.find((name) => typeof logger[name] === "function");
  if (logger !== undefined && level === undefined) {
    const message = `${where}: "logger" must have some of the functions ${LEVELS.join(", ")}, as console has`;
    throw new ConfigError("ERR_INVALID_CONFIG", message);
  }
  current.sink?.close();
  current.sink = logger && level && new native.LogSink(level, (text) => deliver(logger, text));
}

/** @param {Logger} logger @param {import("../native/addon.js").Json<LogLine[]>} text */
function deliver(logger, text) {
  for (const [level, message, fields] of JSON.parse(text)) {
    try {
      // The rejection of an async logger must not end the process.
      Promise.resolve(logger[level]?.(message, fields)).catch(() => {});
    } catch {
      // A logger that throws breaks nothing.
    }
  }
}

module.exports = { setLogger };
