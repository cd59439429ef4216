// Publishes tarballs that were built and tested elsewhere: `node scripts/publish.mjs FOLDER --tag v1.2.3 [--dry-run]`.
//
// All of them or none: a root whose platform packages are not all there installs and does not load.

import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { isMain, npm, npmCommand, root, run, StepError, script } from "./lib/run.mjs";

/**
 * The tarballs in the order to publish them: the root last, when all that it needs can be installed.
 *
 * @param {readonly string[]} names of files in the folder
 * @param {readonly string[]} targets
 * @param {string} version
 * @returns {{ name: string, file: string }[]}
 */
export function inOrder(names, targets, version) {
  const wanted = [...targets.map((target) => `trigger-native-${target}`), "trigger-native"];
  const order = wanted.map((name) => ({ name, file: `${name}-${version}.tgz` }));
  const missing = order.filter(({ file }) => !names.includes(file)).map(({ file }) => file);
  if (missing.length > 0) throw new StepError(`not there: ${missing.join(", ")}`);
  const strange = names.filter((name) => name.endsWith(".tgz") && !order.some(({ file }) => file === name));
  if (strange.length > 0) throw new StepError(`not of version ${version}: ${strange.join(", ")}`);
  return order;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { tag: { type: "string" }, "dry-run": { type: "boolean", default: false } },
  });
  const folder = path.resolve(positionals[0] ?? path.join(root, "target", "packages"));
  const { version } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
  if (values.tag !== `v${version}`) throw new StepError(`the tag ${values.tag} is not that of version ${version}`);
  const order = inOrder(await readdir(folder), await readdir(path.join(root, "npm")), version);
  // A version such as 1.0.0-beta.1 must not become what everybody installs.
  const channel = version.includes("-") ? "next" : "latest";
  for (const { name, file } of order) {
    if (await isPublished(`${name}@${version}`)) {
      console.error(`> ${name}@${version} is published already`);
      continue;
    }
    const args = ["publish", path.join(folder, file), "--provenance", "--access", "public", "--tag", channel];
    await npm(`publishing ${name}@${version}`, values["dry-run"] ? [...args, "--dry-run"] : args);
  }
}

/** Whether a run that broke off has published it already. @param {string} specifier */
async function isPublished(specifier) {
  const [command, first] = npmCommand();
  return (await run(command, [...first, "view", specifier, "version"], { quiet: true })) === 0;
}

if (isMain(import.meta.url)) await script(main);
