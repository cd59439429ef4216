// Where scenarios are played: an emulator, a target before it, a page, and what is held against what the page showed.

import assert from "node:assert/strict";
import { startEmulator } from "trigger-native/emulator";

import { Control } from "./control.mjs";
import { servePage } from "./page-server.mjs";
import { Tab } from "./tab.mjs";

/** An emulator of its own for each target, and the page on an origin that the target asks for. `isNative`: with our hooks. */
export async function mount(target, files, browser, { isNative = false } = {}) {
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
      Tab.open(browser, page.url, apiURL, { hook, auth: { accessToken, baseURL: apiURL }, ...props }, isNative),
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

/** Plays a scenario and holds what the page showed against it. Gives what the document said in the end, and its calls. */
export async function play(scenario, stage) {
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
    return { text: await documentOf(tab, scenario, states), calls: await tab.calls() };
  } finally {
    for (const tab of tabs) await tab.close();
  }
}

/** What the document of a page says, without what is another each time. */
async function documentOf(tab, { forget, hook }, states) {
  if (forget) return JSON.stringify(states.at(-1));
  const text = withoutHint(await tab.text());
  return hook.endsWith("WithStreams") ? inAnyOrder(text) : text;
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
