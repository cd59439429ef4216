// Zig as the C compiler and linker of the published addons for Linux. It brings the C libraries of every version and platform, so
// that one machine builds for all of them: for an old glibc, for musl, for arm64.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { asPublished, withFlags } from "./cargo.mjs";
import { capture, root, StepError, step } from "./run.mjs";

/** The oldest glibc that the published addons run on: that of CentOS 7, and the oldest that Rust and Node support. */
export const GLIBC = "2.17";

/** Rust's names of the platforms that are built with Zig. @type {Record<string, string>} */
export const TRIPLES = {
  "linux-arm64-gnu": "aarch64-unknown-linux-gnu",
  "linux-arm64-musl": "aarch64-unknown-linux-musl",
  "linux-x64-gnu": "x86_64-unknown-linux-gnu",
  "linux-x64-musl": "x86_64-unknown-linux-musl",
};

/**
 * What compiles for a platform: the program in cargo's place, and its arguments for the platform. Whatever is missing of it is
 * installed.
 *
 * @param {string} target as `linux-x64-gnu`
 * @param {NodeJS.ProcessEnv} [given]
 * @returns {Promise<{ command: string, chosen: string[], env: NodeJS.ProcessEnv }>}
 */
export async function zigCargo(target, given = process.env) {
  const triple = TRIPLES[target];
  if (!triple) throw new StepError(`"${target}" is none of: ${Object.keys(TRIPLES).join(", ")}`);
  await ensureStandardLibrary(triple);
  const { command, zig } = await ensureZig();
  const env = { ...asPublished(flagsFor(target, given)).env, CARGO_ZIGBUILD_ZIG_PATH: zig };
  return { command, chosen: ["--target", target.endsWith("-gnu") ? `${triple}.${GLIBC}` : triple], env };
}

/**
 * The environment with the flags for a platform, which are the same on every machine: those of its configuration files, as
 * `target-cpu=native`, are left out.
 *
 * @param {string} target
 * @param {NodeJS.ProcessEnv} env
 */
export function flagsFor(target, env) {
  // A library that Node loads shares Node's C library: Rust would link its own.
  return withFlags(env, target.endsWith("-musl") ? ["-Ctarget-feature=-crt-static"] : []);
}

/** Rust's own libraries for a platform: rustup has them. @param {string} triple */
async function ensureStandardLibrary(triple) {
  const folder = await capture("rustc", ["--print", "target-libdir", "--target", triple]);
  if (existsSync(folder.trim())) return;
  await step(`installing Rust's standard library for ${triple}`, "rustup", ["target", "add", triple]);
}

/** Installs Zig and cargo-zigbuild of these versions into `target/zig`. */
async function ensureZig() {
  const requirements = path.join(root, "scripts", "lib", "zig-requirements.txt");
  const wanted = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex");
  const folder = path.join(root, "target", "zig");
  const inside = (/** @type {string} */ name) => path.join(folder, "bin", name);
  const record = path.join(folder, "complete");
  if ((await readFile(record, "utf8").catch(() => "")) !== wanted) {
    await rm(folder, { recursive: true, force: true });
    await step("making an environment of Python for Zig", "python3", ["-m", "venv", folder]);
    const flags = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"];
    await step("installing Zig and cargo-zigbuild (pip)", inside("python"), [
      ...["-m", "pip", "install", ...flags, "--requirement", requirements],
    ]);
    await writeFile(`${record}.new`, wanted);
    await rename(`${record}.new`, record);
  }
  const found = "import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))";
  return { command: inside("cargo-zigbuild"), zig: (await capture(inside("python"), ["-c", found])).trim() };
}
