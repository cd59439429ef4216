// `npm run demo -- --web`: the emulator with its page, and a few runs to look at.

import { startEmulator } from "trigger-native/emulator";
import { trigger } from "./calls.mjs";
import { UsageError } from "./options.mjs";

/** The runs that are triggered at the start: one of each kind. */
const RUNS = ["hello", "failing", "streamer", "waiting", "approval", "chat", "slow", "import"];

/** A task of its own, beside the built-in ones. @type {Record<string, import("trigger-native/emulator").TaskScript>} */
const TASKS = {
  import: {
    queued: 500,
    steps: [
      { metadata: { phase: "reading", progress: 0 } },
      { wait: 1000 },
      {
        repeat: {
          from: 2,
          to: 100,
          by: 2,
          steps: [{ wait: 400 }, { metadata: { phase: "importing", progress: "$n", label: "$n of 100 rows" } }],
        },
      },
      { tag: "imported" },
      { output: { rows: 100, from: "$payload" } },
    ],
  },
};

/**
 * Serves the page until `signal`.
 *
 * @param {import("./terminal.mjs").Terminal} terminal
 * @param {number} port
 * @param {AbortSignal} signal
 * @returns {Promise<number>} The exit code.
 */
export async function web(terminal, port, signal) {
  const emulator = await start(port);
  try {
    const server = { url: emulator.url };
    for (const task of RUNS) await trigger(server, emulator.secretKey, task, { from: "the trigger-native demo" });
    terminal.line("page", `${emulator.url}/`, "cyan");
    terminal.line("runs", `${RUNS.length} are triggered: the page shows them live, and triggers more`);
    terminal.line("", "Ctrl-C ends it");
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    return 0;
  } finally {
    await emulator.stop();
  }
}

/** @param {number} port */
async function start(port) {
  try {
    return await startEmulator({ port, tasks: TASKS });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_EMULATOR_PORT") {
      throw new UsageError(`port ${port} is taken: choose another one with --port, or --port 0 for any free one`);
    }
    throw error;
  }
}
