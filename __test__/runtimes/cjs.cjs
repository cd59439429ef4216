"use strict";

const { startEmulator } = require("trigger-native/emulator");
const sdk = require("trigger-native");
const follow = require("./follow.cjs");

(async () => {
  const emulator = await startEmulator({ speed: 20 });
  const said = await follow(sdk, emulator);
  await emulator.stop();
  console.log(JSON.stringify(said));
})();
