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

/** Whether so many streams of the page have all their parts. Runs in the page. */
const partsShown = (count) =>
  [...document.querySelectorAll('[data-field="parts"]')].filter(
    ({ textContent }) => JSON.parse(textContent).length === 2,
  ).length >= count;

/**
 * @typedef {object} Site that serves the page and the relay
 * @property {string} url
 * @property {string} relayURL
 * @property {string} own the path of a small answer of the page's own
 * @property {() => Promise<any>} counts the relay's counts, and what its process took of the processor so far
 * @property {() => Promise<void>} stop
 *
 * @typedef {{ baseURL: string, accessToken: string, limits: object }} Given
 *
 * @typedef {object} Options
 * @property {(given: Given) => Promise<Site>} [site] starts the site; by default one of Node's `http`
 * @property {object} [limits] of the relay
 * @property {boolean} [listens] the relay has an origin of its own, and not the page's
 * @property {number} [tabs] how many tabs of the browser have so many hooks each
 * @property {boolean} [finished] the hooks are `useRealtimeStream`, each of a run that is over
 */

/** A page with `count` official hooks, each of a run of its own. */
export class BusyPage {
  #runs;
  #site;
  #tabs = [];
  #endings = [];

  /**
   * @param {import("playwright-core").Browser} browser
   * @param {number} count
   * @param {Options} [options]
   */
  static async open(browser, count, options = {}) {
    const busy = new BusyPage();
    try {
      await busy.#open(browser, count, options);
    } catch (error) {
      await busy.close();
      throw error;
    }
    return busy;
  }

  async #open(browser, count, { site, limits = {}, listens = false, tabs = 1, finished = false }) {
    const emulator = await startEmulator();
    this.#endings.push(() => emulator.stop());
    this.control = new Control(emulator);
    const start = site ?? nodeSite(listens);
    this.#site = await start({ baseURL: emulator.url, accessToken: emulator.secretKey, limits });
    this.#endings.push(() => this.#site.stop());
    this.#runs = await Promise.all(Array.from({ length: count * tabs }, () => this.#run(finished)));
    // Tabs of one browser share its connections.
    const context = await browser.newContext();
    this.#endings.push(() => context.close());
    for (let tab = 0; tab < tabs; tab++) {
      const runs = this.#runs.slice(tab * count, (tab + 1) * count);
      this.#tabs.push(await this.#openTab(context, runs, finished));
    }
    if (finished) return;
    // From now on as many polls are under way as the browser has connections for.
    const busy = Math.min(count * tabs, 6);
    while ((await this.counts()).stats.viewers.now < busy) await sleep(10);
  }

  async #run(finished) {
    const id = await this.control.run({ status: "EXECUTING", streamsVersion: "v2" });
    if (!finished) return id;
    await this.control.append(id, "ai", "a", "b");
    await this.control.complete(id);
    return id;
  }

  async #openTab(context, runs, finished) {
    const page = await context.newPage();
    page.setDefaultTimeout(150_000);
    const auth = { accessToken: this.control.token(["read:runs"]), baseURL: this.#site.relayURL };
    const hook = finished ? { hook: "useRealtimeStream", streamKey: "ai" } : { hook: "useRealtimeRun" };
    const asked = runs.map((runId) => ({ ...hook, runId, auth }));
    const begin = performance.now();
    await page.goto(`${this.#site.url}/#${encodeURIComponent(JSON.stringify(asked))}`);
    if (finished) await page.waitForFunction(partsShown, runs.length, { polling: 10 });
    else await page.waitForFunction(shows, ["EXECUTING", runs.length], { polling: 10 });
    this.shownMs = performance.now() - begin;
    return page;
  }

  /** The relay's counts, and what its process took of the processor so far. */
  counts() {
    return this.#site.counts();
  }

  /** How long a request of the page's own takes, in milliseconds. @param {number} [tab] */
  ownRequest(tab = 0) {
    return this.#tabs[tab].evaluate(async (path) => {
      const begin = performance.now();
      await (await fetch(`${path}?${begin}`, { cache: "no-store" })).text();
      return performance.now() - begin;
    }, this.#site.own);
  }

  /** How long it takes from the end of all runs until every hook shows it, in milliseconds. */
  async ends() {
    const begin = performance.now();
    await Promise.all(this.#runs.map((id) => this.control.complete(id)));
    const count = this.#runs.length / this.#tabs.length;
    await Promise.all(this.#tabs.map((tab) => tab.waitForFunction(shows, ["COMPLETED", count], { polling: 10 })));
    return performance.now() - begin;
  }

  /** How long the browser takes to open another page of the origin, in milliseconds. */
  async navigates() {
    const begin = performance.now();
    await this.#tabs[0].goto(this.#site.url + this.#site.own, { waitUntil: "commit" });
    const took = performance.now() - begin;
    // A context whose page is being opened may not close.
    await this.#tabs[0].waitForLoadState();
    return took;
  }

  /** What an idle page costs the process for so long: requests a second, and the share of a core. */
  async idle(ms) {
    const [before, begin] = [await this.counts(), performance.now()];
    await sleep(ms);
    const [after, took] = [await this.counts(), performance.now() - begin];
    const answered = after.stats.limited.heldPerBrowser - before.stats.limited.heldPerBrowser;
    return { perSecond: (answered / took) * 1000, core: used(before, after) / took };
  }

  /** What so many requests a second of the page's own cost the process by themselves, without the relay: the share of a core. */
  async plain(perSecond, ms) {
    const [before, begin] = [await this.counts(), performance.now()];
    for (let n = 0; performance.now() - begin < ms; n++) {
      await (await fetch(`${this.#site.url}${this.#site.own}?${n}`)).text();
      await sleep(Math.max(0, begin + ((n + 1) / perSecond) * 1000 - performance.now()));
    }
    const [after, took] = [await this.counts(), performance.now() - begin];
    return used(before, after) / took;
  }

  async close() {
    for (const end of this.#endings.splice(0).reverse()) await end();
  }
}

/** What a process took of the processor between two counts, in milliseconds. */
function used(before, after) {
  return (after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system) / 1000;
}

/** A site of Node's `http` in a process of its own, with `handler.node`. @param {boolean} listens */
function nodeSite(listens) {
  return async (/** @type {Given} */ given) => {
    const site = fork(SITE, [JSON.stringify({ ...given, listens })]);
    const [{ url, relayURL }] = await once(site, "message");
    return {
      url,
      relayURL,
      own: "/page.css",
      async counts() {
        site.send("counts");
        const [counts] = await once(site, "message");
        return counts;
      },
      async stop() {
        const ended = once(site, "exit");
        site.disconnect();
        await ended;
      },
    };
  };
}
