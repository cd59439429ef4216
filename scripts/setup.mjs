// Everything a fresh clone needs: npm packages, a Rust tool chain, the addon, the emulator's page.
//
// Runs before the demo, the tests and the lints. Does nothing twice; all it prints goes to standard error.

import process from "node:process";
import { build } from "./build.mjs";
import { isInstalled } from "./lib/installed.mjs";
import { isMain, npm, root, run, StepError, script } from "./lib/run.mjs";
import { buildPage } from "./page.mjs";

/** The oldest Node that works, as in `engines` of package.json. */
const OLDEST_NODE = 20;

/** Installs the npm packages of `package-lock.json`, unless exactly these are there. */
export async function ensurePackages() {
  if (await isInstalled(root)) return;
  await npm("installing npm packages (npm ci)", ["ci", "--no-audit", "--no-fund"]);
}

/** All of it. */
export async function setup() {
  const major = Number.parseInt(process.versions.node, 10);
  if (major < OLDEST_NODE) {
    throw new StepError(`Node ${OLDEST_NODE} or newer is needed, this is ${process.version}: https://nodejs.org`);
  }
  if ((await run("cargo", ["--version"], { quiet: true })) !== 0) {
    throw new StepError(
      "cargo was not found, and the native part is built from source.\n" +
        "Install Rust from https://rustup.rs, open a new terminal and run the same command again.",
    );
  }
  await ensurePackages();
  if (await build()) console.error("> js/native/trigger-native.node is built");
  if (await buildPage()) console.error("> page/dist is built");
}

if (isMain(import.meta.url)) await script(setup);
