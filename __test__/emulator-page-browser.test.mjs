// The emulator's page in Chromium, as somebody uses it: through the emulator's relay, and with `?direct` without it.
// The clock stands, and the tests move it: what a page shows in between is not luck.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { startEmulator } from "trigger-native/emulator";
import { buildPage } from "../scripts/page.mjs";
import { EmulatorTab } from "./browser/emulator-tab.mjs";
import { withChromium } from "./support/browser.mjs";

const tasks = {
  import: {
    queued: 1000,
    steps: [
      { metadata: { phase: "reading" } },
      { repeat: { from: 50, to: 100, by: 50, steps: [{ wait: 1000 }, { metadata: { progress: "$n" } }] } },
      { wait: 1000 },
      { tag: "imported" },
      { output: { rows: 7, from: "$payload" } },
    ],
  },
  story: {
    queued: 0,
    steps: [
      { stream: { key: "ai", chunks: ["Once ", "upon ", "a time"], every: 1000 } },
      { stream: { key: "log", chunks: [{ level: "info" }] } },
      { output: "told" },
    ],
  },
};

/** How the page reads: the name of the test, what is added to its address, and where its calls go. */
const WAYS = [
  ["through the relay", "/", /^\/relay\/(api|realtime)\//],
  ["directly", "/?direct", /^\/(api|realtime)\//],
];

const CASES = 8 * WAYS.length + 7;

await withChromium(CASES, (launch) => {
  describe("the emulator's page in a browser", { timeout: 240_000 }, () => {
    let browser;
    let emulator;
    let tab;
    let counted = 0;

    before(async () => {
      await buildPage();
      browser = await launch();
      emulator = await startEmulator({ clock: "manual", now: Date.now(), tasks });
    });
    afterEach(async () => {
      await tab?.close();
      tab = undefined;
    });
    after(async () => {
      await browser.close();
      await emulator.stop();
      assert.equal(counted, CASES);
    });

    const open = async (path = "/", look = {}) => {
      const url = path.startsWith("http") ? path : emulator.url + path;
      tab = await EmulatorTab.open(browser, url, look);
      return tab;
    };
    const it = (name, body) => {
      counted += 1;
      test(name, body);
    };

    for (const [way, path, calls] of WAYS) {
      describe(way, () => {
        it("triggers a task by keyboard and follows it to 100 %, with its metadata, timeline, tag and output", async () => {
          const { page } = await open(path);
          const id = await tab.trigger("import", { file: "a.csv" });
          await tab.status("Queued");
          await page.locator(`[data-run="${id}"]`, { hasText: "Queued" }).waitFor();
          await emulator.advance(1100);
          await tab.status("Executing");
          await tab.section("Metadata", '"reading"');
          await emulator.advance(1000);
          await tab.progress(50);
          await page.locator(`[data-run="${id}"] progress[value="50"]`).waitFor();
          await emulator.advance(1000);
          await tab.progress(100);
          await page.getByText("100 %").first().waitFor();
          await emulator.advance(1000);
          await tab.status("Completed");
          await tab.section("Output", '"rows": 7');
          await tab.section("Payload", '"a.csv"');
          await page.getByRole("list", { name: "Tags" }).getByText("imported").waitFor();
          await tab.section("Timeline", "In all: 4.1 s");
          const steps = await page.locator(".timeline .name").allInnerTexts();
          assert.deepEqual(steps, ["Queued", "Executing", "Completed"]);
          tab.isClean();
          const api = tab.paths.filter((one) => /\/(api|realtime)\//.test(one));
          assert.ok(api.length > 3);
          for (const one of api) assert.match(one, calls);
        });

        it("shows streams as they arrive", async () => {
          const { page } = await open(path);
          await tab.trigger("story");
          const ai = page.getByRole("log", { name: "Stream ai" });
          await ai.getByText("Nothing yet.").waitFor();
          await emulator.advance(100);
          let text = "";
          for (const chunk of ["Once ", "upon ", "a time"]) {
            text += chunk;
            await page.waitForFunction(
              (all) => document.querySelector('[aria-label="Stream ai"]').textContent === all,
              text,
            );
            await emulator.advance(1000);
          }
          await page.getByRole("log", { name: "Stream log" }).getByText('{"level":"info"}').waitFor();
          await page.getByText("3 parts").waitFor();
          await tab.status("Completed");
          await tab.section("Output", "told");
          tab.isClean();
        });

        it("shows runs that an app triggers, newest first, and filters them", async () => {
          const { page } = await open(path);
          const known = await page.locator("[data-run]").count();
          for (const [task, tag] of [
            ["echo", "alpha"],
            ["stuck", "beta"],
          ]) {
            const sent = await fetch(`${emulator.url}/api/v1/tasks/${task}/trigger`, {
              method: "POST",
              headers: { authorization: `Bearer ${emulator.secretKey}`, "content-type": "application/json" },
              body: JSON.stringify({ payload: "1", options: { tags: [`${tag}-${counted}-${way.length}`] } }),
            });
            assert.equal(sent.status, 200);
            await emulator.advance(10);
          }
          await page
            .locator("[data-run]")
            .nth(known + 1)
            .waitFor();
          const newest = page.locator("[data-run]").first();
          assert.match(await newest.innerText(), /stuck/);
          await tab.press("/");
          await page.keyboard.type(`beta-${counted}-${way.length}`);
          await page.getByText(`1 of ${known + 2} runs`).waitFor();
          await tab.press("Escape");
          await page.getByRole("searchbox").fill("no such run");
          await page.getByText("No run matches.").waitFor();
          await page.getByRole("searchbox").fill("");
          await page.getByLabel("Filter by status").selectOption("CRASHED");
          await page.getByText(`0 of ${known + 2} runs`).waitFor();
          tab.isClean();
        });

        it("completes a wait token", async () => {
          const { page } = await open(path);
          await tab.trigger("approval");
          await emulator.advance(2000);
          await tab.section("Wait token", "waitpoint_");
          await page.getByLabel("Output (JSON)").fill('{ "approved": "by the test" }');
          const completed = tab.answered(/\/complete$/);
          await page.getByRole("button", { name: "Complete", exact: true }).click();
          await completed;
          await emulator.advance(1000);
          await tab.status("Completed");
          await tab.section("Output", "by the test");
          tab.isClean();
        });

        it("sends to an input stream", async () => {
          const { page } = await open(path);
          await tab.trigger("chat");
          await emulator.advance(1000);
          await tab.status("Executing");
          await page.getByLabel("Data (JSON)").fill('{ "said": "yes" }');
          const sent = tab.answered(/\/input\//);
          await page.getByLabel("Data (JSON)").press("Control+Enter");
          await sent;
          await emulator.advance(1000);
          await tab.status("Completed");
          await tab.section("Output", '"said": "yes"');
          tab.isClean();
        });

        it("cancels and replays the open run", async () => {
          const { page } = await open(path);
          const id = await tab.trigger("slow", { what: "again" });
          await emulator.advance(1000);
          await tab.status("Executing");
          await tab.press("x");
          await tab.status("Canceled");
          assert.ok(await page.getByRole("button", { name: "Cancel X" }).isDisabled());
          await tab.press("r");
          await page.waitForFunction((old) => location.hash.slice(1) !== old, id);
          await tab.status("Queued");
          await tab.section("Payload", '"again"');
          await tab.press("x");
          await tab.status("Canceled");
          tab.isClean();
        });

        it("copies the id of a run and a token that reads it and no other", async () => {
          const { page } = await open(path);
          const other = await tab.trigger("stuck");
          const id = await tab.trigger("echo");
          await tab.press("c");
          assert.equal(await tab.clipboard(other), id);
          await page.getByRole("button", { name: "Copy token" }).click();
          const token = await tab.clipboard(id);
          await page.getByText("Copied").waitFor();
          const read = (run, base = "") =>
            fetch(`${emulator.url}${base}/realtime/v1/runs/${run}`, { headers: { authorization: `Bearer ${token}` } });
          for (const base of ["", "/relay"]) {
            assert.equal((await read(id, base)).status, 200, base);
            assert.equal((await read(other, base)).status, 403, base);
          }
          tab.isClean();
        });

        it("says what is wrong with JSON, and sends none of it", async () => {
          const { page } = await open(path);
          await tab.press("t");
          const payload = page.getByLabel("Payload (JSON)");
          await payload.fill('{ "a": ');
          assert.equal(await payload.getAttribute("aria-invalid"), "true");
          assert.ok(await page.getByRole("button", { name: "Trigger Ctrl Enter" }).isDisabled());
          await payload.press("Control+Enter");
          await payload.fill("{}");
          assert.equal(await payload.getAttribute("aria-invalid"), "false");
          assert.equal(await tab.openId(), "");
          await payload.press("Control+Enter");
          await page.waitForFunction(() => location.hash.length > 1);
          tab.isClean();
        });
      });
    }

    it("begins with what an app needs, opens the first run that comes, and hears keys at once", async () => {
      const own = await startEmulator({ tasks: { mine: { queued: null, steps: [] } } });
      try {
        await open(own.url);
        const { page } = tab;
        await page.getByRole("button", { name: "Copy variables" }).click();
        assert.equal(
          await tab.clipboard(""),
          `TRIGGER_API_URL=${own.url}\nTRIGGER_SECRET_KEY=tr_dev_emulatornotasecret`,
        );
        await page.evaluate(() => document.activeElement.blur());
        const headers = { authorization: `Bearer ${own.secretKey}`, "content-type": "application/json" };
        const trigger = async () => {
          const sent = await fetch(`${own.url}/api/v1/tasks/mine/trigger`, { method: "POST", headers, body: "{}" });
          return (await sent.json()).id;
        };
        const first = await trigger();
        await page.locator(".detail", { hasText: first }).waitFor();
        assert.equal(await tab.openId(), "", "nobody asked for it: it is no place to come back to");
        // Another that comes does not take its place.
        const second = await trigger();
        await page.locator(`[data-run="${second}"]`).waitFor();
        await page.locator(".detail", { hasText: first }).waitFor();
        // On a page that was just loaded the newest is open, and the keys begin in the list.
        await page.reload();
        await page.locator(".detail", { hasText: second }).waitFor();
        await tab.press("ArrowDown", "ArrowDown", "Enter");
        await page.locator(".detail", { hasText: first }).waitFor();
        assert.equal(await tab.openId(), first);
        // The filter stays when it is left, and can be cleared where nothing matches.
        await tab.press("/");
        await page.keyboard.type("no such run");
        await tab.press("Escape");
        assert.equal(await page.getByRole("searchbox").inputValue(), "no such run");
        await page.getByRole("button", { name: "Clear the filter" }).click();
        await page.locator(`[data-run="${second}"]`).waitFor();
        tab.isClean();
      } finally {
        await tab.close();
        tab = undefined;
        await own.stop();
      }
    });

    it("says of an action that it failed, and of a key that it may be a secret", async () => {
      const own = await startEmulator({
        secretKey: "tr_dev_somebodysown",
        tasks: { mine: { queued: null, steps: [] } },
      });
      try {
        await open(own.url);
        const { page } = tab;
        const variables = await page.locator(".variables").innerText();
        assert.ok(!variables.includes("somebodysown") && variables.includes("the key that the emulator was given"));
        await tab.trigger("mine");
        await tab.status("Queued");
        await own.stop();
        await tab.press("r");
        await page.getByRole("alert").getByText("Not replayed: the emulator does not answer").waitFor();
        await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
        await tab.press("c");
        await page.getByRole("alert").getByText("The id is not copied").waitFor();
      } finally {
        await tab.close();
        tab = undefined;
        await own.stop();
      }
    });

    it("tells its keys, and Escape closes what is open", async () => {
      const { page } = await open();
      const id = await tab.trigger("stuck");
      await tab.press("?");
      const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
      await help.getByText("Trigger a task").waitFor();
      // No key does anything behind a dialog.
      await tab.press("x");
      await tab.dismiss();
      await tab.status("Queued");
      assert.equal(await tab.openId(), id);
      await tab.press("Escape");
      await page.getByRole("heading", { name: "No run is open" }).waitFor();
      await page.waitForFunction((run) => document.activeElement?.getAttribute("data-run") === run, id);
      await tab.press("ArrowDown", "ArrowUp", "Enter");
      await tab.status("Queued");
      assert.equal(await tab.openId(), id);
      tab.isClean();
    });

    for (const scheme of ["light", "dark"]) {
      it(`is ${scheme} where the system is, and every text stands out`, async () => {
        const { page } = await open("/", { scheme });
        await tab.trigger("import");
        await emulator.advance(2200);
        await tab.progress(50);
        const [background] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/[\d.]+/));
        assert.equal(Number(background) > 128, scheme === "light", background);
        assert.deepEqual(await tab.faint(), []);
        assert.deepEqual(await tab.flaws(), []);
        assert.deepEqual(await tab.unseen(), []);
        // The Tab key may have left the page.
        await page.getByRole("heading", { level: 1 }).click();
        for (const key of ["t", "w", "?"]) {
          await tab.press(key);
          await page.getByRole("dialog").waitFor();
          assert.deepEqual([await tab.faint(), await tab.flaws()], [[], []], key);
          await tab.dismiss();
        }
        tab.isClean();
      });
    }

    it("fits a phone without scrolling sideways", async () => {
      const { page } = await open("/", { width: 360, height: 740 });
      const fits = async (what) => assert.ok((await tab.overflow()) <= 0, what);
      await fits("the list");
      await tab.trigger("story", { text: "a long line of text ".repeat(20), word: "x".repeat(400) });
      await emulator.advance(5000);
      await tab.status("Completed");
      await tab.section("Payload", "xxxx");
      await fits("a run");
      for (const key of ["t", "w", "?"]) {
        await tab.press(key);
        await page.getByRole("dialog").waitFor();
        await fits(key);
        const box = await page.getByRole("dialog").boundingBox();
        assert.ok(box.x >= 0 && box.x + box.width <= 360, key);
        await tab.dismiss();
      }
      await page.getByRole("button", { name: "Runs" }).click();
      await page.locator("[data-run]").first().waitFor();
      await fits("the list of runs");
      tab.isClean();
    });

    it("recovers from an emulator that was restarted", async () => {
      const first = await startEmulator({ tasks: { mine: { queued: null, steps: [] } } });
      const { port } = new URL(first.url);
      tab = await EmulatorTab.open(browser, first.url);
      const { page } = tab;
      const old = await tab.trigger("mine");
      await tab.press("Escape");
      await first.stop();
      await page.getByText("Not connected, trying again").waitFor();
      const second = await startEmulator({ port: Number(port), tasks: { mine: { queued: null, steps: [] } } });
      try {
        await page.getByText("Live", { exact: true }).waitFor();
        await page.locator(`[data-run="${old}"]`).waitFor({ state: "detached" });
        const id = await tab.trigger("mine");
        assert.notEqual(id, old);
        await page.locator(`[data-run="${id}"]`, { hasText: "Queued" }).waitFor();
      } finally {
        await tab.close();
        tab = undefined;
        await second.stop();
      }
    });
  });
});
