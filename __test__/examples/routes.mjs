// What the examples of Remix and React Router have in common: routes, and so what a visitor sees and does.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startEmulator } from "trigger-native/emulator";
import { launch, open } from "./browser.mjs";
import { installed, run, serve } from "./support.mjs";

/** @param {{ name: string, title: string, start: readonly string[] }} example */
export function routes({ name, title, start }) {
  describe(`the ${title} example`, () => {
    /** @type {Array<() => Promise<void>>} */
    const endings = [];
    let url = "";
    /** @type {Awaited<ReturnType<typeof open>>} */
    let view;

    before(async () => {
      const emulator = await startEmulator();
      endings.push(() => emulator.stop());
      const example = await installed(name);
      endings.push(example.remove);
      await run("npm", ["run", "types"], { cwd: example.dir });
      await run("npm", ["run", "build"], { cwd: example.dir });
      const env = { TRIGGER_API_URL: emulator.url, TRIGGER_SECRET_KEY: emulator.secretKey };
      const server = await serve(start, { cwd: example.dir, env });
      endings.push(server.stop);
      url = server.url;
      const browser = await launch();
      endings.push(() => browser.close());
      view = await open(browser);
    });

    after(async () => {
      for (const end of endings.reverse()) await end();
    });

    /** Starts a task from the first page, and waits for the page of its run. @param {string} card */
    async function begin(card) {
      await view.page.goto(url);
      await view.card(card).getByRole("button", { name: "Start" }).click();
      await view.page.waitForURL(/\/runs\/run_\w+$/);
    }

    const cards = () => [view.card("By EventSource"), view.card("By the official hooks")];

    test("starts a run and shows its progress to the end", async () => {
      await begin("Progress");
      for (const card of cards()) {
        await card.getByText("COMPLETED").waitFor();
        assert.equal(await card.getByRole("progressbar").getAttribute("value"), "100");
      }
    });

    test("renders a run that is over on the server", async () => {
      const answer = await view.page.request.get(view.page.url());
      assert.match(await answer.text(), /value="100"[\s\S]*COMPLETED/);
    });

    test("shows text as it is written", async () => {
      await begin("Text as it is written");
      const seen = await Promise.all(cards().map((card) => view.texts(card)));
      for (const [index, card] of cards().entries()) {
        await card.getByText("Once upon a time é", { exact: true }).waitFor();
        await card.getByText("COMPLETED").waitFor();
        const texts = await seen[index]();
        assert.ok(texts.length > 2, `it came in pieces: ${JSON.stringify(texts)}`);
      }
    });

    test("has a person approve, and the run goes on", async () => {
      await begin("Approval");
      await view.page.getByRole("button", { name: "Approve" }).click();
      await view.page.getByText("Answered: approved").waitFor();
      for (const card of cards()) await card.getByText("COMPLETED").waitFor();
    });

    test("shows nobody another's run", async () => {
      const answer = await fetch(view.page.url());
      assert.equal(answer.status, 404);
    });

    test("has nothing to complain of in the console", () => view.close());
  });
}
