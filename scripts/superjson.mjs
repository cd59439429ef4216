// Writes js/calls/superjson.js: superjson as one CommonJS file. The package itself is an ES module, which CommonJS reads by
// `import()` alone, and test runners that load modules by themselves (Jest, Vitest's vmThreads) refuse that without flags.

import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import { isMain, root, script } from "./lib/run.mjs";

/** The packages in it, whose licences ask to be kept with them. */
const INSIDE = ["superjson", "copy-anything"];

/** The bundle of superjson, and the list of what went into it. */
export function bundleSuperjson() {
  return build({
    stdin: { contents: 'export { SuperJSON } from "superjson";', resolveDir: root },
    bundle: true,
    format: "cjs",
    target: "node20",
    minify: true,
    metafile: true,
    write: false,
    logLevel: "silent",
  });
}

/** The text of js/calls/superjson.js. @returns {Promise<string>} */
export async function superjsonText() {
  const licences = await Promise.all(INSIDE.map(licence));
  const made = await bundleSuperjson();
  const notes = licences.map((text) => `/*!\n${text.replace(/^/gm, " * ").replace(/ +$/gm, "")}\n */`);
  return `// @ts-nocheck\n// Made by scripts/superjson.mjs.\n${notes.join("\n")}\n${made.outputFiles[0].text}`;
}

/** @param {string} name */
async function licence(name) {
  const folder = path.join(root, "node_modules", name);
  const { version } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  return `${name} ${version}\n\n${(await readFile(path.join(folder, "LICENSE"), "utf8")).trim()}`;
}

if (isMain(import.meta.url)) {
  await script(async () => writeFile(path.join(root, "js", "calls", "superjson.js"), await superjsonText()));
}
