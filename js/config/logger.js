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

/**
 * The present logger and its sink, shared by all copies of this package.
 *
 * @type {{ logger?: Logger, sink?: import("../native/addon.js").LogSink, takesLast?: boolean }}
 */
const current = shared("logger", () => ({}));

/**
 * Makes `logger` the logger of this thread, in place of the one before. It also gets the lines that waited for that one.
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
  current.logger = logger;
  current.sink = level && new native.LogSink(level, deliver);
  if (!current.takesLast) process.on("exit", takeLast);
  current.takesLast = true;
}

/**
 * Takes the last lines: a program that fails at once is over before its lines come. No closure, which would keep the first
 * logger for as long as the process lives.
 */
function takeLast() {
  if (current.sink) deliver(current.sink.take());
}

/** @param {import("../native/addon.js").Json<LogLine[]>} text */
function deliver(text) {
  for (const line of JSON.parse(text)) call(line);
}

/**
 * Calls the present logger, which the call before may have changed. A logger that throws or rejects breaks nothing.
 *
 * @param {LogLine} line
 */
async function call([level, message, fields]) {
  try {
    await current.logger?.[level]?.(message, fields);
  } catch {}
}

module.exports = { setLogger };
