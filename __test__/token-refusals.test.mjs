import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import vm from "node:vm";

import { freeze } from "./support/clock.mjs";
import {
  ADDITIONAL,
  claimsServer,
  configureBoth,
  official,
  ours,
  outcome,
  parts,
  serve,
} from "./support/token-servers.mjs";

const NOW = 1_795_339_568_000;
const SCOPES = { read: { runs: ["run_1"] } };

/** Asserts that each `[call, code, message]` is refused, whatever the server would say. */
async function refused(calls) {
  for (const [call, code, message] of calls) {
    const { threw, returned } = await outcome(call());
    assert.equal(threw?.code, code, `${call}: ${returned ?? threw?.stack}`);
    assert.equal(threw.name, "TriggerNativeError");
    assert.match(threw.message, message, `${call}`);
  }
}

test("what cannot be meant is refused before anything is sent, with what to write", async (t) => {
  freeze(t, NOW);
  const { url, requests } = await claimsServer(t);
  configureBoth(t, url);
  const scoped = (scopes) => () => ours.createPublicToken({ scopes });
  const until = (expirationTime) => () => ours.createPublicToken({ scopes: SCOPES, expirationTime });
  const trigger =
    (...args) =>
    () =>
      ours.createTriggerPublicToken(...args);
  const batch =
    (...args) =>
    () =>
      ours.createBatchTriggerPublicToken(...args);
  await refused([
    [scoped({ admin: true }), "ERR_INVALID_SCOPES", /never get admin.*read: \{ runs/],
    [scoped({ read: true }), "ERR_INVALID_SCOPES", /scopes\.read cannot be true.*runs: \["run_1234"\]/],
    [scoped({ trigger: true }), "ERR_INVALID_SCOPES", /tasks: \["my-task"\]/],
    [scoped({ trigger: { tasks: true } }), "ERR_INVALID_SCOPES", /list the task ids/],
    [scoped({ trigger: { runs: "r" } }), "ERR_INVALID_SCOPES", /unknown resource "runs", expected one of tasks/],
    [scoped({ delete: { runs: "r" } }), "ERR_INVALID_SCOPES", /unknown action "delete"/],
    [scoped({ constructor: { runs: "r" } }), "ERR_INVALID_SCOPES", /unknown action/],
    [scoped({ read: { run: "r" } }), "ERR_INVALID_SCOPES", /unknown resource "run", expected one of tasks, tags, runs/],
    [scoped({ read: { toString: "r" } }), "ERR_INVALID_SCOPES", /unknown resource/],
    [scoped({ read: { runs: "" } }), "ERR_INVALID_SCOPES", /blank/],
    [scoped({ read: { runs: ["r", " \u2028\t"] } }), "ERR_INVALID_SCOPES", /blank/],
    [scoped({ read: { runs: [undefined] } }), "ERR_INVALID_SCOPES", /must be a string, not undefined/],
    [scoped({ read: { runs: new Array(1) } }), "ERR_INVALID_SCOPES", /must be a string/],
    [scoped({ read: { runs: 7 } }), "ERR_INVALID_SCOPES", /an id or an array of ids, not a number/],
    [scoped({ read: { runs: {} } }), "ERR_INVALID_SCOPES", /not an object/],
    [scoped({ read: { runs: { id: 7 } } }), "ERR_INVALID_SCOPES", /must be a string, not a number/],
    [scoped({ read: { runs: { id: " " } } }), "ERR_INVALID_SCOPES", /blank/],
    [scoped({ read: { runs: [Promise.resolve({ id: "r" })] } }), "ERR_INVALID_SCOPES", /not a Promise/],
    [scoped({ read: { tags: { id: "r" } } }), "ERR_INVALID_SCOPES", /not an object/],
    [scoped({ trigger: { tasks: [{ id: "r" }] } }), "ERR_INVALID_SCOPES", /not an object/],
    [scoped({ read: "runs" }), "ERR_INVALID_SCOPES", /must be an object/],
    [scoped({ read: ["runs"] }), "ERR_INVALID_SCOPES", /must be an object/],
    [scoped(["read:runs:r"]), "ERR_INVALID_SCOPES", /must be an object such as \{ read/],
    [scoped("read:runs:r"), "ERR_INVALID_SCOPES", /must be an object such as \{ read/],
    [scoped(new Map([["read", {}]])), "ERR_INVALID_SCOPES", /must be an object/],
    [until(NaN), "ERR_INVALID_EXPIRATION", /NaN.*"1h"/],
    [until(new Date(NaN)), "ERR_INVALID_EXPIRATION", /invalid Date/],
    [until(Infinity), "ERR_INVALID_EXPIRATION", /not a finite number/],
    [until(-1), "ERR_INVALID_EXPIRATION", /negative/],
    [until(0), "ERR_INVALID_EXPIRATION", /not in the future/],
    [until(NOW / 1000), "ERR_INVALID_EXPIRATION", /not in the future/],
    [until(NOW + 60_000), "ERR_INVALID_EXPIRATION", /Unix seconds, divide by 1000/],
    [until(new Date(NOW - 1)), "ERR_INVALID_EXPIRATION", /not in the future/],
    [until("5m ago"), "ERR_INVALID_EXPIRATION", /not in the future/],
    [until("99999999y"), "ERR_INVALID_EXPIRATION", /beyond the year 5138/],
    [until("0s"), "ERR_INVALID_EXPIRATION", /not in the future/],
    [until("soon"), "ERR_INVALID_EXPIRATION", /a number and a unit/],
    [until(""), "ERR_INVALID_EXPIRATION", /a number and a unit/],
    [until(true), "ERR_INVALID_EXPIRATION", /a boolean/],
    [until(10n), "ERR_INVALID_EXPIRATION", /a bigint/],
    [until({}), "ERR_INVALID_EXPIRATION", /an object/],
    [trigger(), "ERR_INVALID_TASK", /not undefined/],
    [trigger({ id: "my-task" }), "ERR_INVALID_TASK", /not an object/],
    [trigger(""), "ERR_INVALID_TASK", /pass the id of the task/],
    [trigger([]), "ERR_INVALID_TASK", /pass the id of the task/],
    [trigger("  "), "ERR_INVALID_SCOPES", /blank/],
    [batch(["a", null]), "ERR_INVALID_SCOPES", /must be a string, not null/],
    [batch("a", { multipleUse: "yes" }), "ERR_INVALID_OPTIONS", /true or false, not a string/],
    [
      trigger("a", { expiresIn: "1h" }),
      "ERR_INVALID_OPTIONS",
      /unknown option "expiresIn", expected one of expirationTime/,
    ],
    [() => ours.createPublicToken({ scope: SCOPES }), "ERR_INVALID_OPTIONS", /unknown option "scope"/],
    [() => ours.createPublicToken("1h"), "ERR_INVALID_OPTIONS", /must be an object, not a string/],
    [() => ours.createPublicToken([]), "ERR_INVALID_OPTIONS", /must be an object, not an array/],
    [() => ours.createPublicToken(new Map()), "ERR_INVALID_OPTIONS", /must be an object, not a Map/],
    [trigger("a", { realtime: new Set() }), "ERR_INVALID_OPTIONS", /realtime must be an object, not a Set/],
    [trigger("a", { realtime: ["payload"] }), "ERR_INVALID_OPTIONS", /realtime must be an object/],
    [trigger("a", { realtime: { skipColumns: "payload" } }), "ERR_INVALID_OPTIONS", /array of column names/],
    [trigger("a", { realtime: { skipColumns: ["payload", 1] } }), "ERR_INVALID_OPTIONS", /array of column names/],
    [trigger("a", { realtime: { skip: [] } }), "ERR_INVALID_OPTIONS", /skipColumns only/],
  ]);
  assert.equal(requests.length, 0);
});

test("a handle stands for its id in the scopes of a token", async (t) => {
  const { url } = await claimsServer(t);
  configureBoth(t, url);
  const run = { id: "run_1", taskIdentifier: "task" };
  const token = await ours.createPublicToken({
    scopes: {
      read: { runs: run, batch: [{ batchId: "batch_1" }, "batch_2"], waitpoints: [{ id: "waitpoint_1" }] },
      write: { inputStreams: [run] },
    },
  });
  assert.deepEqual(JSON.parse(parts(token).payload).scopes, [
    "read:runs:run_1",
    "read:batch:batch_1",
    "read:batch:batch_2",
    "read:waitpoints:waitpoint_1",
    "write:inputStreams:run_1",
  ]);
});

test("null is as good as missing, wherever an option of a token can stand", async (t) => {
  freeze(t, NOW);
  const { url } = await claimsServer(t);
  configureBoth(t, url);
  const claims = async (options) => JSON.parse(parts(await ours.createPublicToken(options, null)).payload);
  const expected = await claims({ scopes: SCOPES });
  assert.deepEqual(await claims({ scopes: SCOPES, expirationTime: null, realtime: null, more: null }), expected);
  assert.deepEqual((await claims({ scopes: SCOPES, realtime: { skipColumns: null } })).realtime, {});
});

test("each refused scope is one the official SDK signs, drops or trips over", async (t) => {
  // Why refusing is worth it: what the SDK makes of three of the mistakes above.
  const { url } = await claimsServer(t);
  configureBoth(t, url);
  const scopes = async (given) => JSON.parse(parts(await official.createPublicToken({ scopes: given })).payload).scopes;
  assert.deepEqual(await scopes({ read: { run: "r" } }), ["read:run:r"]);
  assert.deepEqual(await scopes({ read: { runs: 7 } }), []);
  assert.deepEqual(await scopes({ admin: true }), ["admin"]);
});

test("keys that are missing, malformed or cannot sign are refused, and never shown", async (t) => {
  const { url, requests } = await claimsServer(t);
  configureBoth(t, url);
  const publicToken = await ours.createPublicToken({ scopes: SCOPES });
  requests.length = 0;
  const { TRIGGER_SECRET_KEY, TRIGGER_ACCESS_TOKEN, ...rest } = process.env;
  const before = process.env;
  process.env = rest;
  t.after(() => {
    process.env = before;
  });
  for (const [options, code, message] of [
    [{}, "ERR_MISSING_ACCESS_TOKEN", /TRIGGER_SECRET_KEY/],
    [{ accessToken: "" }, "ERR_MISSING_ACCESS_TOKEN", /TRIGGER_SECRET_KEY/],
    [{ accessToken: '"tr_dev_hidden"\n' }, "ERR_INVALID_ACCESS_TOKEN", /quoted|whole/],
    [{ accessToken: publicToken }, "ERR_CANNOT_SIGN", /public token.*secret key/],
    [{ accessToken: "k", baseURL: "localhost:3030" }, "ERR_INVALID_BASE_URL", /baseURL/],
  ]) {
    ours.configure({ baseURL: url, ...options });
    for (const call of [() => ours.createPublicToken({ scopes: SCOPES }), () => ours.createTriggerPublicToken("a")]) {
      await refused([[call, code, message]]);
      const { threw } = await outcome(call());
      assert.equal(threw.constructor.name, "ConfigError");
      assert.doesNotMatch(`${threw.stack} ${JSON.stringify(threw)}`, /tr_dev_hidden|eyJhbGci/);
    }
  }
  assert.equal(requests.length, 0);
});

test("a key that needs scopes refuses a token without any, before the call", async (t) => {
  const { url, requests } = await serve(t, () => ({ body: '{"token":"t"}' }));
  configureBoth(t, url, ADDITIONAL);
  await refused([
    [() => ours.createPublicToken(), "ERR_SCOPES_REQUIRED", /at least one scope/],
    [() => ours.createPublicToken({ scopes: {} }), "ERR_SCOPES_REQUIRED", /at least one scope/],
    [() => ours.createPublicToken({ scopes: { read: { runs: [] } } }), "ERR_SCOPES_REQUIRED", /at least one scope/],
    [() => ours.createTriggerPublicToken("a", { expirationTime: "-5m" }), "ERR_INVALID_EXPIRATION", /future/],
  ]);
  assert.match((await outcome(official.createPublicToken())).threw.message, /at least one scope/);
  assert.equal(requests.length, 0);
});

test("a Date of another realm is a Date", async (t) => {
  const { url } = await claimsServer(t);
  configureBoth(t, url);
  const date = vm.runInNewContext("new Date(Date.now() + 3600000)");
  const token = await ours.createPublicToken({ scopes: SCOPES, expirationTime: date });
  assert.equal(JSON.parse(parts(token).payload).exp, Math.floor(date.getTime() / 1000));
  const options = vm.runInNewContext('({ scopes: { read: { runs: ["r"] } } })');
  assert.deepEqual(JSON.parse(parts(await ours.createPublicToken(options)).payload).scopes, ["read:runs:r"]);
});

test("a root key may mint without scopes, with one warning that says what to add", async (t) => {
  const { url } = await claimsServer(t);
  configureBoth(t, url);
  const warnings = [];
  const note = (warning) => warnings.push(warning);
  process.on("warning", note);
  t.after(() => process.off("warning", note));
  // The warning is one a process, and this file's other tests never mint a scopeless token.
  const first = once(process, "warning");
  for (const options of [undefined, null, {}, { scopes: {} }, { scopes: { read: { runs: [] } } }]) {
    const theirs = JSON.parse(parts(await official.createPublicToken(options)).payload);
    const mine = JSON.parse(parts(await ours.createPublicToken(options)).payload);
    assert.deepEqual(mine.scopes, theirs.scopes);
  }
  const [warning] = await first;
  // Warnings come a turn later: after one more turn all have come.
  await new Promise(setImmediate);
  const ownWarnings = warnings.filter(({ code }) => code === "TRIGGER_NATIVE_NO_SCOPES");
  assert.deepEqual(ownWarnings.length, 1);
  assert.match(ownWarnings[0].message, /scopes: \{ read/);
  assert.ok(warning);
});
