/** The packages as they are published, of this checkout and its addon, and a registry that has them. */
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { capture, npmCommand, root } from "../../scripts/lib/run.mjs";
import { ownTarget, packPlatform, packRoot } from "../../scripts/pack.mjs";
import { startRegistry } from "./registry.mjs";

const json = async (file) => JSON.parse(await readFile(file, "utf8"));

/** A folder in `target` that nobody else uses; the system's own may lie below a `node_modules`. */
export async function temporary(name) {
  const parent = path.join(root, "target", "tmp");
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(path.join(parent, `${name}-`));
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Packs the root and the package of this machine. @param {string} destination */
export async function packBoth(destination) {
  return { root: await packRoot(destination), platform: await packPlatform(ownTarget(), undefined, destination) };
}

/**
 * A registry with the root, the package of this machine, what they depend on, and the other platforms' packages without
 * their addons.
 *
 * @param {string} destination where the tarballs go
 */
export async function startOwnRegistry(destination) {
  const packed = await packBoth(destination);
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
  const dependencies = await installedPackages(Object.keys(own[0].manifest.dependencies), destination);
  return { ...packed, registry: await startRegistry([...own, ...others, ...dependencies]) };
}

/** Packages of `node_modules` with all they depend on, packed anew. */
async function installedPackages(names, destination) {
  const found = new Map();
  for (const queue = [...names]; queue.length > 0; ) {
    const name = queue.pop();
    if (found.has(name)) continue;
    const folder = path.join(root, "node_modules", name);
    const manifest = await json(path.join(folder, "package.json"));
    const [command, first] = npmCommand();
    const args = [...first, "pack", folder, "--json", "--ignore-scripts", "--pack-destination", destination];
    const listed = JSON.parse(await capture(command, args));
    const [{ filename }] = Array.isArray(listed) ? listed : Object.values(listed);
    found.set(name, { manifest, file: path.join(destination, filename) });
    queue.push(...Object.keys(manifest.dependencies ?? {}));
  }
  return [...found.values()];
}
