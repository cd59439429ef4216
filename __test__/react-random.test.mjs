// `trigger-native/react` in Chromium: components of all hooks that come, change and go at random, with users, tokens and
// refreshers good and bad, before a relay that does as it likes.

import assert from "node:assert/strict";
import { it } from "node:test";
import { random } from "./support/random.mjs";
import { describeReactPages } from "./support/react-page.mjs";
import { randomPage } from "./support/react-random.mjs";
import { randomWorld } from "./support/react-random-world.mjs";

/** How many pages there are at once. */
const PAGES = 4;

/** Runs in a page, by its text. */
const inPage = `(kit, seed) => (${randomPage})(kit, (${randomWorld})(kit, seed))`;

/** What Chromium and React say of what the page does: answers that refuse, and a component that a callback renders at once. */
const USUAL = /Failed to load resource|flushSync was called from inside a lifecycle/;

await describeReactPages("components at random of trigger-native/react", 1, (pages) => {
  it("show in the end what the relay has, are told each part once, and leave nothing behind", async (t) => {
    const rng = random(t);
    const seeds = Array.from({ length: PAGES }, () => rng.below(2 ** 31));
    const all = await Promise.all(seeds.map((seed) => pages.run(inPage, seed)));
    for (const [page, { shown, said }] of all.entries()) {
      t.diagnostic(`page ${page}: ${shown.mounts} components, ${shown.requests} requests`);
      const heard = said.filter((text) => !USUAL.test(text));
      assert.deepEqual({ page, faults: shown.faults, heard }, { page, faults: [], heard: [] });
    }
  });
});
