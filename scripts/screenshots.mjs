// `npm run screenshots`: takes the pictures of the documentation in Chromium, into docs/images.
//
// `-- hooks` or `-- emulator` takes only these.

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { chromium } from "playwright-core";
import { chromiumAdvice, chromiumFlags, ensureChromium, findChromium } from "./lib/chromium.mjs";
import { isMain, root, StepError, script } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

/** The most that a picture may weigh, in bytes: every install carries it. */
const MAX_BYTES = 30 * 1024;

const images = path.join(root, "docs", "images");

/** @typedef {import("playwright-core").Browser} Browser */

/** What the browser tests are made of: no part of the scripts, and not type-checked with them. @param {string} name */
const load = (name) => import(`../__test__/browser/${name}`);

/**
 * Opens a page, waits for what it must show, and takes its picture.
 *
 * @param {Browser} browser
 * @param {{ name: string, url: string, width: number, height: number, scheme?: "light" | "dark",
 *   ready: (page: import("playwright-core").Page) => Promise<unknown> }} picture
 */
async function take(browser, { name, url, width, height, scheme = "light", ready }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
  try {
    const page = await context.newPage();
    await page.goto(url);
    await ready(page);
    const file = path.join(images, `${name}.webp`);
    const picture = await webp(page);
    const size = picture.length;
    if (size > MAX_BYTES) throw new StepError(`${name}.webp has ${size} bytes; at most ${MAX_BYTES} are allowed`);
    await writeFile(file, picture);
    console.error(`> ${path.relative(root, file)}: ${size} bytes`);
  } finally {
    await context.close();
  }
}

/**
 * What a page shows, in the format that takes a third of what PNG does; Playwright itself does not write it.
 *
 * @param {import("playwright-core").Page} page
 */
async function webp(page) {
  // Waits for animations to end, which Chromium's own command does not.
  await page.screenshot({ animations: "disabled", caret: "hide" });
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 80 });
  return Buffer.from(data, "base64");
}

/**
 * The page with the official hooks: a run, its streams, and the runs with its tag.
 *
 * @param {Browser} browser
 * @param {{ url: string, secretKey: string }} emulator
 */
async function hooks(browser, emulator) {
  const { Control } = await load("control.mjs");
  const { bundle, servePage } = await load("page-server.mjs");
  const control = new Control(emulator);
  const page = await servePage(await bundle());
  try {
    const run = await control.run({ status: "EXECUTING", streamsVersion: "v2", runTags: ["picture"] });
    await control.run({ status: "PENDING", runTags: ["picture"] });
    await control.append(run, "ai", ..."Once upon a time".split(/(?<= )/));
    await control.change(run, { metadata: { progress: 62, label: "62 of 100" } });
    const auth = { baseURL: emulator.url, accessToken: control.token(["read:runs", "read:tags:picture"]) };
    const asked = [
      { hook: "useRealtimeRun", runId: run, auth },
      { hook: "useRealtimeStream", runId: run, streamKey: "ai", auth },
      { hook: "useRealtimeRunsWithTag", tag: "picture", auth },
    ];
    const url = `${page.url}/#${encodeURIComponent(JSON.stringify(asked))}`;
    const ready = async (/** @type {import("playwright-core").Page} */ shown) => {
      await shown.getByText("62 of 100").waitFor();
      await shown.getByText("upon").waitFor();
      await shown.getByText("QUEUED").waitFor();
    };
    await take(browser, { name: "hooks", url, width: 960, height: 460, ready });
  } finally {
    await page.close();
  }
}

/**
 * What the picture of the emulator's page shows at work.
 *
 * @type {Record<string, import("../emulator.js").TaskScript>}
 */
const TASKS = {
  import: {
    queued: 1200,
    steps: [
      { tag: "acme" },
      { metadata: { phase: "Reading contacts.csv", rows: 1240 } },
      { wait: 2100 },
      { metadata: { progress: 62, phase: "62 of 100 files" } },
      {
        stream: {
          key: "log",
          chunks: ["Opened contacts.csv\n", "1,240 rows, 3 of them empty\n", "Writing batch 7 of 12…"],
        },
      },
      { wait: 3_600_000 },
    ],
  },
  "send-welcome": { queued: null, steps: [] },
};

/**
 * The emulator's own page, light and dark: a clock that stands makes every picture the same.
 *
 * @param {Browser} browser
 */
async function emulatorPage(browser) {
  const { startEmulator } = await import("../emulator.js");
  const { Control } = await load("control.mjs");
  const emulator = await startEmulator({ clock: "manual", now: Date.now(), tasks: TASKS });
  const control = new Control(emulator);
  try {
    for (const task of ["failing", "approval"]) {
      await control.trigger(task, {});
      await emulator.advance(4000);
    }
    await control.trigger("send-welcome", { to: "ada@example.com" });
    const { id: run } = await control.trigger("import", { file: "contacts.csv" });
    await emulator.advance(5000);
    const ready = async (/** @type {import("playwright-core").Page} */ page) => {
      await page.getByText("Writing batch 7").waitFor();
      await page.getByText("62 of 100 files").first().waitFor();
      await page.getByText("4 runs").waitFor();
    };
    for (const scheme of /** @type {const} */ (["light", "dark"])) {
      const url = `${emulator.url}/#${run}`;
      await take(browser, { name: `emulator-${scheme}`, url, width: 780, height: 480, scheme, ready });
    }
  } finally {
    await emulator.stop();
  }
}

/** @type {Record<string, typeof hooks>} */
const pages = { hooks, emulator: emulatorPage };

if (isMain(import.meta.url)) {
  await script(async () => {
    const words = process.argv.slice(2);
    const unknown = words.find((word) => !(word in pages));
    if (unknown) throw new StepError(`there is no page ${unknown}: ${Object.keys(pages).join(", ")}`);
    await setup();
    await ensureChromium();
    const executablePath = await findChromium();
    if (!executablePath) throw new StepError(`Chromium was not found: ${chromiumAdvice}`);
    const { startEmulator } = await import("../emulator.js");
    await mkdir(images, { recursive: true });
    const browser = await chromium.launch({ executablePath, args: chromiumFlags });
    const emulator = await startEmulator();
    try {
      for (const name of words.length > 0 ? words : Object.keys(pages)) await pages[name](browser, emulator);
    } finally {
      await browser.close();
      await emulator.stop();
    }
  });
}
