// What our calls promise beyond the official SDK's: bounds, refusals at the door, typed errors.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { afterEach, describe, it } from "node:test";
import { fullRun } from "./support/calls-answers.mjs";
import { serveCalls } from "./support/calls-server.mjs";

const sdk = createRequire(import.meta.url)("../index.js");
const { auth, batch, idempotencyKeys, runs, tasks, wait } = sdk;

const KEY = "tr_dev_fakefakefakefakefakef";
const RUN = { body: { ...fullRun, id: "run_1" } };

/** A scripted server, and the configuration that calls it. */
async function serve(t, answer, more = {}) {
  const server = await serveCalls(t, answer);
  sdk.configure({ baseURL: server.url, accessToken: KEY, ...more });
  return server;
}

const quick = (retry) => ({ requestOptions: { retry: { minTimeoutInMs: 1, maxTimeoutInMs: 5, ...retry } } });

afterEach(() => sdk.configure({}));

/** Every call, with arguments that are right. */
const every = {
  "tasks.trigger": (o) => tasks.trigger("hello", {}, {}, o),
  "tasks.batchTrigger": (o) => tasks.batchTrigger("hello", [{ payload: 1 }], {}, o),
  "batch.trigger": (o) => batch.trigger([{ id: "hello" }], {}, o),
  "batch.triggerByTask": (o) => batch.triggerByTask([{ task: { id: "hello" } }], {}, o),
  "batch.retrieve": (o) => batch.retrieve("batch_1", o),
  "runs.retrieve": (o) => runs.retrieve("run_1", o),
  "runs.list": (o) => runs.list({}, o),
  "runs.cancel": (o) => runs.cancel("run_1", o),
  "runs.replay": (o) => runs.replay("run_1", {}, o),
  "runs.reschedule": (o) => runs.reschedule("run_1", { delay: "1m" }, o),
  "runs.poll": (o) => runs.poll("run_1", {}, o),
  "wait.createToken": (o) => wait.createToken({}, o),
  "wait.completeToken": (o) => wait.completeToken("waitpoint_1", {}, o),
  "wait.retrieveToken": (o) => wait.retrieveToken("waitpoint_1", o),
  "wait.listTokens": (o) => wait.listTokens({}, o),
  "idempotencyKeys.reset": (o) => idempotencyKeys.reset("hello", "k", { scope: "global" }, o),
};

