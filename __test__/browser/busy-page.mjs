// A page with many hooks on an origin without TLS, where the browser has six connections: what that costs the page.

import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startEmulator } from "trigger-native/emulator";

import { Control } from "./control.mjs";

const SITE = fileURLToPath(new URL("./busy-site.mjs", import.meta.url));

/** How many hooks show this status now. Runs in the page. */
const shows = ([status, count]) =>
  [...document.querySelectorAll(".status")].filter(({ textContent }) => textContent === status).length >= count;

/** A page with `count` official hooks, each of a run of its own. */
export class BusyPage {
  #browser;
  #runs;
  #site;
  #url;
  #endings = [];

  /**
   * @param {import("playwright-core").Browser} browser
   * @param {number} count
   * @param {object} [limits] of the relay
   * @param {boolean} [listens] the relay has an origin of its own, and not the page's
   */
  static async open(browser, count, limits = {}, listens = false) {
    const busy = new BusyPage();
    busy.#browser = browser;
    try {
      await busy.#open(count, limits, listens);
    } catch (error) {
      await busy.close();
      throw error;
    }
    return busy;
  }

  async #open(count, limits, listens) {
    const emulator = await startEmulator();
    this.#endings.push(() => emulator.stop());
    this.control = new Control(emulator);
    const given = { baseURL: emulator.url, accessToken: emulator.secretKey, limits, listens };
    this.#site = fork(SITE, [JSON.stringify(given)]);
    this.#endings.push(async () => {
      const ended = once(this.#site, "exit");
      this.#site.disconnect();
      await ended;
    });
    const [{ url, relayURL }] = await once(this.#site, "message");
    this.#url = url;
    this.#runs = await Promise.all(Array.from({ length: count }, () => this.control.run({ status: "EXECUTING" })));
    const context = await this.#browser.newContext();
    this.#endings.push(() => context.close());
    this.page = await context.newPage();
    this.page.setDefaultTimeout(150_000);
    const auth = { accessToken: this.control.token(["read:runs"]), baseURL: relayURL };
    const asked = this.#runs.map((runId) => ({ hook: "useRealtimeRun", runId, auth }));
    await this.page.goto(`${url}/#${encodeURIComponent(JSON.stringify(asked))}`);
    await this.page.waitForFunction(shows, ["EXECUTING", count], { polling: 10 });
    // From now on as many polls are under way as the browser has connections for.
    const busy = Math.min(count, 6);
    while ((await this.counts()).stats.viewers.now < busy) await sleep(10);
  }

  /** The relay's counts, and what its process took of the processor so far. */
  async counts() {
    this.#site.send("counts");
    const [counts] = await once(this.#site, "message");
    return counts;
  }

  /** How long a request of the page's own takes, in milliseconds. */
  ownRequest() {
    return this.page.evaluate(async () => {
      const begin = performance.now();
      await (await fetch(`/page.css?${begin}`, { cache: "no-store" })).text();
      return performance.now() - begin;
    });
  }

  /** How long it takes from the end of all runs until every hook shows it, in milliseconds. */
  async ends() {
    const begin = performance.now();
    await Promise.all(this.#runs.map((id) => this.control.complete(id)));
    await this.page.waitForFunction(shows, ["COMPLETED", this.#runs.length], { polling: 10 });
    return performance.now() - begin;
  }

  /** How long the browser takes to open another page of the origin, in milliseconds. */
  async navigates() {
    const begin = performance.now();
    await this.page.goto(`${this.#url}/page.css`, { waitUntil: "commit" });
    return performance.now() - begin;
  }

  /** What an idle page costs the process for so long: requests a second, and the share of a core. */
  async idle(ms) {
    const [before, begin] = [await this.counts(), performance.now()];
    await sleep(ms);
    const [after, took] = [await this.counts(), performance.now() - begin];
    const answered = after.stats.limited.heldPerBrowser - before.stats.limited.heldPerBrowser;
    const used = after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system;
    return { perSecond: (answered / took) * 1000, core: used / 1000 / took };
  }

  async close() {
    for (const end of this.#endings.splice(0).reverse()) await end();
  }
}
