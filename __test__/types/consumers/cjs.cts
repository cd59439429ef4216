// A CommonJS module that requires the package and its subpath.

import native = require("trigger-native");
import emulator = require("trigger-native/emulator");

export async function use(): Promise<native.RunStatus | undefined> {
  const running = await emulator.startEmulator();
  native.configure({ baseURL: running.url, accessToken: running.secretKey });
  for await (const run of native.runs.subscribeToRun("run_1")) return run.status;
  await running.stop();
  return undefined;
}
