// What many official hooks on an http: origin cost their page, in Chromium: `npm run busy-page`. docs/relay-feeds.md
// has the figures. `--hooks 8,20` picks the numbers of hooks; `--held 1000` takes another `limits.heldPerBrowser`, so many
// that every poll is held, as without the rule; `--listens` gives the
// relay an origin of its own, which leaves the page all connections of its own; `--seconds 10` is how long the idle page is watched.

import process from "node:process";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

import { BusyPage } from "../__test__/browser/busy-page.mjs";
import { chromiumAdvice, chromiumFlags, findChromium } from "../scripts/lib/chromium.mjs";

const { values } = parseArgs({
  options: {
    hooks: { type: "string", default: "8,20" },
    held: { type: "string" },
    listens: { type: "boolean", default: false },
    seconds: { type: "string", default: "10" },
  },
});

const executablePath = await findChromium();
if (!executablePath) {
  console.error(`Chromium was not found: ${chromiumAdvice}`);
  process.exit(1);
}
const browser = await chromium.launch({ executablePath, args: chromiumFlags });
try {
  const limits = values.held === undefined ? {} : { heldPerBrowser: Number(values.held) };
  for (const count of values.hooks.split(",").map(Number)) {
    const busy = await BusyPage.open(browser, count, limits, values.listens);
    try {
      const own = [];
      for (let n = 0; n < 5; n++) own.push(await busy.ownRequest());
      const idle = await busy.idle(Number(values.seconds) * 1000);
      const ends = await busy.ends();
      const after = await busy.ownRequest();
      console.log(
        `${count} hooks: own requests ${own.map(ms).join(", ")}; all ends shown after ${ms(ends)}; ` +
          `then an own request ${ms(after)}; idle: ${idle.perSecond.toFixed(1)} polls a second answered early, ` +
          `${(idle.core * 100).toFixed(2)} % of a core`,
      );
    } finally {
      await busy.close();
    }
    const left = await BusyPage.open(browser, count, limits, values.listens);
    try {
      console.log(`${count} hooks: another page opens after ${ms(await left.navigates())}`);
    } finally {
      await left.close();
    }
  }
} finally {
  await browser.close();
}

/** @param {number} time */
function ms(time) {
  return time < 1000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`;
}
