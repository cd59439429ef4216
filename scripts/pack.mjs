// `npm run tarballs`: the tarballs that are published, in target/packages, and what must hold of them.
//
//   npm run tarballs                                            builds, packs the root and this machine's platform: the
//                                                               root names that platform's package alone
//   npm run tarballs -- --target linux-arm64-musl --addon FILE  packs that platform alone, without a build
//   npm run tarballs -- --root                                  packs the root alone, which names every platform's package
//   … --glibc 2.17                                          fails where the addon needs a newer glibc
//
// The root package gets its optionalDependencies here and not in package.json, see docs/packaging.md.

import { copyFile, cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { transform } from "esbuild";
import { build, addon as built } from "./build.mjs";
import { addonFaults, rootFaults, sizeFaults } from "./lib/packed.mjs";
import { capture, isMain, npmCommand, root, StepError, script } from "./lib/run.mjs";
import { buildPage } from "./page.mjs";

const require = createRequire(import.meta.url);
/** @type {{ candidates: () => string[] }} */
const { candidates } = require("../js/native/platform.js");

/** Where the tarballs go, and the folders they are made of. */
export const packages = path.join(root, "target", "packages");

/**
 * @typedef {object} Packed
 * @property {string} name
 * @property {string} version
 * @property {string} file the tarball
 * @property {string} folder what it was made of
 * @property {string[]} files what is in it
 * @property {number} packedBytes
 * @property {number} unpackedBytes
 */

/** The platform package of this machine. */
export function ownTarget() {
  const [target] = candidates();
  if (!target) throw new StepError(`there is no package for ${process.platform} ${process.arch}`);
  return target;
}

/**
 * The manifest as published: what only a clone needs is left out, the platform packages are put in.
 *
 * @param {string[]} [platforms] the targets of these packages; all by default
 */
export async function rootManifest(platforms) {
  const manifest = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
  const { private: _private, scripts: _scripts, devDependencies: _dev, ...published } = manifest;
  const targets = platforms ?? (await readdir(path.join(root, "npm"))).sort();
  const optional = Object.fromEntries(targets.map((target) => [`trigger-native-${target}`, manifest.version]));
  return { ...published, optionalDependencies: optional, publishConfig: { access: "public" } };
}

/** Code that is published without its comments: they are a third of it. What users read is in the declarations. */
const IS_CODE = /^(js|browser)\/.+\.m?js$/;

/** @param {string} name a file of the root */
async function withoutComments(name) {
  const code = await readFile(path.join(root, name), "utf8");
  return (await transform(code, { loader: "js", legalComments: "inline", charset: "utf8", sourcefile: name })).code;
}

/**
 * @param {string} [destination] a folder
 * @param {string[]} [platforms] as of {@link rootManifest}
 * @returns {Promise<Packed>}
 */
export async function packRoot(destination = packages, platforms = undefined) {
  await buildPage();
  // npm itself says which files its rules and `files` choose; lifecycle scripts are none, and would be skipped.
  const [listed] = await npmPack(root, ["--dry-run"]);
  const folder = await fresh(path.join(destination, "trigger-native"));
  for (const { path: name } of listed.files) {
    if (name === "package.json") continue;
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    if (IS_CODE.test(name)) await writeFile(path.join(folder, name), await withoutComments(name));
    else await copyFile(path.join(root, name), path.join(folder, name));
  }
  await writeFile(path.join(folder, "package.json"), `${JSON.stringify(await rootManifest(platforms), null, 2)}\n`);
  return pack(folder, destination);
}

/**
 * @param {string} target as `linux-x64-gnu`
 * @param {string} [addon] the built library
 * @param {string} [destination] a folder
 * @returns {Promise<Packed>}
 */
export async function packPlatform(target, addon = built, destination = packages) {
  const source = path.join(root, "npm", target);
  if (!(await stat(source).catch(() => undefined))) throw new StepError(`there is no folder npm/${target}`);
  const folder = await fresh(path.join(destination, `trigger-native-${target}`));
  await cp(source, folder, { recursive: true });
  await copyFile(path.join(root, "LICENSE"), path.join(folder, "LICENSE"));
  await copyFile(addon, path.join(folder, "trigger-native.node"));
  return pack(folder, destination);
}

/** @param {string} folder @param {string} destination @returns {Promise<Packed>} */
async function pack(folder, destination) {
  const [made] = await npmPack(folder, ["--pack-destination", destination]);
  return {
    name: made.name,
    version: made.version,
    file: path.join(destination, made.filename),
    folder,
    files: made.files.map((/** @type {{ path: string }} */ { path: name }) => name),
    packedBytes: made.size,
    unpackedBytes: made.unpackedSize,
  };
}

/** @param {string} folder @param {string[]} args @returns {Promise<any[]>} */
async function npmPack(folder, args) {
  const [command, first] = npmCommand();
  const out = await capture(command, [...first, "pack", "--json", "--ignore-scripts", ...args], { cwd: folder });
  const listed = JSON.parse(out);
  // A list up to npm 11, an object by name since.
  return Array.isArray(listed) ? listed : Object.values(listed);
}

/** Empties a folder. @param {string} folder */
async function fresh(folder) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return folder;
}

/** @param {Packed} packed */
const described = ({ file, packedBytes, unpackedBytes }) =>
  `${path.relative(root, file)}: ${megabytes(unpackedBytes)} unpacked, ${megabytes(packedBytes)} packed`;

/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

async function main() {
  const { values } = parseArgs({
    options: {
      addon: { type: "string" },
      glibc: { type: "string" },
      refuse: { type: "boolean", default: false },
      root: { type: "boolean", default: false },
      target: { type: "string" },
    },
  });
  // What npm runs before `npm pack` and `npm publish` in a clone: they would leave the platform packages out.
  if (values.refuse) throw new StepError("not npm pack, but: npm run tarballs (docs/packaging.md)");
  const alone = values.root || values.addon !== undefined;
  if (!alone) await build();
  const faults = [];
  const made = [];
  if (values.root || !alone) {
    // Two tarballs that are installed without a registry: a lock file cannot have what none knows, and `npm ci` refuses it.
    const packed = await packRoot(packages, values.root ? undefined : [ownTarget()]);
    made.push(packed);
    faults.push(...(await rootFaults(packed)));
  }
  if (!values.root) {
    const target = values.target ?? ownTarget();
    const addon = path.resolve(values.addon ?? built);
    const packed = await packPlatform(target, addon);
    made.push(packed);
    faults.push(...(await addonFaults(packed, target, values.glibc)));
  }
  faults.push(...sizeFaults(made));
  for (const packed of made) console.error(described(packed));
  if (faults.length > 0) throw new StepError(faults.join("\n"));
}

if (isMain(import.meta.url)) await script(main);
