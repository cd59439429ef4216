"use strict";

// What a development server does when a file changes: the modules are thrown away and loaded anew, the process stays.

const follow = require("./follow.cjs");

/** The package as if it had never been loaded, its addon with it. */
function reload() {
  for (const name of Object.keys(require.cache)) {
    if (/node_modules[\\/]trigger-native/.test(name)) delete require.cache[name];
  }
  return require("trigger-native");
}

(async () => {
  const emulator = await require("trigger-native/emulator").startEmulator({ speed: 20 });
  const first = reload();
  const waiting = await first.auth.withAuth({ baseURL: emulator.url, accessToken: emulator.secretKey }, async () => {
    const { id } = await first.tasks.trigger("stuck", {});
    return first.runs.subscribeToRun(id)[Symbol.asyncIterator]();
  });
  await waiting.next();
  const said = [];
  for (let round = 0; round < 3; round++) said.push(await follow(reload(), emulator));
  const last = await follow(first, emulator);
  await waiting.return();
  await emulator.stop();
  console.log(JSON.stringify([...said, last, first !== require("trigger-native")]));
})();