describe("bounds (defect 19)", () => {
  for (const [name, call] of Object.entries(every)) {
    it(`${name} ends when its signal is aborted, before and during the call`, async (t) => {
      const reason = new Error("enough");
      const controller = new AbortController();
      const server = await serve(t, () => {
        controller.abort(reason);
        return { hang: true };
      });
      await assert.rejects(async () => call({ signal: AbortSignal.abort(reason) }), reason);
      assert.equal(server.requests.length, 0, "nothing is sent once it is aborted (defect 17)");
      await assert.rejects(async () => call({ signal: controller.signal }), reason);
      assert.equal(server.requests.length, 1);
    });

    it(`${name} ends within timeoutInMs on a server that hangs`, async (t) => {
      await serve(t, () => ({ hang: true }));
      await assert.rejects(
        async () => call({ timeoutInMs: 60 }),
        (error) => {
          const cause = error.cause ?? error;
          assert.ok(cause instanceof sdk.TimeoutError, String(error.stack));
          assert.equal(cause.code, "ERR_TIMEOUT");
          return true;
        },
      );
    });
  }

  it("a limit far off waits no longer than maxTimeoutInMs", async (t) => {
    const server = await serve(
      t,
      (_, index) =>
        index === 0
          ? { status: 429, headers: { "x-ratelimit-reset": String(Date.now() + 3_600_000) }, body: { error: "slow" } }
          : RUN,
      quick(),
    );
    assert.equal((await runs.retrieve("run_1")).id, "run_1");
    assert.equal(server.requests.length, 2);
  });

  it("a limit says in how long it resets, where the server says when", async (t) => {
    let reset;
    await serve(t, () => ({ status: 429, headers: reset, body: { error: "slow" } }), quick({ maxAttempts: 1 }));
    const waits = async (headers) => {
      reset = headers;
      const error = await runs.retrieve("run_1").catch((caught) => caught);
      assert.ok(error instanceof sdk.RateLimitError);
      return error.millisecondsUntilReset;
    };
    const hour = await waits({ "x-ratelimit-reset": String(Date.now() + 3_600_000) });
    assert.ok(hour > 3_000_000 && hour < 3_602_000, `${hour}`);
    assert.equal(await waits({ "x-ratelimit-reset": String(Date.now() - 3_600_000) }), 0);
    assert.equal(await waits({ "x-ratelimit-reset": "soon" }), undefined);
    assert.equal(await waits({}), undefined);
    assert.equal(new sdk.RateLimitError(429, undefined, undefined, undefined).millisecondsUntilReset, undefined);
  });

  it("a wait that would pass the deadline ends the call with the server's own refusal", async (t) => {
    await serve(t, () => ({ status: 503, headers: { "retry-after": "20" }, body: { error: "busy" } }));
    await assert.rejects(
      async () => runs.retrieve("run_1", { timeoutInMs: 5_000 }),
      (error) => error instanceof sdk.InternalServerError && error.message === "busy",
    );
  });

  it("one idempotency key goes with all attempts of a call, and another with the next", async (t) => {
    const server = await serve(t, (_, index) => (index % 2 ? RUN : { status: 500, body: { error: "again" } }), quick());
    await runs.retrieve("run_1");
    await runs.retrieve("run_1");
    const keys = server.requests.map(({ headers }) => headers["x-trigger-request-idempotency-key"]);
    assert.equal(keys[0], keys[1]);
    assert.equal(keys[2], keys[3]);
    assert.notEqual(keys[0], keys[2]);
  });

  it("what is not found is asked for three times, or as often as maxAttempts says", async (t) => {
    const answer = () => ({ status: 404, headers: { "x-should-retry": "true" }, body: { error: "Not found" } });
    const server = await serve(t, answer, quick());
    await assert.rejects(runs.retrieve("run_1"), sdk.NotFoundError);
    assert.equal(server.requests.length, 3);
    await assert.rejects(runs.retrieve("run_1", { retry: { maxAttempts: 5 } }), sdk.NotFoundError);
    assert.equal(server.requests.length, 8);
  });

  it("retry and extra headers of one call hold for that call", async (t) => {
    const server = await serve(t, () => ({ status: 500, body: {} }), quick({ maxAttempts: 2 }));
    await assert.rejects(runs.cancel("run_1", { retry: { maxAttempts: 3 }, additionalHeaders: { "x-team": "a" } }));
    await assert.rejects(runs.cancel("run_1"));
    const teams = server.requests.map(({ headers }) => headers["x-team"]);
    assert.deepEqual(teams, ["a", "a", "a", undefined, undefined]);
  });

  it("a run that ends without being completed ends a poll (defect 22)", async (t) => {
    const statuses = ["QUEUED", "EXPIRED"];
    const server = await serve(t, (_, index) => ({
      body: { ...fullRun, id: "run_1", status: statuses[index], isCompleted: false },
    }));
    assert.equal((await runs.poll("run_1", { pollIntervalMs: 1 })).status, "EXPIRED");
    assert.equal(server.requests.length, 2);
  });

  it("a poll is aborted while it waits", async (t) => {
    const controller = new AbortController();
    await serve(t, () => {
      setImmediate(() => controller.abort());
      return { body: { ...fullRun, status: "EXECUTING", isCompleted: false } };
    });
    await assert.rejects(runs.poll("run_1", { pollIntervalMs: 100_000 }, { signal: controller.signal }), {
      name: "AbortError",
    });
  });
});

