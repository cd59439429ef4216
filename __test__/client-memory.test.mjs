// trigger-native/client on a page that is open for long: nothing is kept of what is followed no longer, for other tabs neither.

import assert from "node:assert/strict";
import { it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { connect } from "trigger-native/client";
import { clientBrowser } from "./support/client-browser.mjs";
import { clientRelay, pass, rowOf, settle, simulate, watch } from "./support/client-relay.mjs";

it("tabs keep nothing of what they do not follow any more", async (t) => {
  simulate(t);
  const relay = clientRelay();
  const browser = clientBrowser(relay);
  const tabs = [browser.open(), browser.open()].map((tab) =>
    connect({ url: "/api/trigger" }, Object.assign(tab.page, { fetch: tab.fetch })),
  );
  t.after(() => {
    for (const tab of tabs) tab.close();
  });
  for (const tab of tabs) watch(tab.run("kept"));
  await pass(t, 100, 5);
  const see = async (tab, id) => {
    const run = watch(tab.run(id));
    await pass(t, 100, 5);
    const ask = relay.last();
    await ask.tell(["row", ask.id((want) => want.run === id), rowOf("k", id)]);
    assert.equal(run.last().state, "live");
    run.stop();
    await pass(t, 100, 5);
    relay.asks.length = 0;
    return new WeakRef(run.last().value);
  };
  const refs = [];
  for (const tab of tabs) for (let at = 0; at < 10; at++) refs.push(await see(tab, `seen_${at}`));
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const kept = () => refs.filter((ref) => ref.deref()).length;
  for (let turn = 0; turn < 20 && kept() > 1; turn++) {
    await settle();
    collect();
  }
  // The engine may keep the last one.
  assert.ok(kept() <= 1, `${kept()} of ${refs.length}`);
});
