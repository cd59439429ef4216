// trigger-native/client in Chromium: real tabs, a real network, and a strict Content Security Policy.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { withChromium } from "./support/browser.mjs";
import { clientSite, openTab } from "./support/client-page.mjs";
import { handlerOver, startServer, tokenFor, until } from "./support/relay.mjs";

await withChromium(4, (launch) => {
  describe("in Chromium, trigger-native/client", { timeout: 120_000 }, () => {
    let browser;
    let server;
    let site;
    let context;
    let token;
    before(async () => {
      browser = await launch();
    });
    after(() => browser?.close());
    beforeEach(async () => {
      server = await startServer();
      site = await clientSite(handlerOver(server, { keepMs: 100 }));
      token = tokenFor(["read:runs", "read:tags:live"]);
      context = await browser.newContext();
    });
    afterEach(async () => {
      await context.close();
      await site.handler.close();
      await site.stop();
      await server.stop();
    });

    const step = (id, n) => server.change(id, { metadata: { step: n } });
    const has = (n) => (last) => last.value?.metadata?.step === n;

    it("runs from plain modules under a strict policy, and reads superjson", async () => {
      const payload = JSON.stringify({ json: { at: "2020-01-01T00:00:00.000Z" }, meta: { values: { at: ["Date"] } } });
      const id = await server.makeRun({ status: "EXECUTING", payload, payloadType: "application/super+json" });
      const page = await openTab(context, site, token);
      await page.follow("run", id);
      await page.until("run", (last) => last.state === "live");
      const year = await page.tab.evaluate(() => window.states.run.at(-1).value.payload.at.getUTCFullYear());
      assert.equal(year, 2020);
      await server.write(id, "words", [
        { data: "a", id: "1" },
        { data: "b", id: "2" },
      ]);
      await page.follow("stream", id);
      await page.until("stream", (last) => last.value.length === 2);
      assert.deepEqual(
        (await page.last("stream")).value.map(({ chunk }) => chunk),
        ["a", "b"],
      );
      await server.change(id, { status: "COMPLETED_SUCCESSFULLY", completedAt: "2020-01-01T00:00:00.000" });
      await page.until("run", (last) => last.state === "ended");
      await page.until("stream", (last) => last.state === "ended");
      assert.deepEqual(page.faults, []);
      await until(() => site.open().length === 0, "nothing is followed any more");
    });

    it("asks once for three tabs, and when the one that asks is closed, another does within two seconds", async () => {
      const id = await server.makeRun({ status: "EXECUTING", runTags: ["live"] });
      const tabs = [];
      for (let n = 0; n < 3; n++) {
        const tab = await openTab(context, site, token);
        await tab.follow("run", id);
        await tab.until("run", (last) => last.state === "live");
        tabs.push(tab);
      }
      await step(id, 1);
      for (const tab of tabs) await tab.until("run", has(1));
      assert.equal(site.asks.length, 1, "live requests at the server");
      assert.deepEqual(
        tabs.map(({ asks }) => asks.length),
        [1, 0, 0],
        "live requests in the tabs' network logs",
      );
      // What changes while nobody asks is told as well.
      const [holder, ...others] = tabs;
      const closed = performance.now();
      await Promise.all([holder.tab.close(), step(id, 2)]);
      for (const tab of others) await tab.until("run", has(2));
      const took = performance.now() - closed;
      assert.ok(took < 2_000, `others went on after ${Math.round(took)} ms`);
      for (let n = 3; n < 8; n++) {
        await step(id, n);
        for (const tab of others) await tab.until("run", has(n));
      }
      assert.equal(site.open().length, 1);
      assert.equal(
        others.reduce((sum, { asks }) => sum + asks.length, 0),
        1,
      );
      for (const tab of others) {
        const steps = (await tab.states("run")).flatMap(({ value }) => value?.metadata?.step ?? []);
        assert.deepEqual(
          steps,
          [...new Set(steps)].sort((a, b) => a - b),
          "nothing twice, nothing older",
        );
        assert.deepEqual(tab.faults, []);
      }
    });

    it("that crashes, in the tab that asks, leaves the others their connection", async () => {
      const id = await server.makeRun({ status: "EXECUTING" });
      const [a, b] = [await openTab(context, site, token), await openTab(context, site, token)];
      for (const tab of [a, b]) {
        await tab.follow("run", id);
        await tab.until("run", (last) => last.state === "live");
      }
      a.tab.goto("chrome://crash").catch(() => {});
      await a.tab.waitForEvent("crash");
      await step(id, 1);
      await b.until("run", has(1), 2_000);
      assert.equal(b.asks.length, 1);
    });

    it("goes on after the network was away, and after the server was restarted", async () => {
      const id = await server.makeRun({ status: "EXECUTING", runTags: ["live"] });
      const page = await openTab(context, site, token);
      await page.follow("run", id);
      await page.follow("runs", "live");
      await page.until("runs", (last) => last.state === "live");
      await context.setOffline(true);
      site.cut();
      await step(id, 1);
      await until(() => page.asks.length > 2, "it tries");
      assert.ok((await page.states("run")).every(({ error }) => !error));
      await context.setOffline(false);
      await page.until("run", has(1), 2_000);
      await page.until("runs", (last) => last.value[0]?.metadata?.step === 1, 2_000);

      const before = site.handler;
      site.handler = handlerOver(server, { keepMs: 100 });
      await before.close();
      await step(id, 2);
      await page.until("run", has(2));
      await page.until("runs", (last) => last.value[0]?.metadata?.step === 2);
      const states = await page.states("run");
      assert.ok(states.every(({ error, state }) => !error && state !== "ended"));
    });
  });
});
