/** The client under test, in this process; the same face as `startOfficial()`. */
import { createRequire } from "node:module";
import { describe, follow, portable, subscribeTo } from "./scenario.mjs";

const require = createRequire(import.meta.url);

/** The package itself, loaded when first needed: peers are tested without it. */
export const load = () => require("../../index.js");

export const ours = {
  which: "ours",
  follow(config, spec, hooks) {
    const client = load();
    const subscribe = (target, options) => {
      client.configure(config);
      return subscribeTo(client.runs, target, options);
    };
    return follow(subscribe, spec, hooks);
  },
  async call(config, name, args) {
    const client = load();
    client.configure(config);
    const [namespace, method] = name.split(".");
    try {
      return { value: portable(await client[namespace][method](...args)), error: null, unhandled: [] };
    } catch (error) {
      return { value: undefined, error: describe(error), unhandled: [] };
    }
  },
  async close() {},
};
