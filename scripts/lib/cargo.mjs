// How cargo builds the published, counted and measured programs. The flags are the same for all: where they differ, cargo
// compiles every crate anew.

import os from "node:os";
import path from "node:path";
import process from "node:process";
import { root } from "./run.mjs";

/** Between flags in `CARGO_ENCODED_RUSTFLAGS`; a folder's name may hold spaces. */
const BETWEEN = "\x1f";

/**
 * A ninth of what the compiler takes to be worth inlining by itself. It makes the addon an eighth smaller, and what is hot
 * takes up to 13 percent more instructions (docs/packaging.md).
 */
const INLINED = "-Cllvm-args=-inline-threshold=25";

/**
 * Flags of C: no exception passes it, and the tables by which one would find its way are left out, which debuggers alone
 * would read. Windows cannot do without, and macOS has them in another form.
 */
const C_FLAGS = process.platform === "linux" ? ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"] : [];

/**
 * The flags of published code: small, and without the folders of this machine, as panics name the source files.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ args: string[], env: NodeJS.ProcessEnv }} to be put before cargo's command, and its environment
 */
export function asPublished(env = process.env) {
  const published = { ...env, CFLAGS: [env.CFLAGS, ...C_FLAGS].filter(Boolean).join(" ") };
  const home = path.resolve(env.CARGO_HOME ?? path.join(os.homedir(), ".cargo"));
  const flags = [INLINED, `--remap-path-prefix=${home}=cargo`, `--remap-path-prefix=${root}=trigger-native`];
  const given = flagsOf(env);
  // Flags in the environment go before those of configuration files, which would be lost: only where some are there.
  if (!given) return { args: ["--config", `build.rustflags = ${JSON.stringify(flags)}`], env: published };
  return { args: [], env: { ...published, CARGO_ENCODED_RUSTFLAGS: [...given, ...flags].join(BETWEEN) } };
}

/**
 * An environment with further flags, in which those of configuration files do not count.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {string[]} flags
 * @returns {NodeJS.ProcessEnv}
 */
export function withFlags(env, flags) {
  return { ...env, CARGO_ENCODED_RUSTFLAGS: [...(flagsOf(env) ?? []), ...flags].join(BETWEEN) };
}

/** The flags that an environment has; undefined where it says nothing. @param {NodeJS.ProcessEnv} env */
function flagsOf(env) {
  const given = env.CARGO_ENCODED_RUSTFLAGS?.split(BETWEEN) ?? env.RUSTFLAGS?.split(/\s+/);
  return given?.filter(Boolean);
}
