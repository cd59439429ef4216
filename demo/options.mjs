// What the demo was asked to do: flags and environment, checked.

import { parseArgs } from "node:util";

export const help = `npm run demo -- [options]

Mints tokens, triggers a run and follows it live. Without a key it does so on a local emulator.

  --fail             follow a run that fails
  --cancel           cancel the run while it executes
  --slow             follow a run that takes its time
  --task <id>        trigger this task
  --payload <json>   with this payload
  --run <id>         follow this run and trigger none (needs a server of yours)
  --web              serve a page that shows runs live, on a local emulator, until Ctrl-C
  --port <n>         the page's port (3030); 0 is any free one
  --help             print this

With TRIGGER_SECRET_KEY set it talks to your server instead: https://api.trigger.dev, or TRIGGER_API_URL. Name one of
your tasks with --task or TRIGGER_DEMO_TASK, or one of your runs with --run.
`;

/** A wrong use of the demo: printed with the help's first line, exit code 2. */
export class UsageError extends Error {}

/**
 * @typedef {"succeed" | "fail" | "cancel" | "slow"} Mode
 * @typedef {object} Options
 * @property {boolean} help
 * @property {Mode} mode
 * @property {string | undefined} task `undefined` when a run is given.
 * @property {string | undefined} run
 * @property {unknown} payload
 * @property {{ port: number } | undefined} web Set for the page, where nothing else is done.
 * @property {{ url: string, key: string } | undefined} server `undefined` for the emulator.
 */

/** The emulator's built-in tasks that show each mode. @type {Record<Mode, string>} */
const builtIn = { succeed: "progress", fail: "failing", cancel: "slow", slow: "slow" };

/**
 * @param {readonly string[]} argv Without Node and the script.
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {Options}
 * @throws {UsageError}
 */
export function parse(argv, env) {
  const flags = read(argv);
  if (flags.port !== undefined && !flags.web) throw new UsageError("--port is for --web");
  if (flags.web) return { ...webOf(flags), help: flags.help ?? false };
  const modes = /** @type {const} */ (["fail", "cancel", "slow"]).filter((mode) => flags[mode]);
  if (modes.length > 1) throw new UsageError(`--${modes.join(" and --")} exclude each other`);
  const key = env.TRIGGER_SECRET_KEY;
  const server = key ? { key, url: (env.TRIGGER_API_URL || "https://api.trigger.dev").replace(/\/+$/, "") } : undefined;
  const mode = modes[0] ?? "succeed";
  return {
    help: flags.help ?? false,
    mode,
    task: flags.run ? undefined : taskOf(flags, env, server !== undefined, mode),
    run: runOf(flags, server !== undefined, mode),
    payload: payloadOf(flags.payload),
    web: undefined,
    server,
  };
}

/**
 * @param {ReturnType<typeof read>} flags
 * @returns {Omit<Options, "help">}
 */
function webOf(flags) {
  const others = /** @type {const} */ (["fail", "cancel", "slow", "task", "payload", "run"]);
  const other = others.find((name) => flags[name] !== undefined);
  if (other) throw new UsageError(`--web shows a page: leave --${other} out`);
  const port = flags.port ?? "3030";
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new UsageError("--port is a number from 0 to 65535");
  // Never the user's own server: what the page does needs no key.
  return {
    mode: "succeed",
    task: undefined,
    run: undefined,
    payload: undefined,
    web: { port: Number(port) },
    server: undefined,
  };
}

/** @param {readonly string[]} argv */
function read(argv) {
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        fail: { type: "boolean" },
        cancel: { type: "boolean" },
        slow: { type: "boolean" },
        task: { type: "string" },
        payload: { type: "string" },
        run: { type: "string" },
        web: { type: "boolean" },
        port: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message.split(". ")[0] : String(error));
  }
}

/**
 * @param {ReturnType<typeof read>} flags
 * @param {Readonly<Record<string, string | undefined>>} env
 * @param {boolean} remote
 * @param {Mode} mode
 */
function taskOf(flags, env, remote, mode) {
  if (flags.task === "") throw new UsageError("--task needs the id of a task");
  if (flags.task) return flags.task;
  if (!remote) return builtIn[mode];
  // A server of the user's has the user's tasks only.
  if (env.TRIGGER_DEMO_TASK) return env.TRIGGER_DEMO_TASK;
  if (flags.help) return undefined;
  throw new UsageError(
    "TRIGGER_SECRET_KEY is set: name one of your tasks with --task or TRIGGER_DEMO_TASK, or a run with --run",
  );
}

/**
 * @param {ReturnType<typeof read>} flags
 * @param {boolean} remote
 * @param {Mode} mode
 */
function runOf(flags, remote, mode) {
  if (flags.run === undefined) return undefined;
  if (flags.run === "") throw new UsageError("--run needs the id of a run");
  if (!remote) throw new UsageError("--run needs a server that has the run: set TRIGGER_SECRET_KEY");
  if (flags.task || flags.payload !== undefined)
    throw new UsageError("--run triggers nothing: leave --task and --payload out");
  if (mode === "slow") throw new UsageError("--slow chooses a task, --run a run: leave one out");
  return flags.run;
}

/** @param {string | undefined} text */
function payloadOf(text) {
  if (text === undefined) return { from: "the trigger-native demo" };
  try {
    return /** @type {unknown} */ (JSON.parse(text));
  } catch {
    throw new UsageError("--payload is no JSON");
  }
}
