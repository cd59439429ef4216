// Counts the instructions of a program (`benches/instructions.rs`) under callgrind.

import { spawnSync } from "node:child_process";
import process from "node:process";
import { asPublished } from "./cargo.mjs";
import { root, run, StepError } from "./run.mjs";

/** Compiles the counted program, and says where it is. @param {"release" | "dev"} profile */
export async function build(profile = "release") {
  /** @type {string[]} */
  const chunks = [];
  const { args, env } = profile === "release" ? asPublished() : { args: [], env: process.env };
  args.push("build", `--profile=${profile}`, "--no-default-features", "--bench", "instructions");
  args.push("--message-format=json-render-diagnostics");
  if (process.env.CI) args.push("--locked");
  const code = await run("cargo", args, { env, onStdout: (chunk) => void chunks.push(chunk) });
  if (code !== 0) throw new StepError(`the counted program did not build (exit code ${code})`);
  const messages = chunks
    .join("")
    .split("\n")
    .filter((line) => line.startsWith("{"));
  const built = messages.map((line) => JSON.parse(line)).findLast((message) => message.executable);
  if (!built) throw new StepError("cargo build made no program: is [[bench]] instructions still there?");
  return /** @type {string} */ (built.executable);
}

/**
 * @param {string} program
 * @param {string} work
 * @param {number} iterations
 * @returns {number} the instructions of the whole program
 */
export function count(program, work, iterations) {
  const args = ["--tool=callgrind", "--callgrind-out-file=/dev/null", program, work, String(iterations)];
  const { error, status, stderr } = spawnSync("valgrind", args, { encoding: "utf8", cwd: root });
  if (error && "code" in error && error.code === "ENOENT") {
    throw new StepError("valgrind was not found (Debian: apt-get install valgrind)");
  }
  const found = /Collected\s*:\s*(\d+)/.exec(stderr ?? "");
  if (status !== 0 || !found) throw new StepError(`${work} could not be counted:\n${stderr?.slice(-2_000)}`);
  return Number(found[1]);
}