describe("ids (defect 8)", () => {
  const withId = {
    "batch.retrieve": (id) => batch.retrieve(id),
    "runs.retrieve": (id) => runs.retrieve(id),
    "runs.cancel": (id) => runs.cancel(id),
    "runs.replay": (id) => runs.replay(id),
    "runs.reschedule": (id) => runs.reschedule(id, { delay: "1m" }),
    "runs.poll": (id) => runs.poll(id),
    "wait.completeToken": (id) => wait.completeToken(id),
    "wait.retrieveToken": (id) => wait.retrieveToken(id),
  };
  for (const [name, call] of Object.entries(withId)) {
    it(`${name} sends an id as one segment, and refuses what is none`, async (t) => {
      const server = await serve(t, () => ({ status: 400, body: { error: "no" } }));
      const bad = [
        "",
        " ",
        ".",
        "..",
        "../../../api/v1/runs?x#",
        "a/b",
        "a\\b",
        "a\nb",
        "\ud800",
        undefined,
        null,
        7,
        {},
      ];
      for (const id of [...bad, Promise.resolve({ id: "run_1" })]) {
        await assert.rejects(async () => call(id), { name: "TriggerNativeError", code: "ERR_INVALID_ID" });
      }
      assert.equal(server.requests.length, 0);
      await assert.rejects(async () => call("a b?c#d%"), sdk.BadRequestError);
      assert.ok(server.requests[0].target.includes("/a%20b%3Fc%23d%25"), server.requests[0].target);
    });
  }

  it("tasks.trigger sends any text as one segment, and refuses what no URL can hold", async (t) => {
    const server = await serve(t, () => ({ status: 400, body: { error: "no" } }));
    for (const id of ["", ".", "..", "\ud800", undefined, null, 7, {}, Promise.resolve({ id: "run_1" })]) {
      await assert.rejects(async () => tasks.trigger(id, {}), { name: "TriggerNativeError", code: "ERR_INVALID_ID" });
    }
    assert.equal(server.requests.length, 0);
    await assert.rejects(tasks.trigger("../a/b?c#d%\\", {}), sdk.BadRequestError);
    assert.ok(server.requests[0].target.includes("/tasks/..%2Fa%2Fb%3Fc%23d%25%5C/trigger"), server.requests[0].target);
  });

  it("the refusal of a missing id names the fix", async (t) => {
    await serve(t, () => RUN);
    await assert.rejects(runs.retrieve(undefined), /runs\.retrieve\(\) got undefined.*pass the id/);
    await assert.rejects(runs.retrieve(Promise.resolve("run_1")), /await is missing/);
  });

  it("a handle stands wherever an id can", async (t) => {
    const server = await serve(t, ({ path }) => (path.includes("batches") ? { status: 400, body: {} } : RUN));
    const handle = { id: "run_1", publicAccessToken: "t", isCached: false };
    for (const call of [runs.retrieve, runs.cancel, runs.replay, runs.poll]) await call(handle);
    await assert.rejects(batch.retrieve({ batchId: "batch_1", runCount: 1 }), sdk.BadRequestError);
    assert.ok(server.requests.slice(0, 4).every(({ path }) => path.includes("/run_1")));
    assert.equal(server.requests[4].path, "/api/v2/batches/batch_1");
  });
});

