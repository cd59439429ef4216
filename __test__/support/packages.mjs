/** The packages as they are published, of this checkout and its addon, and a registry that has them. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { addon } from "../../scripts/build.mjs";
import { root } from "../../scripts/lib/run.mjs";
import { ownTarget, packPlatform, packRoot } from "../../scripts/pack.mjs";
import { buildPage } from "../../scripts/page.mjs";
import { exclusively } from "./exclusive.mjs";
import { startRegistry } from "./registry.mjs";

const json = async (file) => JSON.parse(await readFile(file, "utf8"));

/** A new folder in `target`; the system's temporary folder may be below a `node_modules`. */
export async function temporary(name) {
  const parent = path.join(root, "target", "tmp");
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(path.join(parent, `${name}-`));
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }) };
}

/** The packed sets, each in a folder named after its content. */
const shelf = path.join(root, "target", "packed");

/** How long a set of other contents is kept: tests that began earlier may still install it. */
const KEPT_MS = 3_600_000;

/** @typedef {import("../../scripts/pack.mjs").Packed} Packed */

/**
 * The root and the package of this machine, as tarballs. They are packed once for each content:
 * seven test files need them.
 *
 * @returns {Promise<{ root: Packed, platform: Packed }>}
 */
export async function packBoth() {
  await mkdir(shelf, { recursive: true });
  let packed;
  await exclusively(path.join(shelf, "lock"), async () => {
    await buildPage();
    const folder = path.join(shelf, await contentKey());
    const record = path.join(folder, "packed.json");
    if (!existsSync(record)) await writeFile(record, JSON.stringify(await packTo(folder)));
    packed = await json(record);
  });
  return packed;
}

/** @param {string} folder */
async function packTo(folder) {
  for (const name of await readdir(shelf)) {
    const old = path.join(shelf, name);
    if (Date.now() - (await stat(old)).mtimeMs > KEPT_MS) await rm(old, { recursive: true, force: true });
  }
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  return { root: await packRoot(folder), platform: await packPlatform(ownTarget(), undefined, folder) };
}

/** Of every file that goes into the packages, and of how they are packed. */
async function contentKey() {
  const { files } = await json(path.join(root, "package.json"));
  // A file that is left out (`!…`) is in a folder that is listed.
  const included = files.filter((/** @type {string} */ name) => !name.startsWith("!"));
  const names = included.map((/** @type {string} */ name) => name.replace(/\/?\*.*$/, ""));
  const packing = ["npm", "scripts/pack.mjs", "package.json", "package-lock.json", "README.md", "LICENSE"];
  // The folder is part of the key: the record has absolute paths.
  const hash = createHash("sha256").update(root);
  for (const name of new Set([...names, ...packing, path.relative(root, addon)].sort())) {
    const whole = path.join(root, name);
    const below = (await stat(whole)).isDirectory() ? (await readdir(whole, { recursive: true })).sort() : [""];
    for (const file of below.map((part) => path.join(whole, part))) {
      if ((await stat(file)).isFile()) hash.update(`\n${file}\n`).update(await readFile(file));
    }
  }
  return hash.digest("hex").slice(0, 16);
}

/** A registry with the root, the package of this machine, and the other platforms' packages without their addons. */
export async function startOwnRegistry() {
  const packed = await packBoth();
  const own = await Promise.all(
    [packed.root, packed.platform].map(async ({ folder, file }) => ({
      manifest: await json(path.join(folder, "package.json")),
      file,
    })),
  );
  const others = await Promise.all(
    (await readdir(path.join(root, "npm")))
      .filter((target) => target !== ownTarget())
      .map(async (target) => ({ manifest: await json(path.join(root, "npm", target, "package.json")) })),
  );
  return { ...packed, registry: await startRegistry([...own, ...others]) };
}
