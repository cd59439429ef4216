// Programs of cargo that the checks need, each installed where it is missing.

import path from "node:path";
import { root, run, step } from "./run.mjs";

/** What is installed where none is there. */
const VERSIONS = {
  "cargo-cyclonedx": "0.5.9",
  "cargo-deny": "0.20.2",
  "cargo-fuzz": "0.13.2",
  "cargo-llvm-cov": "0.9.1",
  "cargo-mutants": "27.1.0",
};

/**
 * The command of a program: the one that cargo finds, else one in `target/tools`.
 *
 * @param {keyof typeof VERSIONS} name
 * @returns {Promise<[command: string, args: string[]]>} the program with its first arguments
 */
export async function cargoTool(name) {
  const verb = name.replace(/^cargo-/, "");
  if ((await run("cargo", [verb, "--version"], { quiet: true })) === 0) return ["cargo", [verb]];
  const folder = path.join(root, "target", "tools");
  const own = path.join(folder, "bin", name);
  if ((await run(own, [verb, "--version"], { quiet: true })) !== 0) {
    const version = VERSIONS[name];
    // Unoptimized: it compiles in half the time, and runs for seconds.
    const args = ["install", "--locked", "--debug", "--quiet", "--root", folder, `${name}@${version}`];
    await step(`installing ${name} ${version}`, "cargo", args);
  }
  return [own, [verb]];
}
