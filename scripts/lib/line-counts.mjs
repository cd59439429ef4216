// Counts the lines that tests run: of the core by LLVM, of the face by V8, in every process that is started meanwhile.

import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { cargoTool } from "./cargo-tools.mjs";
import { ofJavaScript, ofRust } from "./coverage.mjs";
import { llvmTools } from "./llvm.mjs";
import { root, step, tool } from "./run.mjs";
import { hasNextest, rustTests } from "./rust-tests.mjs";

/** @typedef {[file: string, lines: import("./coverage.mjs").Lines][]} Counted */

const folder = path.join(root, "target", "coverage");

/** Rust tests that measure, which what counts would change. */
const UNCOUNTED = ["eighty_thousand", "holds_little"];

/** @param {string} file */
const json = async (file) => JSON.parse(await readFile(file, "utf8"));

/**
 * Runs the Rust tests, and says how many lines of each file they ran. Those that measure are run afterwards, uncounted.
 *
 * @returns {Promise<Counted>}
 */
export async function countedRustTests() {
  const [command, first] = await cargoTool("cargo-llvm-cov");
  const env = { ...process.env, ...(await llvmTools()) };
  const file = path.join(folder, "rust.json");
  await mkdir(folder, { recursive: true });
  const built = ["--no-default-features", "--locked"];
  const left = UNCOUNTED.flatMap((name) => ["--skip", name]);
  const by = (await hasNextest()) ? ["nextest"] : [];
  const counted = [...first, "--no-report", ...by, ...built, "--", ...left];
  await step("Rust tests, counted", command, counted, { env });
  const report = ["report", "--json", "--summary-only", "--output-path", file];
  await step("report of their lines", command, [...first, ...report], { env });
  await rustTests("--lib", "--", ...UNCOUNTED);
  return ofRust(await json(file), root);
}

/**
 * Begins to count the lines of the face, in the processes that are started from now on.
 *
 * @returns {Promise<() => Promise<Counted>>} ends it, and says how many lines of each file they ran
 */
export async function countLines() {
  const counts = path.join(folder, "v8");
  await rm(counts, { recursive: true, force: true });
  process.env.NODE_V8_COVERAGE = counts;
  return async () => {
    delete process.env.NODE_V8_COVERAGE;
    const [node, c8] = tool("c8/bin/c8.js");
    const which = ["--include", "js/**", "--include", "*.js", "--all"];
    // Another project's, and declarations.
    which.push("--exclude", "js/calls/superjson.js", "--exclude", "**/*.d.ts");
    // One process's counts at a time in memory: there are thousands.
    const how = ["--merge-async", "--temp-directory", counts];
    const to = ["--reports-dir", folder, "--reporter", "json-summary"];
    await step("report of the lines of the face", node, [c8, "report", ...which, ...how, ...to]);
    return ofJavaScript(await json(path.join(folder, "coverage-summary.json")), root);
  };
}
