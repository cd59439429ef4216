// What the examples of Remix and React Router have in common: routes, and so what a visitor sees and does.

import assert from "node:assert/strict";
import path from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { withChromium } from "../support/browser.mjs";
import { open, value } from "./browser.mjs";
import { startHalfway } from "./emulator.mjs";
import { writeAround, writeRecipes } from "./recipes.mjs";
import { installed, run, serve } from "./support.mjs";

/**
 * @typedef {object} Example
 * @property {string} name
 * @property {string} title
 * @property {readonly string[]} start
 * @property {string} [variant] a folder of the example with manifests that take the place of its own
 * @property {() => Promise<string>} [node] which builds and serves it; the one that runs the tests, unless told
 * @property {readonly string[]} followers the headings of the cards that follow a run
 * @property {Record<string, string>} recipes of the documentation, which take the place of its own files
 * @property {(dir: () => string, at: () => { url: string, emulator: Awaited<ReturnType<typeof startHalfway>> }) => void} [more]
 *   defines further tests, which may change what is in its folder
 *
 * @param {Example} example
 */
export async function routes({ name, title, variant, node, start, followers, recipes, more }) {
  await withChromium(6, (launch) =>
    describe(`the ${title} example`, () => {
      /** @type {Array<() => Promise<void>>} */
      const endings = [];
      let url = "";
      let dir = "";
      /** @type {Awaited<ReturnType<typeof startHalfway>>} */
      let emulator;
      /** @type {Awaited<ReturnType<typeof open>>} */
      let view;

      before(async () => {
        emulator = await startHalfway();
        endings.push(emulator.stop);
        const program = await node?.();
        const example = await installed(name, variant);
        endings.push(example.remove);
        dir = example.dir;
        await writeAround(dir);
        await writeRecipes(dir, recipes);
        const env = program ? { PATH: [path.dirname(program), process.env.PATH].join(path.delimiter) } : {};
        await run("npm", ["run", "types"], { cwd: example.dir, env });
        await run("npm", ["run", "build"], { cwd: example.dir, env });
        const server = await serve(start, { cwd: example.dir, env: emulator.env, node: program });
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

      const cards = () => followers.map(view.card);

      test("starts a run and shows its progress to the end", async () => {
        await begin("Progress");
        const bars = cards().map((card) => card.getByRole("progressbar"));
        for (const bar of bars) await value(bar, "40");
        await emulator.goOn();
        for (const bar of bars) await value(bar, "100");
        for (const card of cards()) await card.getByText("COMPLETED").waitFor();
      });

      test("renders a run that is over on the server", async () => {
        const answer = await view.page.request.get(view.page.url());
        assert.match(await answer.text(), /value="100"[\s\S]*COMPLETED/);
      });

      test("shows text as it is written", async () => {
        await begin("Text as it is written");
        for (const card of cards()) await card.getByText("Once upon", { exact: true }).waitFor();
        await emulator.goOn();
        for (const card of cards()) {
          await card.getByText("Once upon a time é", { exact: true }).waitFor();
          await card.getByText("COMPLETED").waitFor();
        }
      });

      test("has a person approve, and the run goes on", async () => {
        await begin("Approval");
        const hooks = cards().slice(1);
        const buttons = hooks.map((card) => card.getByRole("button", { name: "Approve" }));
        for (const button of buttons) await button.waitFor();
        await buttons.at(-1)?.click();
        for (const card of hooks) await card.getByText("Answered: approved").waitFor();
        for (const card of cards()) await card.getByText("COMPLETED").waitFor();
      });

      test("shows nobody another's run", async () => {
        const answer = await fetch(view.page.url());
        assert.equal(answer.status, 404);
      });

      test("has nothing to complain of in the console", () => view.calm());

      more?.(
        () => dir,
        () => ({ url, emulator }),
      );
    }),
  );
}
