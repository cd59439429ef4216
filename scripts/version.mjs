// The version, which several files have to agree on.
//
// `node scripts/version.mjs` says where they differ from package.json; `node scripts/version.mjs 1.2.3` writes it to all.

import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { isMain, root, StepError, script } from "./lib/run.mjs";

/** Every file that holds the version, with the text around it. @returns {Promise<[string, RegExp][]>} */
async function places() {
  const inJson = /^( {2}"version": ")([^"]+)(")/m;
  const targets = await readdir(path.join(root, "npm"));
  return [
    ["package.json", inJson],
    ["package-lock.json", inJson],
    // The root package, which the lock names a second time.
    ["package-lock.json", /(^ {4}"": \{\s+"name": "trigger-native",\s+"version": ")([^"]+)(")/m],
    ["skills/trigger-native/SKILL.md", /^(library_version: ")([^"]+)(")/m],
    ["js/native/native.js", /^(const VERSION = ")([^"]+)(")/m],
    ["Cargo.toml", /^(version = ")([^"]+)(")/m],
    ["Cargo.lock", /(^name = "trigger-native"\nversion = ")([^"]+)(")/m],
    ...targets
      .sort()
      .map((target) => /** @type {[string, RegExp]} */ ([path.posix.join("npm", target, "package.json"), inJson])),
  ];
}

/**
 * The version each file holds.
 *
 * @returns {Promise<[string, string | undefined][]>} by file, package.json first
 */
export async function versions() {
  return Promise.all(
    (await places()).map(async ([name, around]) => {
      const text = await readFile(path.join(root, name), "utf8");
      return /** @type {[string, string | undefined]} */ ([name, around.exec(text)?.[2]]);
    }),
  );
}

/** @param {string} version */
async function write(version) {
  for (const [name, around] of await places()) {
    const file = path.join(root, name);
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace(around, `$1${version}$3`));
  }
}

if (isMain(import.meta.url)) {
  await script(async () => {
    const [wanted] = process.argv.slice(2);
    if (wanted !== undefined) {
      if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(wanted)) throw new StepError(`${wanted} is no version`);
      await write(wanted);
    }
    const [[, first], ...others] = await versions();
    const wrong = others.filter(([, version]) => version !== first).map(([name, version]) => `${name} has ${version}`);
    if (wrong.length > 0) throw new StepError(`package.json has version ${first}, ${wrong.join(", ")}`);
    console.error(`version ${first}`);
  });
}