describe("refusals at the door", () => {
  const publicToken = (scopes) =>
    `e30.${Buffer.from(JSON.stringify({ pub: true, sub: "env_1", scopes })).toString("base64url")}.c2ln`;

  it("a public token that may not trigger is refused, naming the fix", async (t) => {
    const server = await serve(t, () => ({ status: 400, body: {} }));
    const refused = [
      undefined,
      [],
      ["read:runs"],
      ["trigger:tasks:other"],
      ["trigger:runs:hello"],
      ["batchTrigger:tasks:hello"],
    ];
    for (const scopes of refused) {
      sdk.configure({ baseURL: server.url, accessToken: publicToken(scopes) });
      await assert.rejects(tasks.trigger("hello", {}), (error) => {
        assert.equal(error.code, "ERR_MISSING_SCOPE");
        assert.match(error.message, /auth\.createTriggerPublicToken\("hello"\)/);
        return true;
      });
    }
    assert.equal(server.requests.length, 0);
    const allowed = [
      ["trigger:tasks:hello"],
      ["trigger:tasks"],
      ["*:all"],
      ["admin"],
      ["write:tasks"],
      ["read:runs", "trigger:all"],
    ];
    for (const scopes of allowed) {
      sdk.configure({ baseURL: server.url, accessToken: publicToken(scopes) });
      await assert.rejects(tasks.trigger("hello", {}), sdk.BadRequestError);
    }
    assert.equal(server.requests.length, allowed.length);
  });

  it("a public token that may not trigger a batch is refused before anything is sent", async (t) => {
    const server = await serve(t, () => ({ status: 400, body: {} }));
    for (const scope of ["read:tasks:a", "trigger:runs:a"]) {
      sdk.configure({ baseURL: server.url, accessToken: publicToken([scope]) });
      await assert.rejects(batch.trigger([{ id: "a" }]), { code: "ERR_MISSING_SCOPE" });
    }
    sdk.configure({ baseURL: server.url, accessToken: publicToken(["batchTrigger:tasks:a"]) });
    await assert.rejects(batch.trigger([{ id: "a" }, { id: "b" }]), { code: "ERR_MISSING_SCOPE" });
    assert.equal(server.requests.length, 0);
    await assert.rejects(batch.trigger([{ id: "a" }]), sdk.BatchTriggerError);
    assert.equal(server.requests.length, 1);
  });

  for (const [what, code, work] of [
    ["no key", "ERR_MISSING_ACCESS_TOKEN", () => auth.withAuth({ accessToken: "" }, () => runs.retrieve("run_1"))],
    ["an unknown request option", "ERR_INVALID_CONFIG", () => runs.retrieve("run_1", { timeout: 5 })],
    ["a timeoutInMs of 0", "ERR_INVALID_CONFIG", () => runs.retrieve("run_1", { timeoutInMs: 0 })],
    ["a queue object", "ERR_INVALID_OPTIONS", () => tasks.trigger("a", {}, { queue: { name: "q" } })],
    ["three limits", "ERR_INVALID_OPTIONS", () => tasks.trigger("a", {}, { concurrency: ["a", "b", "c"] })],
    [
      "a key with a missing part",
      "ERR_INVALID_IDEMPOTENCY_KEY",
      () => tasks.trigger("a", {}, { idempotencyKey: ["a", undefined] }),
    ],
    ["an unknown scope of a key", "ERR_INVALID_IDEMPOTENCY_KEY", () => idempotencyKeys.create("a", { scope: "task" })],
    ["a reset without its run", "ERR_INVALID_IDEMPOTENCY_KEY", () => idempotencyKeys.reset("a", "k")],
    ["items that are none", "ERR_INVALID_ITEMS", () => tasks.batchTrigger("a", { payload: 1 })],
    ["an item that is none", "ERR_INVALID_ITEM", () => tasks.batchTrigger("a", ["text"])],
    ["an item without a task", "ERR_INVALID_ID", () => batch.trigger([{ payload: 1 }])],
    ["an unknown option of a replay", "ERR_INVALID_OPTIONS", () => runs.replay("run_1", { tag: "t" })],
    ["a reschedule without a delay", "ERR_INVALID_OPTIONS", () => runs.reschedule("run_1", {})],
    ["data that is no JSON", "ERR_INVALID_ARGUMENT", () => wait.completeToken("waitpoint_1", 1n)],
    ["a date that is none", "ERR_INVALID_OPTIONS", () => runs.list({ from: new Date("never") })],
  ]) {
    it(`${what} is refused before anything is sent`, async (t) => {
      const server = await serve(t, () => RUN);
      await assert.rejects(
        async () => work(),
        (error) => {
          assert.equal(error.code, code, error.stack);
          return error instanceof sdk.TriggerNativeError;
        },
      );
      assert.equal(server.requests.length, 0);
    });
  }
});

