"use strict";

const path = require("node:path");
const { parseArgs } = require("node:util");
const { version } = require("../../package.json");
const { startEmulator } = require("../emulator.js");
const { withoutSecrets } = require("../errors/hidden.js");
const { ScriptFile } = require("./script-file.js");
const { UsageError } = require("./usage.js");

const PORT = 3030;

const HELP = `trigger-native emulator [options]

A local Trigger.dev realtime API with scripted runs, and a page that shows them. It listens on 127.0.0.1 only and forgets
everything when it ends.

  --port <n>             the port; 0 is any free one (${PORT})
  --host 127.0.0.1       the only host there is
  --script <file>        tasks: a JSON file, or a .js, .mjs or .cjs file with a default export; read again when it changes
  --speed <n>            what the times in scripts are divided by (1)
  --key <key>            the secret key (tr_dev_emulatornotasecret)
  --env <id>             the id of the environment, the "sub" of its tokens
  --max-connections <n>  the most live requests held at once; 429 beyond it (no limit)
  --json                 print one line of JSON
  --help                 print this
`;

/**
 * `trigger-native emulator`: runs until SIGINT or SIGTERM.
 *
 * @param {readonly string[]} argv
 * @returns {Promise<number>} The exit code.
 */
async function emulator(argv) {
  const flags = read(argv);
  if (flags.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const options = optionsOf(flags);
  // From the first moment on, so that an interrupt during the start stops it cleanly too.
  const interrupted = interruption();
  const script = flags.script === undefined ? undefined : new ScriptFile(flags.script);
  try {
    const tasks = await script?.read();
    const running = await start({ ...options, ...(tasks ? { tasks } : {}) });
    try {
      process.stdout.write(flags.json ? line(running) : greeting(running, script, tasks));
      script?.follow(
        async (changed) => {
          const count = await running.replaceTasks(changed);
          process.stderr.write(`script: read ${script.name} again; ${count} tasks with the built-in ones\n`);
        },
        (error) => {
          process.stderr.write(`script: ${withoutSecrets(error.message)}\nscript: the tasks stay as they were\n`);
        },
      );
      await interrupted;
    } finally {
      await running.stop();
    }
  } finally {
    script?.close();
  }
  return 0;
}

/** @param {import("../../emulator.js").EmulatorOptions} options */
async function start(options) {
  try {
    return await startEmulator(options);
  } catch (reason) {
    const error = /** @type {Error & { code?: string }} */ (reason);
    if (error.code === "ERR_EMULATOR_PORT") {
      throw new Error(`${error.message}\nChoose another port with --port, or any free one with --port 0.`);
    }
    if (error.code === "ERR_INVALID_OPTIONS") throw new UsageError(error.message);
    throw error;
  }
}

/** @param {readonly string[]} argv */
function read(argv) {
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        port: { type: "string" },
        host: { type: "string" },
        script: { type: "string" },
        speed: { type: "string" },
        key: { type: "string" },
        env: { type: "string" },
        "max-connections": { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message.split(". ")[0]);
  }
}

/** @param {ReturnType<typeof read>} flags */
function optionsOf(flags) {
  if (flags.host !== undefined && flags.host !== "127.0.0.1" && flags.host !== "localhost") {
    throw new UsageError("--host is 127.0.0.1: the emulator is for this machine only");
  }
  if (flags.script === "") throw new UsageError("--script needs a file");
  if (flags.script?.includes("://")) throw new UsageError("--script is a file, and no URL");
  const port = whole("--port", flags.port ?? String(PORT));
  if (port > 65_535) throw new UsageError("--port is a number from 0 to 65535");
  const speed = flags.speed === undefined ? 1 : Number(flags.speed);
  if (!(Number.isFinite(speed) && speed > 0) || flags.speed?.trim() === "") {
    throw new UsageError("--speed is a number above 0");
  }
  const most = flags["max-connections"];
  return {
    port,
    speed,
    ...(flags.key === undefined ? {} : { secretKey: flags.key }),
    ...(flags.env === undefined ? {} : { environmentId: flags.env }),
    ...(most === undefined ? {} : { maxConnections: whole("--max-connections", most) }),
  };
}

/**
 * @param {string} name
 * @param {string} text
 */
function whole(name, text) {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${name} is a whole number from 0 on`);
  return Number(text);
}

/** Settles at SIGINT or SIGTERM. A second one ends the process at once. */
function interruption() {
  return /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      const signals = /** @type {const} */ (["SIGINT", "SIGTERM"]);
      const end = () => {
        for (const signal of signals) process.off(signal, end);
        resolve();
      };
      for (const signal of signals) process.on(signal, end);
    })
  );
}

/** The environment variables that point an app here. @param {import("../../emulator.js").Emulator} running */
function environment(running) {
  return { TRIGGER_API_URL: running.url, TRIGGER_SECRET_KEY: running.secretKey };
}

/** @param {import("../../emulator.js").Emulator} running */
function line(running) {
  const printed = {
    url: running.url,
    secretKey: running.secretKey,
    page: `${running.url}/`,
    environment: environment(running),
  };
  return `${JSON.stringify(printed)}\n`;
}

/**
 * @param {import("../../emulator.js").Emulator} running
 * @param {InstanceType<typeof ScriptFile> | undefined} script
 * @param {object | undefined} tasks
 */
function greeting(running, script, tasks) {
  const lines = [
    `trigger-native ${version}: emulator`,
    "",
    `  page    ${running.url}/`,
    `  url     ${running.url}`,
    `  key     ${running.secretKey}`,
  ];
  if (script && tasks)
    lines.push(`  script  ${path.relative("", script.file)} (tasks: ${Object.keys(tasks).join(", ")})`);
  lines.push("", "Environment of your app:", "");
  for (const [name, value] of Object.entries(environment(running))) lines.push(`${name}=${value}`);
  lines.push("", "Ctrl-C ends it.", "");
  return lines.join("\n");
}

module.exports = { emulator };
