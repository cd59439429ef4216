// An ES module that imports the package and its subpath.

import type { AnyTask } from "trigger-native";
import { auth, configure, NotFoundError, type RealtimeRun, type RunStatus, runs } from "trigger-native";
import { type Emulator, startEmulator } from "trigger-native/emulator";

export async function use(): Promise<RunStatus | undefined> {
  const emulator: Emulator = await startEmulator({ port: 0 });
  configure({ baseURL: emulator.url, accessToken: emulator.secretKey });
  (await auth.createPublicToken({ scopes: { read: { runs: "run_1" } } })) satisfies string;
  for await (const run of runs.subscribeToRun("run_1")) {
    run satisfies RealtimeRun<AnyTask>;
    return run.status;
  }
  await emulator.stop();
  return new NotFoundError(404, undefined, undefined, undefined).status === 404 ? undefined : undefined;
}
