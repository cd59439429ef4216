// Chromium, for the tests in a browser and for the pictures in the documentation.

import { existsSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { run, step } from "./run.mjs";

/** How it is started: without a window, and without any traffic of its own. */
export const chromiumFlags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

/** What it is called in a folder of programs. */
const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];

/** Where it is without being in such a folder. */
const PLACES = [
  "/usr/bin/chromium",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

export const chromiumAdvice = "install Chromium, or name the program in CHROMIUM_PATH";

/**
 * The path of Chromium: `CHROMIUM_PATH`, else where it usually is. Undefined when there is none, also when
 * `CHROMIUM_PATH` names none: a program that was named is not replaced by another.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<string | undefined>}
 */
export async function findChromium(env = process.env) {
  if (env.CHROMIUM_PATH) return (await isProgram(env.CHROMIUM_PATH)) ? env.CHROMIUM_PATH : undefined;
  const folders = (env.PATH ?? "").split(path.delimiter).filter(Boolean);
  const places = [...folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name))), ...PLACES];
  for (const place of places) if (await isProgram(place)) return place;
  return undefined;
}

/** @param {string} place */
function isProgram(place) {
  return access(place, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Finds Chromium, and installs Debian's where there is none and no password is needed. Elsewhere it says
 * what is missing; the tests then count themselves out, or fail under CI.
 */
export async function ensureChromium() {
  if (await findChromium()) return;
  const install = process.env.CHROMIUM_PATH ? undefined : await installer();
  if (!install) {
    console.error(`> Chromium was not found: ${chromiumAdvice}`);
    return;
  }
  const [command, ...args] = [...install, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"];
  // The lists of packages are often missing or old, above all in containers; elsewhere they need no update.
  if ((await run(command, args)) === 0) return;
  const [update, ...updating] = [...install, "apt-get", "update", "-qq"];
  await step("apt-get update", update, updating);
  await step("installing Chromium (apt-get)", command, args);
}

/** The command before `apt-get`; undefined where it cannot be run. @returns {Promise<string[] | undefined>} */
async function installer() {
  if (process.platform !== "linux" || !existsSync("/etc/debian_version")) return undefined;
  const plain = ["env", "DEBIAN_FRONTEND=noninteractive"];
  if (process.getuid?.() === 0) return plain;
  return (await run("sudo", ["-n", "true"], { quiet: true })) === 0 ? ["sudo", "-n", ...plain] : undefined;
}
