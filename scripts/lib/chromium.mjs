// Chromium, for the tests in a browser and for the pictures in the documentation.

import { access, constants } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { installFromDebian } from "./debian.mjs";

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
  const installed = !process.env.CHROMIUM_PATH && (await installFromDebian("chromium"));
  if (!installed) console.error(`> Chromium was not found: ${chromiumAdvice}`);
}
