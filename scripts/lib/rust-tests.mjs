// Runs the Rust tests, by cargo-nextest where it is installed.

import { run, step } from "./run.mjs";

/** Whether cargo-nextest is installed. */
export const hasNextest = async () => (await run("cargo", ["nextest", "--version"], { quiet: true })) === 0;

export function documentationTests() {
  return step("Rust documentation tests", "cargo", ["test", "--no-default-features", "--doc", "--quiet"]);
}

/**
 * The Rust tests whose names hold `filter`.
 *
 * @param {string[]} filter
 */
export async function rustTests(...filter) {
  const rest = ["--no-default-features", ...filter];
  if (!(await hasNextest())) return step("Rust tests (cargo test)", "cargo", ["test", ...rest]);
  // nextest runs no documentation tests: cargo does.
  if (filter.length === 0) await documentationTests();
  return step("Rust tests (cargo nextest)", "cargo", ["nextest", "run", ...rest]);
}
