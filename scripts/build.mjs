// Builds the addon and puts it beside the JavaScript face as `js/native/trigger-native.node`.
//
// `node scripts/build.mjs` alone does no other set-up; `scripts/setup.mjs` does all of it.

import { copyFile, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { asPublished } from "./lib/cargo.mjs";
import { isMain, root, run, StepError, script } from "./lib/run.mjs";

/** Where the addon lies in a clone. */
export const addon = path.join(root, "js", "native", "trigger-native.node");

/** Compiles the release library; cargo does nothing when nothing changed. */
export async function build() {
  const lines = new Lines();
  const { args, env } = asPublished();
  // The addon alone: for all crate types of the manifest, of which one is Rust's own, cargo leaves out the optimization
  // across crates, without a word.
  args.push("rustc", "--release", "--lib", "--crate-type", "cdylib", "--message-format=json-render-diagnostics");
  // A lock file that the build would change fails in CI, where the change would not be committed.
  if (process.env.CI) args.push("--locked");
  const code = await run("cargo", args, { env, onStdout: (chunk) => lines.add(chunk) });
  if (code !== 0) throw new StepError(`cargo failed (exit code ${code})`);
  // Asking cargo for the path respects CARGO_TARGET_DIR, build.target and every other setting of the user's.
  const library = lines.values.map(dynamicLibrary).findLast((found) => found !== undefined);
  if (!library) throw new StepError("cargo made no dynamic library");
  return install(library);
}

/**
 * Copies the library to its place, if it differs.
 *
 * @param {string} library
 * @returns {Promise<boolean>} Whether anything was copied.
 */
async function install(library) {
  const [built, present] = await Promise.all([readFile(library), readFile(addon).catch(() => undefined)]);
  if (present?.equals(built)) return false;
  // A new file under the old name: a process that has the old one mapped keeps it.
  const fresh = `${addon}.${process.pid}.tmp`;
  try {
    await copyFile(library, fresh);
    await rename(fresh, addon);
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
    console.error(
      (await build()) ? "js/native/trigger-native.node is new" : "js/native/trigger-native.node is up to date",
    );
  });
}
