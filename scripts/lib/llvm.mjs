// The programs of LLVM that read what counted programs write, of the version that the compiler has.

import { capture, run, StepError } from "./run.mjs";

/** @returns {Promise<Record<string, string>>} the variables that cargo-llvm-cov takes; none where Rust's own are installed */
export async function llvmTools() {
  const major = /^LLVM version: (\d+)/m.exec(await capture("rustc", ["-vV"]))?.[1];
  const found = { LLVM_COV: `llvm-cov-${major}`, LLVM_PROFDATA: `llvm-profdata-${major}` };
  const isThere = async (/** @type {string} */ name) => (await run(name, ["--version"], { quiet: true })) === 0;
  if (await isThere(found.LLVM_COV)) return found;
  const components = await capture("rustup", ["component", "list", "--installed"]).catch(() => "");
  if (components.includes("llvm-tools")) return {};
  throw new StepError(`llvm-cov is missing: rustup component add llvm-tools, or apt-get install llvm-${major}`);
}
