// `npm run sbom`: the bills of materials of a release, CycloneDX 1.5 in JSON, in target/sbom: of the npm package, whose bundles
// have packages in them, and of the addon, into which its crates are linked.

import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { bundledPackages, ofPackages } from "./lib/bill.mjs";
import { cargoTool } from "./lib/cargo-tools.mjs";
import { capture, isMain, npmCommand, root, script, step } from "./lib/run.mjs";
import { bundlePage } from "./page.mjs";
import { ensurePackages } from "./setup.mjs";
import { bundleSuperjson } from "./superjson.mjs";

const folder = path.join(root, "target", "sbom");

/** The packages that the bundles of the published package have in them. */
async function packageBill() {
  const bundles = await Promise.all([bundlePage(), bundleSuperjson()]);
  const folders = bundledPackages(bundles.flatMap(({ metafile }) => Object.keys(metafile.inputs)));
  const inside = await Promise.all(folders.map(nameAndVersion));
  const [command, first] = npmCommand();
  const all = await capture(command, [...first, "sbom", "--sbom-format", "cyclonedx", "--package-lock-only"]);
  return ofPackages(JSON.parse(all), inside);
}

/** @param {string} name of a package's folder */
async function nameAndVersion(name) {
  const manifest = JSON.parse(await readFile(path.join(root, name, "package.json"), "utf8"));
  return `${manifest.name}@${manifest.version}`;
}

/** The crates that are linked into the addon of Linux x64; other platforms' addons have a few others for their systems. */
async function crateBill() {
  const [command, first] = await cargoTool("cargo-cyclonedx");
  const name = "trigger-native-addon";
  const args = ["--format", "json", "--spec-version", "1.5", "--target", "x86_64-unknown-linux-gnu", "--no-build-deps"];
  await step("cargo cyclonedx", command, [...first, ...args, "--override-filename", name]);
  // It writes beside the manifest.
  const file = path.join(folder, `${name}.json`);
  await rename(path.join(root, `${name}.json`), file);
  return file;
}

if (isMain(import.meta.url)) {
  await script(async () => {
    await ensurePackages();
    await mkdir(folder, { recursive: true });
    const bill = await packageBill();
    const file = path.join(folder, "trigger-native.json");
    await writeFile(file, `${JSON.stringify(bill, null, 2)}\n`);
    console.log(`${path.relative(root, file)}: ${bill.components.length} packages`);
    const crates = await crateBill();
    const { components } = JSON.parse(await readFile(crates, "utf8"));
    console.log(`${path.relative(root, crates)}: ${components.length} crates`);
  });
}
