// A page in which nothing may go wrong.

import assert from "node:assert/strict";

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
    /** That nothing was complained of so far. */
    calm: () => assert.deepEqual(complaints, []),
    close: () => context.close(),
  };
}

/**
 * Waits until a progress bar is there.
 *
 * @param {import("playwright-core").Locator} bar
 * @param {string} expected
 */
export function value(bar, expected) {
  return bar.and(bar.page().locator(`[value="${expected}"]`)).waitFor();
}

/**
 * What a page asks for from now on, below a path.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} below
 */
export function requests(page, below) {
  /** @type {string[]} */
  const paths = [];
  const held = new Set();
  /** @type {(error?: Error) => void} */
  let changed = () => {};
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (!pathname.startsWith(below)) return;
    paths.push(pathname);
    held.add(request);
    changed();
  });
  for (const end of /** @type {const} */ (["requestfinished", "requestfailed"])) {
    page.on(end, (request) => {
      held.delete(request);
      changed();
    });
  }
  return {
    /** The paths so far. */
    paths,
    /** Waits until so many requests are held at once. @param {number} count */
    async until(count) {
      const late = setTimeout(() => changed(new Error(`${held.size} requests are held, not ${count}`)), 30_000);
      try {
        while (held.size !== count) {
          await new Promise((resolve, reject) => {
            changed = (error) => (error ? reject(error) : resolve(undefined));
          });
        }
      } finally {
        clearTimeout(late);
        changed = () => {};
      }
    },
  };
}
