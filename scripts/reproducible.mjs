// `npm run reproducible`: builds the published addon of a platform here, and once more from the same commit in another folder, with
// other caches and no trace of the first, and fails unless both are the same bytes.
//
//   npm run reproducible                                     the addon for Linux x64 with glibc
//   npm run reproducible -- --target linux-arm64-musl        another one for Linux
//   npm run reproducible -- --addon FILE                     compares a file, as one that npm installed, instead of a build here

import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { buildPublished } from "./build.mjs";
import { capture, isMain, root, StepError, script, step } from "./lib/run.mjs";

/**
 * Builds the committed state anew.
 *
 * @param {string} target
 * @param {string} folder a new, empty one
 * @returns {Promise<Buffer>} the addon
 */
async function builtElsewhere(target, folder) {
  const clone = path.join(folder, "elsewhere", "clone");
  await step("cloning the commit into another folder", "git", ["clone", "--quiet", root, clone]);
  // Crates are downloaded anew, into a folder of another name; C is compiled anew, too.
  /** @type {NodeJS.ProcessEnv} */
  const env = {
    ...process.env,
    CARGO_HOME: path.join(folder, "crates"),
    ZIG_GLOBAL_CACHE_DIR: path.join(folder, "zig"),
    ZIG_LOCAL_CACHE_DIR: path.join(folder, "zig-local"),
  };
  delete env.CARGO_TARGET_DIR;
  const args = [path.join(clone, "scripts", "build.mjs"), "--target", target];
  await step(`building ${target} there`, process.execPath, args, { env });
  return readFile(path.join(clone, "target", "addons", target, "trigger-native.node"));
}

/** @param {Buffer} bytes */
const described = (bytes) => `${createHash("sha256").update(bytes).digest("hex")}, ${bytes.length} bytes`;

async function main() {
  const { values } = parseArgs({
    options: { addon: { type: "string" }, target: { type: "string", default: "linux-x64-gnu" } },
  });
  const { addon, target } = values;
  const changed = await capture("git", ["status", "--porcelain"]);
  // The clone has what is committed, and nothing else.
  if (changed !== "") throw new StepError(`commit or remove first:\n${changed}`);
  const first = await readFile(addon ?? (await buildPublished(target)));
  const folder = await mkdtemp(path.join(os.tmpdir(), "trigger-native-reproducible-"));
  try {
    const second = await builtElsewhere(target, folder);
    console.log(`${await capture("rustc", ["--version"])}${addon ?? "here"}: ${described(first)}`);
    console.log(`built anew: ${described(second)}`);
    if (!first.equals(second)) throw new StepError("the two differ");
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

if (isMain(import.meta.url)) await script(main);
