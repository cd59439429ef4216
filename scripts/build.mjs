// `npm run build`: builds the addon and puts it beside the JavaScript face as `js/native/trigger-native.node`. It does no other
// set-up; `scripts/setup.mjs` does all of it.
//
//   npm run build -- --target linux-arm64-musl   builds that platform's published addon, on any Linux:
//                                                target/addons/linux-arm64-musl/trigger-native.node
//
// A published addon for Linux is built by Zig, and refused when it needs a newer glibc than 2.17, or what not every system has.

import { copyFile, mkdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { asPublished } from "./lib/cargo.mjs";
import { elfFaults } from "./lib/packed.mjs";
import { isMain, root, run, StepError, script } from "./lib/run.mjs";
import { GLIBC, zigCargo } from "./lib/zig.mjs";

/** Where the addon lies in a clone. */
export const addon = path.join(root, "js", "native", "trigger-native.node");

/** Compiles the release library, and installs it; cargo does nothing when nothing changed. */
export async function build() {
  return install(await compile(), addon);
}

/**
 * Builds the addon of a platform as it is published.
 *
 * @param {string} target as `linux-x64-gnu`
 * @returns {Promise<string>} where it is
 */
export async function buildPublished(target) {
  const library = await compile({ target });
  const faults = elfFaults(await readFile(library), target, target.endsWith("-gnu") ? GLIBC : undefined);
  if (faults.length > 0) throw new StepError(faults.join("\n"));
  const file = path.join(root, "target", "addons", target, "trigger-native.node");
  await mkdir(path.dirname(file), { recursive: true });
  await install(library, file);
  return file;
}

/**
 * Compiles the release library.
 *
 * @param {{ features?: string[], target?: string }} [options] cargo features beside the default ones; a platform, as
 *   `linux-x64-gnu`, for which it is built as it is published
 * @returns {Promise<string>} where cargo put it: the next compilation with other features replaces it
 */
export async function compile({ features = [], target } = {}) {
  const lines = new Lines();
  const cargo = { command: "cargo", chosen: [], ...asPublished() };
  const { command, chosen, args: first, env } = target ? { args: [], ...(await zigCargo(target)) } : cargo;
  const args = [...first];
  // The addon alone: for all crate types of the manifest, of which one is Rust's own, cargo leaves out the optimization
  // across crates, without a word.
  args.push(
    "rustc",
    "--release",
    "--lib",
    "--crate-type",
    "cdylib",
    "--message-format=json-render-diagnostics",
    ...chosen,
  );
  if (features.length > 0) args.push("--features", features.join(","));
  // A lock file that the build would change fails in CI, where the change would not be committed.
  if (process.env.CI || target) args.push("--locked");
  const code = await run(command, args, { env, onStdout: (chunk) => lines.add(chunk) });
  if (code !== 0) throw new StepError(`cargo failed (exit code ${code})`);
  // Asking cargo for the path respects CARGO_TARGET_DIR, build.target and every other setting of the user's.
  const library = lines.values.map(dynamicLibrary).findLast((found) => found !== undefined);
  if (!library) throw new StepError("cargo made no dynamic library");
  return library;
}

/**
 * Copies the library to its place, if it differs.
 *
 * @param {string} library
 * @param {string} file its place
 * @returns {Promise<boolean>} Whether anything was copied.
 */
async function install(library, file) {
  const [built, present] = await Promise.all([readFile(library), readFile(file).catch(() => undefined)]);
  if (present?.equals(built)) return false;
  // A new file under the old name: a process that has the old one mapped keeps it.
  const fresh = `${file}.${process.pid}.tmp`;
  try {
    await copyFile(library, fresh);
    await rename(fresh, file);
  } finally {
    await rm(fresh, { force: true });
  }
  return true;
}

/**
 * The path in one line of cargo's output, if the line is about our dynamic library.
 *
 * @param {string} line
 * @returns {string | undefined}
 */
function dynamicLibrary(line) {
  if (!line.startsWith("{")) return undefined;
  const message = JSON.parse(line);
  if (message.reason !== "compiler-artifact" || message.target.name !== "trigger_native") return undefined;
  return message.filenames.find((/** @type {string} */ name) => /\.(so|dylib|dll)$/.test(name));
}

/** Whole lines from chunks. */
class Lines {
  /** @type {string[]} */
  values = [];
  #rest = "";

  /** @param {string} chunk */
  add(chunk) {
    const parts = (this.#rest + chunk).split("\n");
    this.#rest = parts.pop() ?? "";
    this.values.push(...parts);
  }
}

if (isMain(import.meta.url)) {
  await script(async () => {
    const { values } = parseArgs({ options: { target: { type: "string" } } });
    if (values.target) {
      console.error(path.relative(root, await buildPublished(values.target)));
      return;
    }
    console.error(
      (await build()) ? "js/native/trigger-native.node is new" : "js/native/trigger-native.node is up to date",
    );
  });
}
