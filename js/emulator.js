"use strict";

const { fromNative } = require("./errors.js");
const native = require("./native.js");
const { present } = require("./options.js");

/** @see emulator.d.ts */
async function startEmulator(options) {
  const given = present("startEmulator", options);
  const emulator = new native.Emulator();
  const started = JSON.parse(await emulator.start(JSON.stringify(given)));
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
