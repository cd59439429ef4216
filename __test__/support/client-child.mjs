/**
 * The child's side of `client.mjs`: loads one client and does what the parent asks over IPC.
 * An unhandled rejection is a finding and is reported, not a reason to die; a crash is seen by the
 * parent as an exit.
 */
import { createRequire } from "node:module";
import { describe, follow, portable, subscribeTo } from "./scenario.mjs";

const require = createRequire(import.meta.url);
const client = require(process.argv[2] === "official" ? "@trigger.dev/sdk" : "../../index.js");

/** Running scenarios, which receive unhandled rejections and stops. */
const underWay = new Map();
process.on("unhandledRejection", (reason) => {
  const { message } = describe(reason);
  for (const scenario of underWay.values()) scenario.unhandled.push(message);
});

/** Both clients are configured globally: configuring and starting a call must not be interleaved. */
let turn = Promise.resolve();
function inTurn(work) {
  const mine = turn.then(work);
  turn = mine.catch(() => {});
  return mine;
}

const operations = {
  async follow(id, message, scenario) {
    const subscribe = (target, options) => {
      client.configure(message.config);
      return subscribeTo(client.runs, target, options);
    };
    const onItem = (count) => process.send({ id, type: "item", count });
    // Waits for calls under way, then needs no turn: subscribing is synchronous.
    await turn;
    return follow(subscribe, message.spec, { onItem, stop: scenario.stop });
  },
  call(_id, message) {
    return inTurn(async () => {
      client.configure(message.config);
      let target = client;
      const names = message.call.split(".");
      for (const name of names.slice(0, -1)) target = target[name];
      try {
        return { value: portable(await target[names.at(-1)](...message.args)), error: null };
      } catch (error) {
        return { value: undefined, error: describe(error) };
      }
    });
  },
};

process.on("message", async (message) => {
  const { id, op } = message;
  if (op === "stop") {
    underWay.get(id)?.resolve();
    return;
  }
  const scenario = { unhandled: [] };
  scenario.stop = new Promise((resolve) => {
    scenario.resolve = resolve;
  });
  underWay.set(id, scenario);
  const result = await operations[op](id, message, scenario);
  // A rejection is called unhandled only a turn later.
  await new Promise((resolve) => setTimeout(resolve, 5));
  underWay.delete(id);
  process.send({ id, type: "result", result: { ...result, unhandled: scenario.unhandled } });
});
process.on("disconnect", () => process.exit(0));
process.send({ type: "ready" });
