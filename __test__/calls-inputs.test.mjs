// What our calls do with what a program gives them by mistake, or in an unusual form.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { afterEach, describe, it } from "node:test";
import { SuperJSON } from "superjson";
import { serveCalls } from "./support/calls-server.mjs";

const sdk = createRequire(import.meta.url)("../index.js");
const { auth, idempotencyKeys, runs, tasks, TriggerClient } = sdk;

const PROCESS = "tr_dev_processprocess";
const TENANT = "tr_dev_tenanttenant";

/** A server that takes every trigger, and the process's configuration that calls it. */
async function serve(t, answer = () => ({ body: { id: "run_1" } })) {
  const server = await serveCalls(t, answer);
  const retry = { minTimeoutInMs: 1, maxTimeoutInMs: 5 };
  sdk.configure({ baseURL: server.url, accessToken: PROCESS, requestOptions: { retry } });
  return server;
}

const keysOf = (server) => server.requests.map(({ headers }) => headers.authorization.slice("Bearer ".length));
const optionsOf = (server) => JSON.parse(server.requests.at(-1).body).options;

afterEach(() => sdk.configure({}));

describe("the life of a handle's token", () => {
  const REFUSED = ["soon", "", "1h ago", 0, Number.NaN, 1e13, new Date(Number.NaN), new Date(0), true, 10n, {}, ["1h"]];

  it("is refused before anything is triggered, where no token could have it", async (t) => {
    const server = await serve(t);
    for (const expirationTime of REFUSED) {
      const options = { publicAccessToken: { expirationTime } };
      const expected = { code: /^ERR_INVALID_EXPIRATION$/, message: /pass a/ };
      await assert.rejects(tasks.trigger("hello", {}, {}, options), expected);
      await assert.rejects(tasks.batchTrigger("hello", [{ payload: 1 }], {}, options), expected);
    }
    const misspelt = { publicAccessToken: { expiresIn: "1h" } };
    await assert.rejects(tasks.trigger("hello", {}, {}, misspelt), { code: "ERR_INVALID_CONFIG" });
    assert.equal(server.requests.length, 0, "what was triggered would be lost with its token");
  });

  it("is what the caller says", async (t) => {
    await serve(t);
    const now = Math.floor(Date.now() / 1000);
    const date = new Date((now + 600) * 1000);
    for (const [expirationTime, life] of [
      ["2h", 7200],
      [now + 90, 90],
      [date, 600],
      [undefined, 3600],
    ]) {
      const handle = await tasks.trigger("hello", {}, {}, { publicAccessToken: { expirationTime } });
      const { exp } = JSON.parse(Buffer.from(handle.publicAccessToken.split(".")[1], "base64url"));
      assert.ok(Math.abs(exp - now - life) <= 5, `${life}: ${exp - now}`);
    }
  });
});

describe("a configuration", () => {
  const lost = [
    Promise.resolve({ accessToken: TENANT }),
    new Map([["accessToken", TENANT]]),
    new Date(),
    new Error("none"),
  ];

  it("that holds nothing of its own, as a promise that nobody awaited, never leaves the process's key in force", async (t) => {
    const server = await serve(t);
    for (const configuration of lost) {
      const wanted = { code: "ERR_INVALID_CONFIG", message: /must be an object, not an? (Promise|Map|Date|Error)/ };
      await assert.rejects(
        auth.withAuth(configuration, () => tasks.trigger("hello", {})),
        wanted,
      );
      await assert.rejects(tasks.trigger("hello", {}, {}, { clientConfig: configuration }), wanted);
      assert.throws(() => new TriggerClient(configuration), wanted);
      assert.throws(() => sdk.configure(configuration), wanted);
    }
    await assert.rejects(
      auth.withAuth(lost[0], () => 1),
      /an await is missing/,
    );
    assert.equal(server.requests.length, 0);
  });

  it("holds as well where a class or another object has its values", async (t) => {
    const server = await serve(t);
    class Tenant {
      get accessToken() {
        return TENANT;
      }
      unrelated() {}
    }
    for (const configuration of [new Tenant(), Object.create({ accessToken: TENANT })]) {
      await auth.withAuth(configuration, () => tasks.trigger("hello", {}));
      await tasks.trigger("hello", {}, {}, { clientConfig: configuration });
      await new TriggerClient(Object.assign(configuration, { baseURL: server.url })).tasks.trigger("hello", {});
    }
    assert.deepEqual(keysOf(server), Array(6).fill(TENANT));
  });

  it("takes nothing of what was put on every object", async (t) => {
    const server = await serve(t);
    Object.prototype.accessToken = TENANT;
    try {
      await auth.withAuth({}, () => tasks.trigger("hello", {}));
    } finally {
      delete Object.prototype.accessToken;
    }
    assert.deepEqual(keysOf(server), [PROCESS]);
  });

  it("is refused with headers that are no plain object, which would be sent as none", async (t) => {
    const server = await serve(t);
    for (const additionalHeaders of [new Headers({ "x-team": "a" }), new Map([["x-team", "a"]]), ["x-team"]]) {
      await assert.rejects(
        tasks.trigger("hello", {}, {}, { additionalHeaders }),
        /additionalHeaders must be an object/,
      );
    }
    const lone = { additionalHeaders: { "x-team": "\ud800" } };
    await assert.rejects(tasks.trigger("hello", {}, {}, lone), /"x-team" holds an unpaired surrogate/);
    assert.equal(server.requests.length, 0);
  });

  it("takes fractions and endless numbers for retries, and names what is negative", async (t) => {
    const server = await serve(t, (_, index) => (index < 2 ? { status: 503 } : { body: { id: "run_1" } }));
    const retry = { maxAttempts: Number.POSITIVE_INFINITY, minTimeoutInMs: 0.6, maxTimeoutInMs: 1e300 };
    await tasks.trigger("hello", {}, {}, { retry });
    assert.equal(server.requests.length, 3);
    await assert.rejects(tasks.trigger("hello", {}, {}, { retry: { maxAttempts: -1 } }), /"maxAttempts" must not be/);
  });

  it("needs work to hold for", async () => {
    await assert.rejects(auth.withAuth({}, undefined), {
      code: "ERR_INVALID_ARGUMENT",
      message: /undefined instead of/,
    });
  });
});

