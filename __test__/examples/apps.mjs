// What the examples of SvelteKit and Nuxt have in common: two pages, and the routes of `serves.mjs`.

import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { withChromium } from "../support/browser.mjs";
import { ensureToolbox, tools } from "../support/toolbox.mjs";
import { open } from "./browser.mjs";
import { startHalfway } from "./emulator.mjs";
import { servesRuns } from "./serves.mjs";
import { installed, run, serve } from "./support.mjs";

/**
 * @typedef {object} App
 * @property {string} name
 * @property {string} title
 * @property {string} built the folder that its build writes
 * @property {string} start the server in that folder
 * @property {boolean} [alone] that folder is all that is deployed, without `node_modules` beside it
 * @property {(at: () => More) => void} [more] defines further tests, which may change what is in its folder
 *
 * @typedef {object} More
 * @property {string} dir the app's folder
 * @property {Record<string, string>} env with which npm runs a Node that the app can be built by
 * @property {Awaited<ReturnType<typeof startHalfway>>} emulator
 * @property {Awaited<ReturnType<typeof serve>>} server
 * @property {(env?: Record<string, string>) => ReturnType<typeof serve>} started another server of the same build
 *
 * @param {App} app
 */
export function apps({ name, title, built, start, alone, more }) {
  describe(`the ${title} example`, async () => {
    /** @type {Array<() => Promise<void>>} */
    const endings = [];
    /** @type {Record<string, string>} */
    let env;
    let dir = "";
    let deployed = "";
    let node = "";
    /** @type {Awaited<ReturnType<typeof startHalfway>>} */
    let emulator;
    /** @type {Awaited<ReturnType<typeof serve>>} */
    let server;

    before(async () => {
      emulator = await startHalfway();
      endings.push(emulator.stop);
      // Both need a newer Node than 20.
      await ensureToolbox();
      [node] = tools.node24;
      env = { PATH: [path.dirname(node), process.env.PATH].join(path.delimiter) };
      const example = await installed(name);
      endings.push(example.remove);
      dir = example.dir;
      await run("npm", ["run", "types"], { cwd: dir, env });
      await run("npm", ["run", "build"], { cwd: dir, env });
      deployed = path.join(dir, built);
      if (alone) {
        deployed = `${dir}-deployed`;
        endings.push(() => rm(deployed, { recursive: true, force: true }));
        await cp(path.join(dir, built), deployed, { recursive: true, verbatimSymlinks: true });
      }
      server = await started();
      endings.push(server.stop);
    });

    const started = (/** @type {Record<string, string>} */ more = {}) =>
      serve([start], { cwd: deployed, env: { ...emulator.env, ...more }, node });

    after(async () => {
      for (const end of endings.reverse()) await end();
    });

    servesRuns(() => ({ server, emulator }));

    await withChromium(2, (launch) => {
      /** A page, and the live requests that it made. @typedef {{ page: import("playwright-core").Page, asks: import("playwright-core").Request[] }} Visit */

      /** What a visitor sees of a run on the page at `where`. @param {string} where @param {(visit: Visit) => Promise<void>} then */
      async function visit(where, then) {
        const browser = await launch();
        try {
          const view = await open(browser);
          /** The live requests of the page. @type {import("playwright-core").Request[]} */
          const asks = [];
          view.page.on("request", (request) => {
            if (request.url().endsWith("/relay/v1/live")) asks.push(request);
          });
          const answer = await view.page.goto(server.url + where);
          // Every page has a policy that allows the app's own files, and the framework's inline scripts by a nonce.
          const { "content-security-policy": policy } = answer.headers();
          assert.match(policy, /^default-src 'self';/);
          assert.match(policy, /; script-src 'self' 'nonce-[^' ]+';/);
          assert.doesNotMatch(policy, /connect-src|worker-src/);
          const said = (/** @type {string} */ text) => view.page.getByText(text, { exact: true }).waitFor();
          await view.page.getByRole("button", { name: "Start" }).click();
          await said("Once upon");
          await emulator.goOn();
          await said("Once upon a time é");
          await said("COMPLETED");
          await then({ page: view.page, asks });
          view.calm();
        } finally {
          await browser.close();
        }
      }

      test("shows a run and its text as it is written, by trigger-native/client, on one request that ends with them or the page", () =>
        visit("/", async ({ page, asks }) => {
          const ended = () => page.locator("pre[aria-busy=false]").waitFor();
          await ended();
          // A date of the payload is one in the page: its reader is loaded for it, as the policy allows.
          await page.getByText(/^Started at 20\d\d-\d\d-\d\dT.*Z$/).waitFor();
          assert.equal(asks.length, 1);
          const [ask] = asks;
          assert.equal(ask.method(), "POST");
          const { wants } = ask.postDataJSON();
          const kinds = wants.map((/** @type {object} */ want) => ("run" in want ? "run" : "stream"));
          assert.deepEqual(kinds.sort(), ["run", "stream"]);

          // Another run takes the place of the first, of which nothing is asked for any more.
          await page.getByRole("button", { name: "Start" }).click();
          await page.getByText("Once upon", { exact: true }).waitFor();
          await emulator.goOn();
          await page.getByText("Once upon a time é", { exact: true }).waitFor();
          await page.getByText("COMPLETED", { exact: true }).waitFor();
          await ended();
          assert.equal(asks.length, 2);
          const first = wants[0].run ?? wants[0].stream.run;
          for (const { run, stream } of asks[1].postDataJSON().wants) assert.notEqual(run ?? stream.run, first);

          // When the page is closed in the middle of a run, the relay lets it go.
          await page.getByRole("button", { name: "Start" }).click();
          await page.getByText("Once upon", { exact: true }).waitFor();
          const held = async () => (await emulator.ask("/emulator/limits")).live;
          while ((await held()) === 0) await sleep(20);
          await page.close();
          // The runner's own limit ends this if it is held for ever.
          while ((await held()) > 0) await sleep(20);
        }));

      test("shows them by EventSource, without any live request", () =>
        visit("/events", async ({ asks }) => {
          assert.equal(asks.length, 0);
        }));
    });

    more?.(() => ({ dir, env, emulator, server, started }));
  });
}
