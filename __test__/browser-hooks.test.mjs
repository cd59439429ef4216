// Every official React hook in Chromium: on the emulator and through the relay it shows the same, and what it should. So
// does `trigger-native/react` in its place: the page is the same, but for its import.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { different, nativeScenario } from "./browser/native.mjs";
import { bundle, NATIVE, OFFICIAL } from "./browser/page-server.mjs";
import { calls } from "./browser/scenarios/calls.mjs";
import { lists } from "./browser/scenarios/lists.mjs";
import { recorded, recordedStates } from "./browser/scenarios/recorded.mjs";
import { runs } from "./browser/scenarios/runs.mjs";
import { streams } from "./browser/scenarios/streams.mjs";
import { mount, play } from "./browser/stage.mjs";
import { targets } from "./browser/targets.mjs";
import { withChromium } from "./support/browser.mjs";

const scenarios = [...runs, ...lists, ...streams, ...calls, ...recorded];

/** The hooks that are proven (of those for sessions the emulator has no routes). */
const HOOKS = [
  "useInputStreamSend",
  "useRealtimeBatch",
  "useRealtimeRun",
  "useRealtimeRunWithStreams",
  "useRealtimeRunsWithTag",
  "useRealtimeStream",
  "useRealtimeTaskTrigger",
  "useRealtimeTaskTriggerWithStreams",
  "useRun",
  "useTaskTrigger",
  "useWaitToken",
];

test("every official hook has a scenario", () => {
  assert.deepEqual([...new Set(scenarios.map(({ hook }) => hook))].sort(), HOOKS);
});

test("what ours promises instead is promised of scenarios that there are", () => {
  const names = scenarios.map(({ name }) => name);
  for (const name of Object.keys(different)) assert.ok(names.includes(name), name);
});

for (const scenario of scenarios.filter(({ recording }) => recordedStates.has(recording))) {
  test(`what ${scenario.hook} must show is what it showed of the real server: ${scenario.name}`, () => {
    const states = recordedStates.get(scenario.recording);
    if (scenario.states) assert.deepEqual(scenario.states(), states);
    else assert.deepEqual(scenario.final, states.at(-1));
  });
}

/** Where each scenario is played, with which hooks. Ours follow by the relay's live stream, which the emulator has not. */
const places = [
  ...targets.map((target) => ({ target, hooks: OFFICIAL })),
  ...targets.filter(({ isRelay }) => isRelay).map((target) => ({ target, hooks: NATIVE })),
];

await withChromium(scenarios.length * places.length, (launch) => {
  describe("in Chromium", { concurrency: 3 }, () => {
    let browser;
    const stages = [];

    before(async () => {
      const files = { [OFFICIAL]: await bundle(OFFICIAL), [NATIVE]: await bundle(NATIVE) };
      browser = await launch();
      for (const { target, hooks } of places) {
        stages.push(await mount(target, files[hooks], browser, { isNative: hooks === NATIVE }));
      }
    });

    after(async () => {
      await browser?.close();
      for (const stage of stages) await stage.close();
    });

    for (const scenario of scenarios) {
      test(`${scenario.hook}: ${scenario.name}`, async (t) => {
        const seen = [];
        for (const [index, { target, hooks }] of places.entries()) {
          const asked = hooks === NATIVE ? nativeScenario(scenario) : scenario;
          await t.test(`${hooks} on ${target.name}`, async () => {
            const { text, calls } = await play(asked, stages[index]);
            seen.push({ text: asked.why ? undefined : text, calls });
          });
        }
        for (const { text = seen[0].text, calls } of seen.slice(1)) {
          assert.equal(text, seen[0].text, "the document is the same");
          assert.deepEqual(calls, seen[0].calls, "the calls are the same");
        }
      });
    }
  });
});
