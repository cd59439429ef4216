// A page with many official hooks on an http: origin, where the browser has six connections: the page's own requests
// and its hooks have their turn all the same (docs/relay-feeds.md, F12).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { BusyPage } from "./browser/busy-page.mjs";
import { withChromium } from "./support/browser.mjs";

await withChromium(2, (launch) => {
  describe("in Chromium, a page without TLS", { timeout: 60_000 }, () => {
    let browser;
    before(async () => {
      browser = await launch();
    });
    after(() => browser?.close());

    for (const count of [8, 20]) {
      test(`with ${count} hooks has room for its own requests, and shows each run's end`, async () => {
        const busy = await BusyPage.open(browser, count);
        try {
          const own = [];
          for (let n = 0; n < 3; n++) own.push(await busy.ownRequest());
          // The middle one of three: without a place for it, none would come before a poll's end, after 17 s or more.
          const [, middle] = own.sort((a, b) => a - b);
          assert.ok(middle < 1_200, `the page's own requests took ${own.map(Math.round)} ms`);
          const ended = await busy.ends();
          assert.ok(ended < 3_000, `the hooks showed their runs' ends after ${Math.round(ended)} ms`);
          assert.ok((await busy.counts()).stats.limited.heldPerBrowser > 0, "polls made way");
        } finally {
          await busy.close();
        }
      });
    }
  });
});
