// Every official React hook in Chromium: on the emulator and through the relay it shows the same, and what it should.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startEmulator } from "trigger-native/emulator";

import { Control } from "./browser/control.mjs";
import { bundle, servePage } from "./browser/page-server.mjs";
import { calls } from "./browser/scenarios/calls.mjs";
import { lists } from "./browser/scenarios/lists.mjs";
import { recorded, recordedStates } from "./browser/scenarios/recorded.mjs";
import { runs } from "./browser/scenarios/runs.mjs";
import { streams } from "./browser/scenarios/streams.mjs";
import { Tab } from "./browser/tab.mjs";
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

for (const scenario of scenarios.filter(({ recording }) => recordedStates.has(recording))) {
  test(`what ${scenario.hook} must show is what it showed of the real server: ${scenario.name}`, () => {
    const states = recordedStates.get(scenario.recording);
    if (scenario.states) assert.deepEqual(scenario.states(), states);
    else assert.deepEqual(scenario.final, states.at(-1));
  });
}

await withChromium(scenarios.length * targets.length, (launch) => {
  describe("in Chromium", { concurrency: 3 }, () => {
    let browser;
    const stages = [];

    before(async () => {
      const files = await bundle();
      browser = await launch();
      for (const target of targets) stages.push(await mount(target, files, browser));
    });

    after(async () => {
      await browser?.close();
      for (const stage of stages) await stage.close();
    });

    for (const scenario of scenarios) {
      test(`${scenario.hook}: ${scenario.name}`, async (t) => {
        const seen = [];
        for (const [index, target] of targets.entries()) {
          await t.test(`on ${target.name}`, async () => seen.push(await play(scenario, stages[index])));
        }
        for (const text of seen.slice(1)) assert.equal(text, seen[0], "the document is the same");
      });
    }
  });
});

/** An emulator of its own for each target, and the page on an origin that the target asks for. */
async function mount(target, files, browser) {
  const emulator = await startEmulator({ speed: 4 });
  const { api, baseURL, close } = await target.mount(emulator);
  const page = await servePage(files, api);
  const control = new Control(emulator);
  const apiURL = baseURL ?? `${page.url}/api/trigger`;
  return {
    target,
    control,
    emulator,
    open: (hook, props, accessToken) =>
      Tab.open(browser, page.url, apiURL, { hook, auth: { accessToken, baseURL: apiURL }, ...props }),
    async close() {
      await page.close();
      await close();
      await emulator.stop();
    },
  };
}

/** The relay says beside the server's words which scope a token lacks (docs/relay-access.md): a page shows all of it. */
const withoutHint = (/** @type {string} */ text) =>
  text.replace(/,\\*"hint\\*":\\*"The access token lacks [^"\\]*\\*"/g, "");

/** Of two streams of a run either may come first, and a page shows them as they came. */
const inAnyOrder = (/** @type {string} */ text) => text.replaceAll(/,$/gm, "").split("\n").sort().join("\n");

/** Plays a scenario and holds what the page showed against it. Gives what the document said in the end. */
async function play(scenario, stage) {
  const tabs = [];
  try {
    const open = async (...asked) => {
      const tab = await stage.open(...asked);
      tabs.push(tab);
      return tab;
    };
    const tab = await scenario.play({ ...stage, open });
    const shown = JSON.parse(withoutHint(JSON.stringify(await tab.states())));
    const states = changes(shown.map((state) => without(state, scenario)));
    holds(scenario, states);
    assert.deepEqual(tab.afterwards, scenario.afterwards, "what came of it");
    assert.deepEqual(tab.console.sort(), (scenario.console ?? []).sort(), "what the console said");
    assert.deepEqual(tab.failures, [], "requests that failed");
    if (scenario.never) assert.ok(!(await tab.received()).includes(scenario.never), "what the page was sent");
    if (scenario.forget) return JSON.stringify(states.at(-1));
    const text = withoutHint(await tab.text());
    return scenario.hook.endsWith("WithStreams") ? inAnyOrder(text) : text;
  } finally {
    for (const tab of tabs) await tab.close();
  }
}

/** Asserts that these were the states, or that they were legal ones that ended as they should. */
function holds({ states: exact, from, legal, every, final }, states) {
  if (exact) {
    const start = from ? states.findIndex(from) : 0;
    assert.deepEqual(states.slice(start), exact());
  }
  if (final) assert.deepEqual(states.at(-1), final);
  if (legal) {
    const values = states.map((state) => legal.path.reduce((value, name) => value?.[name], state));
    const places = values.filter((value) => value !== undefined).map((value) => legal.order.indexOf(value));
    assert.ok(!places.includes(-1), `a value that may not be: ${values}`);
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
      `they go back: ${values}`,
    );
    if (every) assert.deepEqual([...new Set(values)], every);
  }
}

/** States without those that are as the one before. */
function changes(states) {
  return states.filter((state, index) => index === 0 || JSON.stringify(state) !== JSON.stringify(states[index - 1]));
}

/** A state without values that differ from time to time, and without those that are not compared. */
function without(state, { forget = [], hide = [] }) {
  const copy = structuredClone(state);
  for (const name of hide) delete copy[name];
  for (const [outer, inner] of forget) if (copy[outer]) delete copy[outer][inner];
  return copy;
}
