// A page with many official hooks on an http: origin, where the browser has six connections: the page's own requests
// and its hooks have their turn all the same (docs/relay-feeds.md, F12), and streams of runs that are over take none of
// them (docs/relay-streams.md, R10).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { BusyPage } from "./browser/busy-page.mjs";
import { withChromium } from "./support/browser.mjs";
import { until } from "./support/relay.mjs";

/** Far less than a poll is held, or a stream is left open, and far more than a request takes that has a connection. */
const SOON_MS = 5_000;

await withChromium(4, (launch) => {
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

    test("that is open in three tabs with three hooks each has room for the requests of each tab", async () => {
      const busy = await BusyPage.open(browser, 3, { tabs: 3 });
      try {
        for (let tab = 0; tab < 3; tab++) {
          const own = await busy.ownRequest(tab);
          assert.ok(own < SOON_MS, `a request of tab ${tab} took ${Math.round(own)} ms`);
        }
        assert.ok((await busy.counts()).stats.limited.heldPerBrowser > 0, "polls made way");
        const ended = await busy.ends();
        assert.ok(ended < SOON_MS, `the hooks of all tabs showed their runs' ends after ${Math.round(ended)} ms`);
      } finally {
        await busy.close();
      }
    });

    test("has all its connections back once it shows seven streams of runs that are over", async () => {
      // Six that stayed open would leave the seventh without a connection: it would not be shown.
      const busy = await BusyPage.open(browser, 7, { finished: true });
      try {
        const own = await busy.ownRequest();
        assert.ok(own < SOON_MS, `the page's own request took ${Math.round(own)} ms`);
        await until(async () => (await busy.counts()).stats.viewers.now === 0, "no stream is read any more", SOON_MS);
      } finally {
        await busy.close();
      }
    });
  });
});
