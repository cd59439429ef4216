"use strict";

const { existsSync } = require("node:fs");
const path = require("node:path");
const { aliveUntilStopped } = require("./native/alive.js");
const { ArgumentError, fromNative } = require("./errors/errors.js");
const native = require("./native/native.js");
const { present } = require("./config/options.js");

/** The folder of the page that the package brings. A bundle of ES modules knows no `__dirname`. */
const PAGE = typeof __dirname === "string" ? path.join(__dirname, "..", "page", "dist") : "";

/** @see emulator.d.ts */
async function startEmulator(options) {
  const given = { ...present("startEmulator", options) };
  if (given.now instanceof Date) given.now = given.now.getTime();
  if (given.pageDirectory === undefined && existsSync(PAGE)) given.pageDirectory = PAGE;
  const emulator = new native.Emulator();
  const started = opened(await emulator.start(JSON.stringify(given)));
  aliveUntilStopped(emulator);
  let stopped;
  return {
    url: started.url,
    secretKey: started.secretKey,
    /** Requests answered so far, in all and by route. */
    async stats() {
      const text = await emulator.stats();
      return text ? JSON.parse(text) : { total: 0, byRoute: {} };
    },
    async advance(ms) {
      if (!Number.isSafeInteger(ms) || ms < 0) {
        throw new ArgumentError("ERR_INVALID_ARGUMENT", "advance(ms) takes a whole number of milliseconds, from 0 on");
      }
      return new Date(opened(await emulator.advance(BigInt(ms))));
    },
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

/** What a native call gave; throws its error. */
function opened(text) {
  const answer = JSON.parse(text);
  if (answer.error) throw fromNative(answer);
  return answer.ok;
}

module.exports = { startEmulator };
