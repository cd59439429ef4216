// Chromium, and a page of it in which nothing may go wrong.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import process from "node:process";
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function launch() {
  const executablePath = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

/**
 * A page that keeps what the console, uncaught errors and failed requests say. React tells of a failed hydration on the
 * console, or as an uncaught error.
 *
 * @param {import("playwright-core").Browser} browser
 */
export async function open(browser) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  /** @type {string[]} */
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack ?? error}`));
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
  });
  return {
    page,
    /** The card with this heading. @param {string} title */
    card: (title) => page.locator(".card").filter({ has: page.getByRole("heading", { name: title, exact: true }) }),
    /** Everything that an element's text was, from now on. @param {import("playwright-core").Locator} locator */
    texts: (locator) => watch(locator),
    async close() {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  };
}

/** @param {import("playwright-core").Locator} locator */
async function watch(locator) {
  await locator.evaluate((element) => {
    const texts = [element.textContent];
    Reflect.set(element, "texts", texts);
    const note = () => {
      if (texts.at(-1) !== element.textContent) texts.push(element.textContent);
    };
    new MutationObserver(note).observe(element, { childList: true, characterData: true, subtree: true });
  });
  return () => locator.evaluate((element) => /** @type {string[]} */ (Reflect.get(element, "texts")));
}
