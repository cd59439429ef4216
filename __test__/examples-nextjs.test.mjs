// examples/nextjs, installed from the packed package, built by both bundlers, and its standalone output in Chromium.

import assert from "node:assert/strict";
import { cp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { root } from "../scripts/lib/run.mjs";
import { open, value } from "./examples/browser.mjs";
import { startHalfway } from "./examples/emulator.mjs";
import { attempt, installed, serve } from "./examples/support.mjs";
import { withChromium } from "./support/browser.mjs";

const BUNDLERS = [["Turbopack"], ["webpack", "--webpack"]];
const NEXT = path.join("node_modules", "next", "dist", "bin", "next");

await withChromium(4, (launch) =>
  describe("the Next.js example", () => {
    /** @type {Awaited<ReturnType<typeof installed>>} */
    let example;
    /** @type {import("playwright-core").Browser} */
    let browser;
    /** What the test that is running leaves behind. @type {Array<() => Promise<void>>} */
    const endings = [];
    /** @type {Awaited<ReturnType<typeof startHalfway>>} */
    let emulator;

    before(async () => {
      emulator = await startHalfway();
      browser = await launch();
      example = await installed("nextjs");
    });

    after(async () => {
      await browser?.close();
      await emulator?.stop();
      await example?.remove();
    });

    // The page first, or the server waits for what it holds for it.
    afterEach(async () => {
      for (const end of endings.splice(0).reverse()) await end();
    });

    const build = (/** @type {string[]} */ ...flags) =>
      attempt(process.execPath, [NEXT, "build", ...flags], { cwd: example.dir });

    for (const [bundler, ...flags] of BUNDLERS) {
      test(`is built by ${bundler}, and works from the folder that is deployed`, async () => {
        await rm(path.join(example.dir, ".next"), { recursive: true, force: true });
        const { code, text } = await build(...flags);
        assert.equal(code, 0, text);
        // Deployed as the Next.js documentation says: that folder and the static files, and nothing else.
        const deployed = `${example.dir}-deployed`;
        endings.push(() => rm(deployed, { recursive: true, force: true }));
        await cp(path.join(example.dir, ".next", "standalone"), deployed, { recursive: true });
        await cp(path.join(example.dir, ".next", "static"), path.join(deployed, ".next", "static"), {
          recursive: true,
        });
        const server = await serve(["server.js"], { cwd: deployed, env: emulator.env });
        endings.push(server.stop);
        const view = await open(browser);
        endings.push(view.close);
        await drive(view, server.url, emulator);
        assert.doesNotMatch(server.text(), /error|warn/i);
      });
    }

    describe("of its configuration", () => {
      before(async () => {
        // One route is enough, and all that would fail.
        for (const name of ["app", "components"]) await rm(path.join(example.dir, name), { recursive: true });
        const route = path.join("app", "api", "token");
        await cp(path.join(root, "examples", "nextjs", route), path.join(example.dir, route), { recursive: true });
        await writeFile(path.join(example.dir, "next.config.ts"), 'export default { output: "standalone" };\n');
      });

      for (const [bundler, ...flags] of BUNDLERS) {
        test(`needs serverExternalPackages: without it ${bundler} builds nothing, and names the addon`, async () => {
          const { code, text } = await build(...flags);
          assert.equal(code, 1, text);
          assert.match(text, /trigger-native-[\w-]+[\\/]trigger-native\.node/);
        });
      }
    });
  }),
);

/**
 * What a visitor does.
 *
 * @param {Awaited<ReturnType<typeof open>>} view
 * @param {string} url
 * @param {Awaited<ReturnType<typeof startHalfway>>} emulator
 */
async function drive({ page, card, calm }, url, emulator) {
  await page.goto(url);

  const progress = card("Progress");
  await progress.getByRole("button", { name: "Start" }).click();
  await progress.getByText("40 % done").waitFor();
  await emulator.goOn();
  await progress.getByText("COMPLETED").waitFor();
  await value(progress.getByRole("progressbar"), "100");

  for (const title of ["Text as it is written", "Without hooks"]) {
    const story = card(title);
    await story.getByRole("button", { name: "Start" }).click();
    await story.getByText("Once upon", { exact: true }).waitFor();
    await emulator.goOn();
    await story.getByText("Once upon a time é", { exact: true }).waitFor();
  }
  await card("Without hooks").getByText("COMPLETED").waitFor();

  const approval = card("Approval");
  await approval.getByRole("button", { name: "Start" }).click();
  await approval.getByRole("button", { name: "Approve" }).click();
  await approval.getByText("Answered: approved").waitFor();
  await approval.getByText("COMPLETED").waitFor();

  calm();
}
