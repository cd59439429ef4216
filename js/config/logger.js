"use strict";

/** Hands the log lines of native code to an app's logger (docs/relay.md, "Logging"). */

const { ConfigError } = require("../errors/errors.js");
const native = require("../native/native.js");
const { shared } = require("./scope.js");

/** The functions of a logger, from the most lines to the fewest: those above a level come with it. */
const LEVELS = /** @type {const} */ (["debug", "info", "warn", "error"]);

/**
 * @typedef {import("../../types/config.js").Logger} Logger
 * @typedef {import("../native/addon.js").LogLine} LogLine
 */

/** What takes lines now, whichever copy of this package set it. @type {{ sink?: { close(): void } }} */
const current = shared("logger", () => ({}));

/**
 * Gives lines to `logger` from now on, and to no other one that was set before.
 *
 * @param {string} where names the argument in errors
 * @param {Logger | undefined} logger
 * @throws {ConfigError} `ERR_INVALID_CONFIG` for what has none of the functions
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
      // A logger that throws breaks nothing, and there is nowhere left to say so.
    }
  }
}

module.exports = { setLogger };
