// Chromium for tests, and the message where it is missing.

import { test } from "node:test";
import { chromium } from "playwright-core";

import { chromiumAdvice, chromiumFlags, findChromium } from "../../scripts/lib/chromium.mjs";

/**
 * Hands `define` a function that starts Chromium. Where there is none, one test is registered that is skipped and says
 * how many cases were left out; under CI it fails instead.
 *
 * @param {number} cases
 * @param {(launch: () => Promise<import("playwright-core").Browser>) => void} define
 */
export async function withChromium(cases, define) {
  const executablePath = await findChromium();
  if (executablePath) return define(() => chromium.launch({ executablePath, args: chromiumFlags }));
  const reason = `${cases} cases in a browser left out: Chromium was not found (${chromiumAdvice})`;
  test("Chromium is present", { skip: process.env.CI ? false : reason }, () => {
    throw new Error(reason);
  });
}
