"use strict";

const { ArgumentError, fromNative } = require("./errors.js");
const native = require("./native.js");

/** @see emulator.d.ts */
async function startEmulator(options = {}) {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new ArgumentError("ERR_INVALID_OPTIONS", "startEmulator(): options must be an object");
  }
  const emulator = new native.Emulator();
  const started = JSON.parse(await emulator.start(JSON.stringify(options)));
  if (started.error) throw fromNative(started.error);
  // Waiting for the end is what keeps the process alive.
  emulator.ended();
  let stopped;
  return {
    url: started.ok.url,
    secretKey: started.ok.secretKey,
    /** Requests answered so far, in all and by route. */
    async stats() {
      const text = await emulator.stats();
      return text ? JSON.parse(text) : { total: 0, byRoute: {} };
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

module.exports = { startEmulator };
