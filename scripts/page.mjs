// Bundles the emulator's page from `page/` to `page/dist/`.

import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { isMain, root, script } from "./lib/run.mjs";

const home = path.join(root, "page");
const dist = path.join(home, "dist");

/** The page's bundle, and the list of what went into it. */
export async function bundlePage() {
  // Not at the top: this runs before npm's packages are installed, too.
  const { build } = await import("esbuild");
  return build({
    absWorkingDir: root,
    entryPoints: { page: "page/src/main.tsx" },
    outdir: "page/dist",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    // The official packages load it in Node only.
    external: ["node:*"],
    plugins: [lean],
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
    write: false,
  });
}

/**
 * Builds the page; a file that did not change is left alone.
 *
 * @returns {Promise<boolean>} Whether anything is new.
 */
export async function buildPage() {
  const bundle = await bundlePage();
  // Compressed alone: that is how browsers take it, and plain it would be a twelfth of what an install writes.
  /** @type {Map<string, Uint8Array>} */
  const files = new Map(
    bundle.outputFiles.map((file) => [`${path.basename(file.path)}.gz`, gzipSync(file.contents, { level: 9 })]),
  );
  for (const name of ["index.html", "icon.svg"]) files.set(name, await readFile(path.join(home, name)));
  await mkdir(dist, { recursive: true });
  // What an earlier build left would be served first, and published.
  for (const name of await readdir(dist)) {
    if (!files.has(name) && !name.endsWith(".tmp")) await rm(path.join(dist, name), { force: true });
  }
  const changed = await Promise.all([...files].map(([name, contents]) => replace(path.join(dist, name), contents)));
  return changed.includes(true);
}

/**
 * A module whose exports do nothing.
 *
 * @param {{ path: string }} module
 */
async function without({ path }) {
  const names = (await readFile(path, "utf8")).matchAll(/^export (?:async )?(?:const|class|function) (\w+)/gm);
  return { contents: Array.from(names, ([, name]) => `export const ${name} = () => undefined;`).join("\n") };
}

/**
 * What the official packages bring along and the page never runs, a third of it and more: zod's messages in some fifty languages,
 * its compiler, which needs eval(), and what reads and writes JSON schemas, and jose, which signs a token where a server gave none.
 * The emulator gives one with every answer that the page asks for.
 *
 * @type {import("esbuild").Plugin}
 */
const lean = {
  name: "lean",
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /[\\/]zod[\\/].*[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
    }));
    onLoad(
      { filter: /[\\/]zod[\\/].*[\\/](compile|(from|to)-json-schema|json-schema-(generator|processors))\.js$/ },
      without,
    );
    onResolve({ filter: /^jose$/ }, ({ kind, path }) =>
      kind === "dynamic-import" ? { path, external: true } : undefined,
    );
  },
};

/**
 * @param {string} file
 * @param {Uint8Array} contents
 */
async function replace(file, contents) {
  const present = await readFile(file).catch(() => undefined);
  if (present?.equals(contents)) return false;
  // Whole or not at all: an emulator may be serving it.
  const fresh = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(fresh, contents);
    await rename(fresh, file);
  } finally {
    await rm(fresh, { force: true });
  }
  return true;
}

if (isMain(import.meta.url)) {
  await script(async () => {
    console.error((await buildPage()) ? "page/dist is new" : "page/dist is up to date");
  });
}
