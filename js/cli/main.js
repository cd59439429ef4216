"use strict";

const { version } = require("../../package.json");
const { withoutSecrets } = require("../errors/hidden.js");
const { UsageError } = require("./usage.js");

const HELP = `trigger-native <command>

  emulator     a local Trigger.dev realtime API with a page that shows its runs

  --help       print this, or what a command takes: trigger-native emulator --help
  --version    print the version
`;

/**
 * The command line.
 *
 * @param {readonly string[]} argv Without Node and the script.
 * @returns {Promise<number>} The exit code: 0, 1 for what went wrong, 2 for a wrong use.
 */
async function main(argv) {
  // A reader that left early (`| head`) is no error of the command.
  process.stdout.on("error", (error) => {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EPIPE") throw error;
  });
  const [command, ...rest] = argv;
  try {
    if (command === "--help" || command === "-h" || command === "help") return print(HELP);
    if (command === "--version" || command === "-v") return print(`${version}\n`);
    if (command === "emulator") return await require("./emulator.js").emulator(rest);
    if (command === undefined) throw new UsageError("a command is missing");
    throw new UsageError(`there is no command "${command}"`);
  } catch (error) {
    const name = command === "emulator" ? "trigger-native emulator" : "trigger-native";
    // A key in the place of another argument, or in a script's error.
    const message = withoutSecrets(error instanceof Error ? error.message : String(error));
    process.stderr.write(`${name}: ${message}\n`);
    if (!(error instanceof UsageError)) return 1;
    process.stderr.write(`Try: ${name} --help\n`);
    return 2;
  }
}

/** @param {string} text */
function print(text) {
  process.stdout.write(text);
  return 0;
}

module.exports = { main };
