// examples/nextjs, installed from the packed package, built by both bundlers, and its standalone output in Chromium. The
// recipes of the documentation, likewise.

import assert from "node:assert/strict";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { root } from "../scripts/lib/run.mjs";
import { open, requests, value } from "./examples/browser.mjs";
import { startHalfway } from "./examples/emulator.mjs";
import { writeAround, writeRecipes } from "./examples/recipes.mjs";
import { attempt, installed, serve } from "./examples/support.mjs";
import { withChromium } from "./support/browser.mjs";

const BUNDLERS = [["Turbopack"], ["webpack", "--webpack"]];
const NEXT = path.join("node_modules", "next", "dist", "bin", "next");

await withChromium(6, (launch) =>
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

    describe("with the documentation's recipes in its place", () => {
      const own = (/** @type {string} */ file) => path.join(example.dir, file);

      before(async () => {
        for (const name of ["app/page.tsx", "app/actions.ts", "app/api", "components", "lib"]) {
          await rm(own(name), { recursive: true });
        }
        await writeAround(example.dir);
        const pages = ["components/status.tsx", "app/runs/[id]/page.tsx"];
        const routes = ["exports", "start", "live", "runs/[id]/events", "runs/[id]/text"];
        const files = ["public/run.html", ...pages, ...routes.map((route) => `app/api/${route}/route.ts`)];
        await writeRecipes(example.dir, Object.fromEntries(files.map((file) => [file, file])));
        // What a browser asks for beside a page of HTML.
        await writeFile(own("public/favicon.ico"), "");
      });

      for (const [what, relay, ...options] of [
        ["cacheComponents", "app/api/trigger/[...path]/route.ts", "cacheComponents: true,"],
        ["the relay in the Pages Router", "pages/api/trigger/[...path].ts"],
      ]) {
        test(`works with ${what}`, async () => {
          await writeRecipes(example.dir, { [relay]: relay, "next.config.ts": "next.config.ts" });
          endings.push(() => rm(own(relay)));
          const config = await readFile(own("next.config.ts"), "utf8");
          await writeFile(own("next.config.ts"), config.replace(/(?=serverExternalPackages)/, options.join(" ")));
          const { code, text } = await build();
          assert.equal(code, 0, text);
          const server = await serve([NEXT, "start", "-H", "127.0.0.1"], { cwd: example.dir, env: emulator.env });
          endings.push(server.stop);
          const view = await open(browser);
          endings.push(view.close);
          await driveRecipes(view, server.url, emulator);
          assert.doesNotMatch(server.text(), /error|warn/i);
        });
      }
    });

    describe("of its configuration", () => {
      before(async () => {
        // One route is enough, and all that would fail.
        for (const name of ["app", "components", "pages"]) {
          await rm(path.join(example.dir, name), { recursive: true, force: true });
        }
        for (const name of [path.join("app", "api", "token"), "lib", "tsconfig.json"]) {
          await cp(path.join(root, "examples", "nextjs", name), path.join(example.dir, name), { recursive: true });
        }
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

  await driveOneConnection(page, card, emulator);
  calm();
}

/**
 * The cards of `trigger-native/react`, both at once.
 *
 * @param {import("playwright-core").Page} page
 * @param {Awaited<ReturnType<typeof open>>["card"]} card
 * @param {Awaited<ReturnType<typeof startHalfway>>} emulator
 */
async function driveOneConnection(page, card, emulator) {
  const asked = requests(page, "/api/trigger/");
  const [text, approval] = ["text", "approval"].map((what) => card(`One connection: ${what}`));
  await approval.getByRole("button", { name: "Start" }).click();
  await approval.getByRole("button", { name: "Approve" }).waitFor();
  await text.getByRole("button", { name: "Start" }).click();
  await text.getByText("Once upon", { exact: true }).waitFor();
  await asked.until(1);

  await emulator.goOn();
  await text.getByText("Once upon a time é", { exact: true }).waitFor();
  await text.getByText("COMPLETED").waitFor();
  await approval.getByRole("button", { name: "Approve" }).click();
  await approval.getByText("Answered: approved").waitFor();
  await approval.getByText("COMPLETED").waitFor();
  await asked.until(0);
  const others = asked.paths.filter((name) => name !== "/api/trigger/relay/v1/live");
  assert.match(others.join(" "), /^\/api\/trigger\/api\/v1\/waitpoints\/tokens\/\w+\/complete$/);
}

/**
 * What the recipes promise.
 *
 * @param {Awaited<ReturnType<typeof open>>} view
 * @param {string} url
 * @param {Awaited<ReturnType<typeof startHalfway>>} emulator
 */
async function driveRecipes({ page, calm }, url, emulator) {
  const post = async (/** @type {string} */ path) => {
    const answer = await fetch(url + path, { method: "POST", body: JSON.stringify({ project: url }) });
    return (await answer.json()).id;
  };
  await post("/api/start");
  const id = await post("/api/exports");

  // Rendered by the server first, then followed.
  await page.goto(`${url}/runs/${id}`);
  await page.getByText("EXECUTING", { exact: true }).waitFor();
  // Both are read while the run writes: a half is there before the rest is written, and the end comes with the run's.
  const text = page.evaluate(async (path) => {
    const { body } = await fetch(path);
    globalThis.text = "";
    for await (const part of body.pipeThrough(new TextDecoderStream())) globalThis.text += part;
    return globalThis.text;
  }, `/api/runs/${id}/text`);
  const events = page.evaluate(heard, `/api/runs/${id}/events`);
  await page.waitForFunction(() => globalThis.text === "Once upon ");
  await emulator.goOn();
  await page.getByText("COMPLETED", { exact: true }).waitFor();
  assert.equal(await text, "Once upon a time é");
  assert.equal(await events, "Once upon a time é");

  // A page without React, from the beginning, as the run is over.
  await page.goto(`${url}/run.html#${id}`);
  await page.getByText("COMPLETED", { exact: true }).waitFor();
  await page.getByText("Once upon a time é", { exact: true }).waitFor();

  // A user's runs are shown to that user alone.
  await page.context().addCookies([{ name: "user", value: "7", url }]);
  for (const user of ["8", "7"]) {
    const options = { tags: [`user:${user}`] };
    const body = JSON.stringify({ payload: "{}", options: { ...options, payloadType: "application/json" } });
    await emulator.ask("/api/v1/tasks/export/trigger", { method: "POST", body });
  }
  const first = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const source = new EventSource("/api/live");
        source.addEventListener("run", ({ data }) => {
          source.close();
          resolve(JSON.parse(data).tags);
        });
      }),
  );
  assert.deepEqual(first, ["user:7"]);
  calm();
}

/** In the browser: the text of a run's stream, from a response of events to its end. @param {string} path */
function heard(path) {
  return new Promise((resolve) => {
    const source = new EventSource(path);
    let text = "";
    source.addEventListener("chunk", ({ data }) => {
      text += JSON.parse(data).chunk;
    });
    source.addEventListener("end", () => {
      source.close();
      resolve(text);
    });
  });
}
