// One measurement in a process of its own: `node bench/child.mjs <client> <case> <json>`.
// Prints one line of JSON. CPU time and peak memory are the operating system's.

import { createRequire } from "node:module";

const [client, name, json = "{}"] = process.argv.slice(2);
const args = JSON.parse(json);
const require = createRequire(import.meta.url);
const KEY = "tr_dev_benchbenchbenchbench00";

const cpuMicros = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function sdk() {
  const module = client === "ours" ? require("../index.js") : require("@trigger.dev/sdk");
  if (args.url) module.configure({ baseURL: args.url, accessToken: KEY });
  return module;
}

/** Microseconds a call, calls one after another, after a warm-up. */
async function each(calls, call) {
  for (let i = 0; i < Math.min(calls, 2000); i++) await call();
  const start = performance.now();
  for (let i = 0; i < calls; i++) await call();
  return ((performance.now() - start) * 1000) / calls;
}

const options = { scopes: { read: { runs: ["run_1234567890abcdefghijklmno"] } }, expirationTime: "1h" };
const claims = { sub: "env_bench", pub: true, scopes: ["read:runs:run_1234567890abcdefghijklmno"] };

const cases = {
  /** A token with known claims, one call after another. */
  async mint() {
    if (client === "sdk-local") {
      const { generateJWT } = require("@trigger.dev/core/v3/jwt");
      return {
        micros: await each(args.calls, () => generateJWT({ secretKey: KEY, payload: claims, expirationTime: "1h" })),
      };
    }
    if (client === "fast-jwt") {
      const { createSigner } = require("fast-jwt");
      const sign = createSigner({
        key: KEY,
        algorithm: "HS256",
        iss: "https://id.trigger.dev",
        aud: "https://api.trigger.dev",
        expiresIn: 3_600_000,
      });
      return { micros: await each(args.calls, () => sign(claims)) };
    }
    const { auth } = sdk();
    return { micros: await each(args.calls, () => auth.createPublicToken(options)) };
  },

  /** From the first line of the program to the first token: import, configure, claims, sign. */
  async cold() {
    if (client === "node") return { millis: 0, rss: process.resourceUsage().maxRSS };
    const start = performance.now();
    const cpu = cpuMicros();
    await sdk().auth.createPublicToken(options);
    return {
      millis: performance.now() - start,
      cpuMillis: (cpuMicros() - cpu) / 1000,
      rss: process.resourceUsage().maxRSS,
    };
  },

  /** `feeds` live subscriptions that get `updates` updates each; CPU from all live to all ended. */
  async feeds() {
    const { runs } = sdk();
    let live = 0;
    let delivered = 0;
    let before = 0;
    let start = 0;
    let resolveLive;
    const allLive = new Promise((resolve) => (resolveLive = resolve));
    const follow = async (index) => {
      let first = true;
      for await (const run of runs.subscribeToRun(`run_${args.group}_${args.feeds}_${args.updates}_${index}`)) {
        if (first) {
          first = false;
          if (++live === args.feeds) resolveLive();
        } else {
          delivered += run.metadata.progress > 0 ? 1 : 0;
        }
      }
    };
    const all = Array.from({ length: args.feeds }, (_, index) => follow(index));
    await allLive;
    before = cpuMicros();
    start = performance.now();
    await Promise.all(all);
    const cpu = cpuMicros() - before;
    return {
      micros: cpu / delivered,
      delivered,
      expected: args.feeds * args.updates,
      seconds: (performance.now() - start) / 1000,
      rss: process.resourceUsage().maxRSS,
    };
  },
};

const result = await cases[name]();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