describe("answers that are not what they should be", () => {
  for (const [what, answer, expected] of [
    ["a page of a proxy", { body: "<html>", headers: { "content-type": "text/html" } }, /no JSON.*text\/html/],
    ["JSON cut short", { body: '{"id":"run_1"' }, /no JSON/],
    ["another thing", { body: { id: 7 } }, /runs\.retrieve\(\) is not what.*id is no text/],
    ["a text", { body: '"run_1"' }, /it is no object/],
    ["null", { body: "null" }, /it is no object/],
    ["a list", { body: "[]" }, /it is no object/],
    ["a date that is none", { body: { ...fullRun, createdAt: "soon" } }, /createdAt is no date/],
    ["a date that is missing", { body: { ...fullRun, createdAt: null } }, /createdAt is no date/],
    [
      "a child without a status",
      { body: { ...fullRun, relatedRuns: { children: [{}] } } },
      /children\[0\]\.id is no text/,
    ],
  ]) {
    it(`${what} is a ProtocolError that says so`, async (t) => {
      await serve(t, () => answer);
      await assert.rejects(runs.retrieve("run_1"), (error) => {
        assert.ok(error instanceof sdk.ProtocolError);
        assert.equal(error.code, "ERR_PROTOCOL");
        assert.match(error.message, expected);
        return true;
      });
    });
  }

  it("a status of a newer server is passed through (defect 21)", async (t) => {
    await serve(t, () => ({ body: { ...fullRun, status: "DREAMING" } }));
    assert.equal((await runs.retrieve("run_1")).status, "DREAMING");
  });

  it("a wait token that ran out without saying why has an error all the same", async (t) => {
    const at = "2026-05-05T00:00:00.000Z";
    const token = {
      id: "waitpoint_1",
      url: "http://u",
      status: "TIMED_OUT",
      tags: [],
      createdAt: at,
      outputIsError: true,
    };
    await serve(t, () => ({ body: token }));
    const { error, output } = await wait.retrieveToken("waitpoint_1");
    assert.deepEqual([error.name, error.message, output], ["WaitpointTimeoutError", "", undefined]);
  });

  it("a list whose next page is the same again ends", async (t) => {
    await serve(t, () => ({ body: { data: [], pagination: { next: "c1" } } }));
    await assert.rejects(async () => {
      for await (const _ of runs.list()) assert.fail("no items");
    }, sdk.NoProgressError);
    const page = await runs.list();
    assert.throws(() => page.getPreviousPage(), { code: "ERR_NO_PAGE" });
  });

  it("a handle whose token cannot be signed names what was made", async (t) => {
    const server = await serve(t, () => ({ body: { id: "run_made" } }));
    sdk.configure({ baseURL: server.url, accessToken: "tr_dev_sk_0123456789abcdefABCDEFGH" });
    await assert.rejects(tasks.trigger("hello", {}), (error) => {
      assert.equal(error.code, "ERR_CANNOT_SIGN");
      assert.equal(error.id, "run_made");
      assert.match(error.message, /run_made.*root API key/);
      return true;
    });
  });

  it("no key and no signature of a URL is in an error", async (t) => {
    const server = await serve(t, ({ path }) =>
      path.startsWith("/api/v2/packets")
        ? { body: { presignedUrl: "http://127.0.0.1:1/x?signature=hidden", storagePath: "s" } }
        : { status: 401, body: { error: "no" } },
    );
    for (const payload of [{}, "x".repeat(200_000)]) {
      const error = await tasks.trigger("hello", payload, {}, { timeoutInMs: 400 }).catch((caught) => caught);
      const text = JSON.stringify([error, error.message, error.stack, error.cause?.message]);
      assert.ok(!text.includes(KEY) && !text.includes("hidden"), text);
    }
    assert.ok(server.requests.length > 0);
  });
});
