// Running other programs: inherited output, honest exit codes, no shell.

import { spawn } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The project's root folder. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");

/** A step that failed in a way the user can act on: printed without a stack. */
export class StepError extends Error {}

/**
 * Runs a program to its end, in the project's root.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, onStdout?: (chunk: string) => void, quiet?: boolean }} [options]
 *   `onStdout` takes the program's standard output instead of the terminal; `quiet` drops all of its output.
 * @returns {Promise<number>} The exit code; 127 when there is no such program, 128 + n after signal n.
 */
export function run(command, args, options = {}) {
  const output = options.quiet ? "ignore" : "inherit";
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: options.env ?? process.env,
      stdio: ["ignore", options.onStdout ? "pipe" : output, output],
    });
    const { onStdout } = options;
    if (onStdout && child.stdout) {
      child.stdout.setEncoding("utf8");
      child.stdout.on("data", onStdout);
    }
    child.on("error", (error) => {
      if ("code" in error && error.code === "ENOENT") resolve(127);
      else reject(error);
    });
    child.on("close", (code, signal) => resolve(code ?? 128 + (signal === "SIGINT" ? 2 : 15)));
  });
}

/**
 * Runs a program and fails with its name when it fails.
 *
 * @param {string} label What the user sees: printed before, and named in the failure.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 */
export async function step(label, command, args, options) {
  console.error(`> ${label}`);
  const code = await run(command, args, options);
  if (code === 127) throw new StepError(`${command} was not found (needed for: ${label})`);
  if (code !== 0) throw new StepError(`${label} failed (exit code ${code})`);
}

/**
 * Prints that a step begins, and returns a function that prints its duration.
 *
 * @param {string} label
 * @returns {() => void}
 */
export function timed(label) {
  console.error(`> ${label}`);
  const began = performance.now();
  return () => console.error(`> ${label}: ${Math.round((performance.now() - began) / 1000)} s`);
}

/**
 * Runs `npm` with the very npm that started this script, where one did.
 *
 * @param {string} label
 * @param {readonly string[]} args
 */
export function npm(label, args) {
  const [command, first] = npmCommand();
  return step(label, command, [...first, ...args]);
}

/** `npm` as a command and its first arguments. @returns {[string, string[]]} */
export function npmCommand() {
  const own = process.env.npm_execpath;
  if (own?.endsWith("npm-cli.js")) return [process.execPath, [own]];
  if (process.platform === "win32") return ["cmd.exe", ["/d", "/s", "/c", "npm"]];
  return ["npm", []];
}

/**
 * What a program prints, and how it ends.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<{ code: number | null, out: string, said: string }>} `said` is its standard error
 */
export function collect(command, args, { cwd = root, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, said }));
  });
}

/**
 * The standard output of a program, which has to end well.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Parameters<typeof collect>[2]} [options]
 * @returns {Promise<string>}
 */
export async function capture(command, args, options) {
  const { code, out, said } = await collect(command, args, options);
  if (code === 0) return out;
  throw new StepError(`${command} ${args.join(" ")} failed (exit code ${code})\n${said || out}`);
}

/**
 * The path of a program that npm installed, as `[command, ...args]` for {@link run}.
 *
 * @param {string} script Path of its JavaScript entry inside `node_modules`.
 * @returns {[string, string]}
 */
export function tool(script) {
  return [process.execPath, path.join(root, "node_modules", script)];
}

/**
 * Runs the main function of a script: a {@link StepError} is one line and exit code 1.
 *
 * @param {() => Promise<void>} main
 */
export async function script(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

/** True when the file at `url` was started by itself, not imported. @param {string} url */
export function isMain(url) {
  return process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(url);
}
