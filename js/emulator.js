"use strict";

/** The emulator, as the entry point `trigger-native/emulator` has it. */

const { existsSync } = require("node:fs");
const path = require("node:path");
const { aliveUntilStopped } = require("./native/alive.js");
const { ArgumentError, fromNative } = require("./errors/errors.js");
const native = require("./native/native.js");
const { present } = require("./config/options.js");

/** The folder of the page in the package. A bundle of ES modules has no `__dirname`. */
const PAGE = typeof __dirname === "string" ? path.join(__dirname, "..", "page", "dist") : "";

/** @see emulator.d.ts @param {unknown} [options] */
async function startEmulator(options) {
  const given = { ...present("startEmulator", options) };
  if (given.pageDirectory === undefined && existsSync(PAGE)) given.pageDirectory = PAGE;
  const emulator = new native.Emulator();
  const started = opened(await emulator.start(JSON.stringify(given)));
  aliveUntilStopped(emulator);
  /** @type {Promise<void> | undefined} */
  let stopped;
  return {
    url: started.url,
    secretKey: started.secretKey,
    /** Requests answered so far, in all and by route. */
    async stats() {
      const text = await emulator.stats();
      return text !== "" ? JSON.parse(text) : { total: 0, byRoute: {} };
    },
    /** @param {number} ms */
    async advance(ms) {
      if (!Number.isSafeInteger(ms) || ms < 0) {
        throw new ArgumentError("ERR_INVALID_ARGUMENT", "advance(ms) takes a whole number of milliseconds, from 0 on");
      }
      return new Date(opened(await emulator.advance(BigInt(ms))));
    },
    /** @param {unknown} tasks */
    async replaceTasks(tasks) {
      return opened(await emulator.replaceTasks(JSON.stringify(tasks ?? {})));
    },
    stop() {
      stopped ??= emulator.stop().then(() => undefined);
      return stopped;
    },
    async [Symbol.asyncDispose]() {
      await this.stop();
    },
  };
}

/**
 * The value of an outcome; throws its error.
 *
 * @template T
 * @param {import("./native/addon.js").Json<import("./native/addon.js").Outcome<T>>} text
 */
function opened(text) {
  const answer = JSON.parse(text);
  if (answer.error) throw fromNative(answer);
  return answer.ok;
}

module.exports = { startEmulator };
