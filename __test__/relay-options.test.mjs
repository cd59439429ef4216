// Options that the relay refuses, and the answer of a handler without a key.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { ask, CONFIGURATION, RUN, warned } from "./support/relay-face.mjs";

describe("options of a realtime handler", () => {
  const wrong = [
    ["an unknown name", { baseUrl: "x" }, /unknown option "baseUrl".*baseURL/],
    ["no object", "x", /must be an object/],
    ["a key that a function makes", { accessToken: () => "x" }, /the secret key itself, not a function/],
    ["a key that is no text", { accessToken: 5 }, /accessToken must be a string/],
    ["a server without a scheme", { baseURL: "api.trigger.dev" }, /baseURL must be the http\(s\) URL/],
    ["a server of another scheme", { baseURL: "ftp://a.b" }, /baseURL must be the http\(s\) URL/],
    ["a base path without a slash", { basePath: "api" }, /basePath must be the path of your route/],
    ["a base path with a host", { basePath: "https://a.b/api" }, /without wildcards, query or host/],
    ["a base path with a wildcard", { basePath: "/api/*" }, /without wildcards/],
    ["a base path that climbs", { basePath: "/api/.." }, /basePath/],
    ["a base path with an encoded slash", { basePath: "/a%2Fb" }, /basePath/],
    ["a family there is not", { allow: ["runs", "all"] }, /allow has "all" in it, expected some of runs, tags/],
    ["families that are no list", { allow: "runs" }, /allow must be an array/],
    ["a limit there is not", { limits: { perToken: 5 } }, /unknown option "perToken" in limits.*viewersPerToken/],
    ["a limit of none", { limits: { viewers: 0 } }, /viewers must be a whole number above 0/],
    ["a hold of no time", { holdMs: 0 }, /holdMs must be a whole number of milliseconds/],
    ["metrics without a path", { metrics: "metrics" }, /metrics must be true/],
    ["authorize that is no function", { authorize: {} }, /authorize must be a function/],
  ];
  for (const [what, options, message] of wrong) {
    it(`refuse ${what}`, () => {
      assert.throws(() => createRealtimeHandler(options), { code: "ERR_INVALID_OPTIONS", message });
    });
  }

  it("may be missing, null or undefined", () => {
    createRealtimeHandler();
    createRealtimeHandler({ accessToken: undefined, baseURL: null, allow: undefined, basePath: "/" });
  });
});

describe("the times that the documentation names", () => {
  it("are those that hold, in its words and in the types", () => {
    const { handlerOptions } = createRequire(import.meta.url)("../js/relay/options.js");
    const { authorizeTimeoutMs, sendTimeoutMs } = handlerOptions({});
    const read = (file) => readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
    const [docs, types] = [read("docs/relay.md"), read("types/relay.d.ts")];
    assert.match(docs, new RegExp(`^\\| \`authorizeTimeoutMs\`[^|]*\\| ${authorizeTimeoutMs / 1000} s \\|`, "m"));
    assert.match(docs, new RegExp(`^\\| \`sendTimeoutMs\`[^|]*\\| ${sendTimeoutMs.toLocaleString("en")} \\|`, "m"));
    assert.match(types, new RegExp(`@default ${authorizeTimeoutMs} \\*/\\s+authorizeTimeoutMs\\?`));
    assert.match(types, new RegExp(`@default ${sendTimeoutMs} \\*/\\s+sendTimeoutMs\\?`));
  });
});

describe("a realtime handler without a key", () => {
  it("is made all the same, and says at the first request what to set, once", () => {
    const program = `
      const { createRealtimeHandler } = require("trigger-native");
      const handler = createRealtimeHandler();
      let warnings = 0;
      process.on("warning", ({ message }) => { if (message.includes("TRIGGER_SECRET_KEY")) warnings += 1; });
      (async () => {
        const answers = [];
        for (const path of ["/a", "${RUN}"]) {
          const answer = await handler(new Request("http://app.example" + path));
          answers.push([answer.status, (await answer.json()).error]);
        }
        process.env.TRIGGER_SECRET_KEY = "tr_dev_x";
        answers.push([(await handler(new Request("http://app.example/a"))).status]);
        console.log(JSON.stringify({ answers, warnings }));
      })();`;
    const env = { PATH: process.env.PATH };
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", program], { env, encoding: "utf8" });
    const { answers, warnings } = JSON.parse(stdout || stderr);
    assert.equal(answers[0][0], 500);
    assert.match(answers[0][1], /TRIGGER_SECRET_KEY/);
    assert.equal(answers[1][0], 500);
    assert.equal(answers[2][0], 404, "the key that was set since is taken");
    assert.equal(warnings, 1);
  });

  it("refuses a public token in its place", async () => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const token = `${part({ alg: "HS256" })}.${part({ pub: true })}.c2ln`;
    const handler = createRealtimeHandler({ ...CONFIGURATION, accessToken: token });
    const answers = [];
    const warnings = await warned(async () => answers.push(await ask(handler, RUN)));
    assert.equal(answers[0].status, 500);
    const { error } = await answers[0].json();
    assert.match(error, /needs a secret key/);
    assert.ok(!error.includes(token) && warnings.length === 1 && !warnings[0].includes(token));
  });

  it("is told so by listen()", async () => {
    await assert.rejects(createRealtimeHandler({ ...CONFIGURATION, baseURL: "http://a.b/?x" }).listen(), {
      code: "ERR_INVALID_BASE_URL",
    });
  });
});
