// What many official hooks on an http: origin cost their page, in Chromium: `npm run busy-page`. docs/relay-feeds.md
// has the figures. `--hooks 8,20` picks the numbers of hooks; `--held 1000` takes another `limits.heldPerBrowser`, so many
// that every poll is held, as without the rule; `--listens` gives the relay an origin of its own, which leaves the page all
// connections of its own; `--next dev,start` measures in Next.js, under its commands of these names, installed from
// the registry; `--seconds 10` is how long the idle page is watched.

import process from "node:process";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

import { BusyPage } from "../__test__/browser/busy-page.mjs";
import { NextApp } from "../__test__/browser/next-site.mjs";
import { chromiumAdvice, chromiumFlags, findChromium } from "../scripts/lib/chromium.mjs";

/** How many requests of the page's own are measured. */
const OWN_REQUESTS = 15;

const { values } = parseArgs({
  options: {
    hooks: { type: "string", default: "8,20" },
    held: { type: "string" },
    listens: { type: "boolean", default: false },
    next: { type: "string" },
    seconds: { type: "string", default: "10" },
  },
});

const executablePath = await findChromium();
if (!executablePath) {
  console.error(`Chromium was not found: ${chromiumAdvice}`);
  process.exit(1);
}
const limits = values.held === undefined ? {} : { heldPerBrowser: Number(values.held) };
const app = values.next === undefined ? undefined : await NextApp.installed();
const browser = await chromium.launch({ executablePath, args: chromiumFlags });
try {
  for (const command of values.next?.split(",") ?? [""]) {
    const options = { site: app?.site(command), limits, listens: values.listens };
    const where = command && `next ${command}, `;
    for (const count of values.hooks.split(",").map(Number)) {
      await measured(count, options, async (busy) => {
        const own = await ownRequests(busy);
        const idle = await busy.idle(Number(values.seconds) * 1000);
        const ends = await busy.ends();
        // The hooks of runs that are over ask for nothing.
        const plain = await busy.plain(Math.max(1, idle.perSecond), Number(values.seconds) * 1000);
        const [polls, core, bare] = [idle.perSecond.toFixed(1), percent(idle.core), percent(plain)];
        console.log(`${where}${count} hooks: all show their run after ${ms(busy.shownMs)}; own requests ${own}`);
        console.log(
          `  idle: ${polls} polls a second answered early, ${core} % of a core; as many plain requests ${bare} %`,
        );
        console.log(`  all ends shown after ${ms(ends)}; then an own request ${ms(await busy.ownRequest())}`);
      });
      await measured(count, options, async (busy) => {
        console.log(`  another page opens after ${ms(await busy.navigates())}`);
      });
    }
    await measured(3, { ...options, tabs: 3 }, async (busy) => {
      const own = await ownRequests(busy);
      console.log(`${where}3 tabs of 3 hooks: own requests ${own}; all ends shown after ${ms(await busy.ends())}`);
    });
    await measured(7, { ...options, finished: true }, async (busy) => {
      console.log(
        `${where}7 finished streams, all shown after ${ms(busy.shownMs)}: own requests ${await ownRequests(busy)}`,
      );
    });
  }
} finally {
  await browser.close();
  await app?.remove();
}

/**
 * @param {number} count
 * @param {import("../__test__/browser/busy-page.mjs").Options} options
 * @param {(busy: BusyPage) => Promise<void>} measure
 */
async function measured(count, options, measure) {
  const busy = await BusyPage.open(browser, count, options);
  try {
    await measure(busy);
  } finally {
    await busy.close();
  }
}

/** The median and the longest of the page's own requests. @param {BusyPage} busy */
async function ownRequests(busy) {
  const own = [];
  for (let n = 0; n < OWN_REQUESTS; n++) own.push(await busy.ownRequest());
  own.sort((a, b) => a - b);
  return `${ms(own[Math.floor(OWN_REQUESTS / 2)])}, at most ${ms(own[OWN_REQUESTS - 1])}`;
}

/** @param {number} share */
function percent(share) {
  return (share * 100).toFixed(2);
}

/** @param {number} time */
function ms(time) {
  return time < 1000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`;
}
