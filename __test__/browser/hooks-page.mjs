// Tabs of one browser with `trigger-native/react`, on an http: origin with its relay, as a test renders them.

import { startEmulator } from "trigger-native/emulator";

import { Control } from "./control.mjs";
import { bundle, NATIVE, servePage } from "./page-server.mjs";
import { targets } from "./targets.mjs";

const LIVE = /\/relay\/v1\/live$/;

/** An emulator, a relay as a Node handler, the page's server, and a browser's profile. */
export class HooksPage {
  #context;
  #endings = [];

  static async open(browser, files) {
    const page = new HooksPage();
    const emulator = await startEmulator();
    page.control = new Control(emulator);
    const target = await targets.at(-1).mount(emulator);
    const site = await servePage(files ?? (await bundle(NATIVE)), target.api);
    page.url = site.url;
    page.#context = await browser.newContext();
    page.#endings.push(
      () => emulator.stop(),
      () => target.close(),
      () => site.close(),
      () => page.#context.close(),
    );
    return page;
  }

  /** A tab that shows nothing yet. */
  async tab() {
    const tab = new HooksTab(await this.#context.newPage());
    await tab.page.goto(`${this.url}/`);
    return tab;
  }

  async close() {
    for (const end of this.#endings.splice(0).reverse()) await end();
  }
}

/** One tab, and what it asked for. */
class HooksTab {
  /** The live requests so far, and those without an end. */
  asked = [];
  open = new Set();
  /** Warnings, errors and unhandled rejections. */
  said = [];

  constructor(page) {
    this.page = page;
    page.setDefaultTimeout(30_000);
    page.on("request", (request) => {
      if (!LIVE.test(request.url())) return;
      this.asked.push(request);
      this.open.add(request);
    });
    for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => this.open.delete(request));
    page.on("pageerror", (error) => this.said.push(`${error.name}: ${error.message}`));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.said.push(message.text());
    });
  }

  /** Renders these hooks, as `Asked` takes them; a `name` tells those that stay from new ones. */
  render(...asked) {
    return this.page.evaluate((list) => window.render(list), asked);
  }

  /** What each hook shows, by the fields of the document. */
  shown() {
    return this.page.evaluate(() =>
      [...document.querySelectorAll("section")].map((section) =>
        Object.fromEntries(
          [...section.querySelectorAll("[data-field]")].map(({ dataset, textContent }) => [
            dataset.field,
            JSON.parse(textContent),
          ]),
        ),
      ),
    );
  }

  /** Waits until `condition` holds of what the hooks show. Runs here. */
  async until(condition) {
    for (const end = Date.now() + 30_000; ; ) {
      const shown = await this.shown();
      if (condition(shown)) return shown;
      if (Date.now() > end) throw new Error(`never ${condition}: ${JSON.stringify(shown)}\n${this.said.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Waits until so many live requests are open, and no other is about to be sent. */
  async settles(count) {
    for (const end = Date.now() + 30_000; ; ) {
      const before = this.asked.length;
      if (this.open.size === count) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        if (this.asked.length === before && this.open.size === count) return;
      }
      if (Date.now() > end) throw new Error(`${this.open.size} live requests are open, not ${count}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** What the last live request wants. */
  wants() {
    return this.asked.at(-1)?.postDataJSON().wants ?? [];
  }
}