it("the options of a trigger hold where a class or another object has them, as in the official SDK", async (t) => {
  const server = await serve(t);
  class Options {
    get tags() {
      return ["a"];
    }
  }
  for (const options of [new Options(), Object.create({ tags: ["a"] })]) {
    await tasks.trigger("hello", {}, options);
    assert.deepEqual(optionsOf(server).tags, ["a"]);
  }
});

it("a trigger whose answer breaks off is made again, as the same request", async (t) => {
  const server = await serve(t, (_, index) =>
    index === 0 ? { headers: { "content-length": "100" }, body: '{"id":', reset: "after" } : { body: { id: "run_1" } },
  );
  assert.equal((await tasks.trigger("hello", {})).id, "run_1");
  const keys = server.requests.map(({ headers }) => headers["x-trigger-request-idempotency-key"]);
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
});

it("what throws no error while it is serialized is refused by the name of the call", async (t) => {
  const server = await serve(t);
  for (const thrown of [null, undefined, 7, Object.create(null)]) {
    const value = {
      toJSON() {
        throw thrown;
      },
    };
    await assert.rejects(tasks.trigger("hello", value), {
      code: "ERR_INVALID_PAYLOAD",
      message: /^tasks\.trigger\(\)/,
    });
    const tagged = tasks.trigger("hello", {}, { tags: value });
    await assert.rejects(tagged, { code: "ERR_INVALID_ARGUMENT", message: /^tasks\.trigger\(\)/ });
  }
  assert.equal(server.requests.length, 0);
});

it("overrides of a replay that are no object are refused", async (t) => {
  const server = await serve(t);
  for (const overrides of [new Date(), 5, () => {}, new Map()]) {
    await assert.rejects(async () => runs.replay("run_1", overrides), /overrides must be an object, not/);
  }
  assert.equal(server.requests.length, 0);
  // The official client fails of null.
  for (const none of [undefined, null]) await runs.replay("run_1", none);
  assert.deepEqual(
    server.requests.map(({ body }) => body ?? ""),
    ["", ""],
  );
});

it("a source of items that fails to close hides no error", async (t) => {
  await serve(t);
  const source = {
    [Symbol.iterator]: () => ({
      next: () => ({ done: false, value: 5 }),
      return() {
        throw new Error("of the source");
      },
    }),
  };
  await assert.rejects(tasks.batchTrigger("hello", source), { code: "ERR_INVALID_ITEM" });
});

it("what idempotency keys were made of is remembered up to 4 MiB in all, the latest", async (t) => {
  const server = await serve(t);
  const short = await idempotencyKeys.create("short");
  await tasks.trigger("hello", {}, { idempotencyKey: short });
  assert.equal(optionsOf(server).idempotencyKeyOptions.key, "short");
  const long = [];
  for (const letter of "abcd") long.push(await idempotencyKeys.create(letter.repeat(1024 * 1024)));
  await tasks.trigger("hello", {}, { idempotencyKey: short });
  assert.equal(optionsOf(server).idempotencyKeyOptions, undefined);
  await tasks.trigger("hello", {}, { idempotencyKey: long.at(-1) });
  assert.equal(optionsOf(server).idempotencyKeyOptions.key.length, 1024 * 1024);
});

it("data with names that are dangerous to set arrives, as it does from the official SDK", async (t) => {
  const server = await serve(t);
  const results = JSON.parse(
    '{ "constructor": "McLaren", "laps": [{ "prototype": 1 }], "__proto__": { "admin": true } }',
  );
  await tasks.trigger("hello", results);
  const { payload, options } = JSON.parse(server.requests.at(-1).body);
  assert.equal(options.payloadType, "application/super+json");
  assert.equal(payload, JSON.stringify({ json: results }));
  // As a task reads it.
  assert.deepEqual(Object.keys(new SuperJSON().parse(payload)), ["constructor", "laps", "__proto__"]);
});

it("a handle that cannot be made names what was made all the same", async (t) => {
  await serve(t, () => ({ headers: { "x-trigger-jwt-claims": "[1]" }, body: { id: "run_1" } }));
  const expected = { code: "ERR_PROTOCOL", id: "run_1", message: /^tasks\.trigger\(\) made run_1, but/ };
  await assert.rejects(tasks.trigger("hello", {}), expected);
});
