// What the examples of SvelteKit and Nuxt have in common: one page, and the routes of `serves.mjs`.

import { cp, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
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

    await withChromium(1, (launch) =>
      test("shows a run in a page as it is written", async () => {
        const browser = await launch();
        try {
          const { page, calm } = await open(browser);
          await page.goto(server.url);
          const said = (/** @type {string} */ text) => page.getByText(text, { exact: true }).waitFor();
          await page.getByRole("button", { name: "Start" }).click();
          await said("Once upon");
          await emulator.goOn();
          await said("Once upon a time é");
          await said("COMPLETED");
          calm();
        } finally {
          await browser.close();
        }
      }),
    );

    more?.(() => ({ dir, env, emulator, server, started }));
  });
}
