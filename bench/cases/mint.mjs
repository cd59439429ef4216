// Public tokens with known claims, one call after another, each for another run.

import { bars } from "../lib/chart.mjs";
import { each, load, ROOT_KEY, require, runIds } from "../lib/client.mjs";
import { startPeer } from "../lib/process.mjs";
import { figure, spread } from "../lib/stats.mjs";
import { check, table, times, verdict, withSpread } from "../lib/text.mjs";

const claimsOf = (/** @type {string} */ id) => ({ sub: "env_bench", pub: true, scopes: [`read:runs:${id}`] });

const publicToken =
  (client) =>
  async ({ url, calls }) => {
    const { auth } = load(client, url);
    const ids = runIds(calls);
    const mint = (/** @type {number} */ i) =>
      auth.createPublicToken({ scopes: { read: { runs: [ids[i]] } }, expirationTime: "1h" });
    return { micros: await each(calls, mint) };
  };

export const measure = {
  ours: publicToken("ours"),
  official: publicToken("official"),

  /** The native function as the JavaScript side calls it, with all of its arguments ready and without a promise. */
  async bare({ url, calls }) {
    const native = require("../../js/native/native.js");
    const client = native.client(url, ROOT_KEY, null, "{}");
    await native.loadClaims(client, null, null);
    const scopes = runIds(calls).map((id) => JSON.stringify([`read:runs:${id}`]));
    const mint = (/** @type {number} */ i) => native.mint(client, 0, scopes[i], null, Date.now(), Number.NaN, "1h");
    if (!/^ey.+\..+\..+$/.test(String(mint(0)))) throw new Error(`the native call mints no token: ${mint(0)}`);
    for (let i = 0; i < Math.min(calls, 2000); i++) mint(i);
    const start = performance.now();
    for (let i = 0; i < calls; i++) mint(i);
    return { micros: ((performance.now() - start) * 1000) / calls };
  },

  /** The library with which the official SDK signs once it has the claims. */
  async generateJWT({ calls }) {
    const { generateJWT } = require("@trigger.dev/core/v3/jwt");
    const ids = runIds(calls);
    const mint = (/** @type {number} */ i) =>
      generateJWT({ secretKey: ROOT_KEY, payload: claimsOf(ids[i]), expirationTime: "1h" });
    return { micros: await each(calls, mint) };
  },

  async "fast-jwt"({ calls }) {
    const { createSigner } = require("fast-jwt");
    const sign = createSigner({
      key: ROOT_KEY,
      algorithm: "HS256",
      iss: "https://id.trigger.dev",
      aud: "https://api.trigger.dev",
      expiresIn: 3_600_000,
    });
    const ids = runIds(calls);
    return { micros: await each(calls, (i) => sign(claimsOf(ids[i]))) };
  },
};

export async function run(bench) {
  const [near, far] = await Promise.all([startPeer(), startPeer(20)]);
  const calls = (/** @type {number} */ full) => bench.size(full, Math.ceil(full / 20));
  const samples = await bench.alternate({
    ours: () => bench.child("ours", { url: near.url, calls: calls(20_000) }),
    bare: () => bench.child("bare", { url: near.url, calls: calls(20_000) }),
    "fast-jwt": () => bench.child("fast-jwt", { calls: calls(10_000) }),
    generateJWT: () => bench.child("generateJWT", { calls: calls(3_000) }),
    official: () => bench.child("official", { url: near.url, calls: calls(300) }),
    far: () => bench.child("official", { url: far.url, calls: calls(40) }),
  });
  await Promise.all([near.stop(), far.stop()]);

  const ours = figure(samples.ours, "micros");
  const checks = [];
  const against = (label, name, least) => {
    const other = figure(samples[name], "micros");
    const checked = check(`minting, against ${label}`, other.median / ours.median, { least, unit: "×" });
    checks.push(checked);
    return [label, withSpread(other), withSpread(ours), checked.text, verdict(checked)];
  };
  const rows = [
    against("the SDK's signing alone (`generateJWT`, jose)", "generateJWT", 20),
    against("fast-jwt with the same claims", "fast-jwt", 5),
    against("the SDK end to end, loopback", "official", 500),
    against("the SDK end to end, 20 ms network", "far", 1_000),
  ];
  const bare = figure(samples.bare, "micros");
  const over = check("minting, over the bare native call", ours.median / bare.median, { most: 1.5, unit: "×" });
  checks.push(over);
  rows.push([
    "the bare native call, not awaited",
    withSpread(bare),
    withSpread(ours),
    times(bare.median / ours.median),
    `ours ${verdict(over)}`,
  ]);
  return {
    text: [
      table(["`createPublicToken`, claims known, against", "µs", "ours, µs", "ratio", "target"], rows),
      `Ours takes ${over.text.replace(" ×", "")} times as long as the bare call.`,
    ].join("\n\n"),
    checks,
    charts: {
      mint: {
        title: "A public token: time of one call",
        svg: bars({
          title: "A public token: time of one call",
          unit: "µs",
          series: ["median of the rounds"],
          groups: [
            ["bare native call", samples.bare],
            ["trigger-native", samples.ours],
            ["fast-jwt", samples["fast-jwt"]],
            ["SDK, signing alone", samples.generateJWT],
            ["SDK, loopback", samples.official],
            ["SDK, 20 ms network", samples.far],
          ].map(([label, list]) => ({ label, values: [spread(list.map((sample) => sample.micros)).median] })),
        }),
      },
    },
  };
}
