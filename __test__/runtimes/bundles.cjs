"use strict";

const first = require("./bundle-1.cjs");
const second = require("./bundle-2.cjs");

(async () => {
  const emulator = await first.start();
  const said = await Promise.all([first.run(emulator), second.run(emulator)]);
  // One is told whom to call, as a start-up file does, and the other calls.
  first.sdk.configure({ baseURL: emulator.url, accessToken: emulator.secretKey });
  const { id } = await second.sdk.tasks.trigger("hello");
  await emulator.stop();
  console.log(JSON.stringify([...said, id.slice(0, 4), first.sdk.runs !== second.sdk.runs]));
})();
