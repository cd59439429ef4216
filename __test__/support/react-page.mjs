// React in Chromium with a relay that the test writes: what a page shows is judged without a server.

import { after, before, describe } from "node:test";
import { build } from "esbuild";
import { root } from "../../scripts/lib/run.mjs";
import { withChromium } from "./browser.mjs";

const SITE = "https://app.example/";

/** Is there before React, which then says how to put one component in the place of another. */
const RELOADS = `
globalThis.__REACT_DEVTOOLS_GLOBAL_HOOK__ = {
  supportsFiber: true,
  roots: new Set(),
  inject(react) { this.react = react; },
  onCommitFiberRoot(_, root) { this.roots.add(root); },
  onCommitFiberUnmount() {},
};`;

/** The scripts of the page: React, the hooks, and a `fetch` that keeps each request and is answered by the test. */
const PAGE = `
import * as React from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import * as hooks from "trigger-native/react";

const encoder = new TextEncoder();
const asks = [];
const answers = [];
globalThis.fetch = (url, { body, signal, headers } = {}) =>
  new Promise((resolve, reject) => {
    const sent = body ? JSON.parse(body) : {};
    const ask = { url: String(url), body: sent, wants: sent.wants ?? [], headers: new Headers(headers), isOver: false, resolve };
    asks.push(ask);
    signal?.addEventListener("abort", () => {
      ask.isOver = true;
      reject(new DOMException("aborted", "AbortError"));
    });
    const answer = answers.find((given) => given(ask));
    if (answer || !ask.url.endsWith("/live")) return;
    const stream = new ReadableStream({ start: (controller) => { ask.controller = controller; } });
    signal.addEventListener("abort", () => ask.controller.error(signal.reason));
    resolve(new Response(stream, { headers: { "content-type": "text/event-stream" } }));
  });
const live = () => asks.filter(({ url, isOver }) => url.endsWith("/live") && !isOver);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(holds, what) {
  for (let turn = 0; turn < 1000; turn++) {
    const is = await holds();
    if (is) return is;
    await wait(10);
  }
  throw new Error("it never came: " + (what ?? holds));
}
/** Tells events, of which each names the want by what it follows. */
async function tell(...events) {
  const text = events.map(([name, of, ...told]) => {
    const ask = live().find(({ wants }) => wants.some(of));
    return ["event: " + name, "data: " + JSON.stringify([ask.wants.find(of).id, ...told]), "", ""].join("\\n");
  });
  live()[0].controller.enqueue(encoder.encode(text.join("")));
}
const rootOf = () => createRoot(document.body.appendChild(document.createElement("div")));
const families = new Map();
/** Puts a component in the place of one that is there, as bundlers do once its module was changed. */
function reload(before, after) {
  const family = families.get(before) ?? {};
  family.current = after;
  families.set(before, family).set(after, family);
  const { react, roots } = globalThis.__REACT_DEVTOOLS_GLOBAL_HOOK__;
  react.setRefreshHandler((type) => families.get(type));
  const changes = { staleFamilies: new Set(), updatedFamilies: new Set([family]) };
  for (const root of roots) react.scheduleRefresh(root, changes);
}
const row = (id, more) => ({ key: id, at: "at", run: { id, status: "EXECUTING", createdAt: 1, updatedAt: 2, isFinished: false, ...more } });
globalThis.kit = { React, h: React.createElement, flushSync, rootOf, hooks, asks, answers, live, wait, until, tell, row, reload };
`;

/**
 * A suite in Chromium, where there is one.
 *
 * @param {string} name
 * @param {number} count how many tests it has
 * @param {(pages: { run: Awaited<ReturnType<typeof reactPages>>["run"] }) => void} tests
 */
export async function describeReactPages(name, count, tests) {
  await withChromium(count, (launch) => {
    describe(name, { timeout: 120_000 }, () => {
      let browser;
      let pages;
      before(async () => {
        browser = await launch();
        pages = await reactPages(browser);
      });
      after(() => browser?.close());
      tests({ run: (...given) => pages.run(...given) });
    });
  });
}

/** @param {import("playwright-core").Browser} browser */
async function reactPages(browser) {
  const { outputFiles } = await build({
    stdin: { contents: PAGE, resolveDir: root },
    bundle: true,
    write: false,
    format: "iife",
    banner: { js: RELOADS },
    platform: "browser",
    define: { "process.env.NODE_ENV": '"development"' },
    logLevel: "silent",
  });
  return {
    /** Runs a function with `kit` in a page of its own, and gives what it gives and what the page said on its console. */
    async run(test, given) {
      const page = await browser.newPage();
      const said = [];
      page.on("console", (message) => said.push(message.text()));
      page.on("pageerror", (error) => said.push(`${error}`));
      try {
        await page.route(`${SITE}**`, (route) =>
          route.fulfill({ contentType: "text/html", body: "<!doctype html><title>a page</title>" }),
        );
        await page.goto(SITE);
        await page.addScriptTag({ content: outputFiles[0].text });
        const shown = await page.evaluate(`(${test})(kit, ${JSON.stringify(given) ?? "undefined"})`);
        return { shown, said: said.filter((text) => !text.includes("React DevTools")) };
      } finally {
        await page.close();
      }
    },
  };
}
