// Scripts of the emulator: what is one, and what is none.

import { type Emulator, type EmulatorOptions, startEmulator } from "trigger-native/emulator";

export const options: EmulatorOptions = {
  speed: 10,
  clock: "manual",
  now: new Date(0),
  additionalKeys: [{ key: "tr_dev_sk_0123456789abcdefABCDEFGH" }],
  tasks: {
    mine: {
      queued: 0,
      steps: [
        { metadata: { progress: 0 } },
        { repeat: { to: 10, steps: [{ wait: 100 }, { metadata: { progress: "$n" } }] } },
        { output: { said: "$payload" } },
      ],
    },
    broken: { steps: [{ fail: { message: "no" } }] },
    // @ts-expect-error: no such step
    wrong: { steps: [{ sleep: 3 }] },
    // @ts-expect-error: a wait is in milliseconds
    late: { steps: [{ wait: "3s" }] },
  },
};

export async function use(): Promise<void> {
  const emulator: Emulator = await startEmulator(options);
  emulator.url satisfies string;
  (await emulator.advance(1000)) satisfies Date;
  (await emulator.replaceTasks({ mine: { steps: [] } })) satisfies number;
  // @ts-expect-error: there are two clocks
  await startEmulator({ clock: "fast" });
  // @ts-expect-error: where it listens is not to be changed
  emulator.url = "http://127.0.0.1:1";
  await emulator.stop();
}
