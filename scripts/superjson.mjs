// Writes js/calls/superjson.js: superjson as one CommonJS file. The package itself is an ES module, which CommonJS reads by
// `import()` alone, and test runners that load modules by themselves (Jest, Vitest's vmThreads) refuse that without flags.
// Writes browser/superjson.mjs, too: its reader as an ES module, which a page loads without a bundler.

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

/** The reader alone. A Node buffer, which tasks send under a type of its own, is read as a Uint8Array. */
const READER = `import { SuperJSON } from "superjson";
const own = new SuperJSON();
own.registerCustom({ isApplicable: () => false, serialize: (value) => value, deserialize: (bytes) => Uint8Array.from(bytes) }, "buffer");
export const parse = (text) => own.parse(text);`;

function bundleReader() {
  return build({
    stdin: { contents: READER, resolveDir: root },
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    write: false,
    logLevel: "silent",
  });
}

/** The text of js/calls/superjson.js. @returns {Promise<string>} */
export const superjsonText = async () => textOf(await bundleSuperjson());

/** The text of browser/superjson.mjs. @returns {Promise<string>} */
export const readerText = async () => textOf(await bundleReader());

/** @param {{ outputFiles: { text: string }[] }} made */
async function textOf(made) {
  const licences = await Promise.all(INSIDE.map(licence));
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
  await script(async () => {
    await writeFile(path.join(root, "js", "calls", "superjson.js"), await superjsonText());
    await writeFile(path.join(root, "browser", "superjson.mjs"), await readerText());
  });
}
