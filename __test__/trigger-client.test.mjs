// Several keys in one process: each call uses the key it was made with, however many run at once.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { afterEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { fullRun } from "./support/calls-answers.mjs";
import { serveCalls } from "./support/calls-server.mjs";
import { claimsOf } from "./support/wire.mjs";

const sdk = createRequire(import.meta.url)("../index.js");
const { auth, runs, tasks, TriggerClient } = sdk;

const keyOf = (request) => request.headers.authorization.replace("Bearer ", "");

/** Answers with the key it was asked with as the run's id. */
async function serve(t) {
  const server = await serveCalls(t, async (request) => {
    await turn();
    const key = keyOf(request);
    if (request.path.startsWith("/realtime/")) return { hang: true };
    if (request.path.endsWith("/claims")) return { body: { sub: `env of ${key}`, pub: true } };
    if (request.path === "/api/v1/runs") {
      const after = new URLSearchParams(request.target.split("?")[1]).get("page[after]");
      const data = [{ ...fullRun, id: key, env: { id: "e", name: "n" } }];
      return { body: { data, pagination: after ? {} : { next: "c" } } };
    }
    if (request.method === "POST") return { headers: { "x-trigger-jwt": "t" }, body: { id: key } };
    return { body: { ...fullRun, id: key } };
  });
  return server;
}

afterEach(() => {
  sdk.configure({});
  delete process.env.TRIGGER_SECRET_KEY;
});

describe("TriggerClient", () => {
  it("clients with different keys work at once and never mix", async (t) => {
    const { url } = await serve(t);
    sdk.configure({ baseURL: url, accessToken: "tr_dev_process" });
    const keys = Array.from({ length: 20 }, (_, index) => `tr_dev_${index}`);
    const clients = keys.map((accessToken) => new TriggerClient({ baseURL: url, accessToken }));
    const results = await Promise.all(
      clients.flatMap((client) => [
        client.tasks.trigger("hello", {}).then(({ id }) => id),
        client.runs.retrieve("run_1").then(({ id }) => id),
        client.runs.poll("run_1").then(({ id }) => id),
        client.auth.createPublicToken({ scopes: { read: { runs: true } } }).then((token) => claimsOf(token).sub),
      ]),
    );
    assert.deepEqual(
      results,
      keys.flatMap((key) => [key, key, key, `env of ${key}`]),
    );
    assert.equal((await runs.retrieve("run_1")).id, "tr_dev_process");
  });

  it("pages fetched later come with the client's key", async (t) => {
    const { url } = await serve(t);
    sdk.configure({ baseURL: url, accessToken: "tr_dev_process" });
    const client = new TriggerClient({ baseURL: url, accessToken: "tr_dev_client" });
    const page = await client.runs.list();
    assert.equal((await page.getNextPage()).data[0].id, "tr_dev_client");
    const ids = [];
    for await (const run of client.runs.list()) ids.push(run.id);
    assert.deepEqual(ids, ["tr_dev_client", "tr_dev_client"]);
  });

  it("takes nothing of configure(), but a key from the environment", async (t) => {
    const server = await serve(t);
    sdk.configure({ baseURL: "http://127.0.0.1:1", accessToken: "tr_dev_process", previewBranch: "process" });
    const client = new TriggerClient({ baseURL: server.url });
    await assert.rejects(client.runs.retrieve("run_1"), { code: "ERR_MISSING_ACCESS_TOKEN" });
    process.env.TRIGGER_SECRET_KEY = "tr_dev_environment";
    assert.equal((await client.runs.retrieve("run_1")).id, "tr_dev_environment");
    assert.equal(server.requests[0].headers["x-trigger-branch"], undefined);
  });

  it("says where what it does not have is to be found", () => {
    const client = new TriggerClient({ accessToken: "tr_dev_a" });
    assert.deepEqual(Object.keys(client).sort(), ["auth", "batch", "runs", "tasks"]);
    assert.throws(() => client.schedules, { code: "ERR_NOT_HERE", message: /@trigger\.dev\/sdk/ });
    assert.throws(() => new TriggerClient({ accesToken: "x" }), { code: "ERR_INVALID_CONFIG" });
  });
});

describe("auth.withAuth", () => {
  it("holds across every await within, and nowhere else", async (t) => {
    const { url } = await serve(t);
    sdk.configure({ baseURL: url, accessToken: "tr_dev_process" });
    const within = (key) =>
      auth.withAuth({ accessToken: key }, async () => {
        await turn();
        const { id } = await tasks.trigger("hello", {});
        await turn();
        return [id, (await runs.retrieve("run_1")).id];
      });
    const results = await Promise.all([within("tr_dev_a"), within("tr_dev_b"), runs.retrieve("run_1")]);
    assert.deepEqual(results[0], ["tr_dev_a", "tr_dev_a"]);
    assert.deepEqual(results[1], ["tr_dev_b", "tr_dev_b"]);
    assert.equal(results[2].id, "tr_dev_process");
  });

  it("a key given takes the place of any, by either of its names, in scopes within scopes", async (t) => {
    const { url } = await serve(t);
    for (const outer of ["accessToken", "secretKey"]) {
      for (const inner of ["accessToken", "secretKey"]) {
        sdk.configure({ baseURL: url, [outer]: "tr_dev_outer" });
        const id = await auth.withAuth({ [outer]: "tr_dev_between" }, () =>
          auth.withAuth({ [inner]: "tr_dev_inner" }, async () => (await runs.retrieve("run_1")).id),
        );
        assert.equal(id, "tr_dev_inner", `${inner} over ${outer}`);
      }
    }
  });

  it("what is not given stays as it was around it", async (t) => {
    const server = await serve(t);
    sdk.configure({ baseURL: server.url, accessToken: "tr_dev_process" });
    await auth.withAuth({ previewBranch: "feature" }, () => runs.retrieve("run_1"));
    const [{ headers }] = server.requests;
    assert.equal(headers["x-trigger-branch"], "feature");
    assert.equal(headers.authorization, "Bearer tr_dev_process");
  });

  it("with a public token acts with it alone, and gives what the work gave", async (t) => {
    const server = await serve(t);
    sdk.configure({ baseURL: server.url, accessToken: "tr_dev_process" });
    const scopes = { read: { runs: ["run_1"] } };
    assert.equal(
      claimsOf(await auth.withPublicToken({ scopes }, async () => (await runs.retrieve("run_1")).id)).pub,
      true,
    );
    await auth.withTriggerPublicToken("hello", {}, () => tasks.trigger("hello", {}));
    await assert.rejects(
      auth.withTriggerPublicToken("other", undefined, () => tasks.trigger("hello", {})),
      { code: "ERR_MISSING_SCOPE" },
    );
    await auth.withBatchTriggerPublicToken("hello", {}, async () => {
      await assert.rejects(sdk.batch.trigger([{ id: "other" }]), { code: "ERR_MISSING_SCOPE" });
    });
    const acting = server.requests
      .filter(({ path }) => !path.endsWith("/claims"))
      .map((request) => claimsOf(keyOf(request)));
    assert.deepEqual(
      acting.map(({ scopes: held, otu }) => [held, otu]),
      [
        [["read:runs:run_1"], undefined],
        [["trigger:tasks:hello"], true],
      ],
    );
  });

  it("subscriptions are opened as who they were made for", { timeout: 20_000 }, async (t) => {
    const { url, requests } = await serve(t);
    sdk.configure({ baseURL: url, accessToken: "tr_dev_process" });
    const client = new TriggerClient({ baseURL: url, accessToken: "tr_dev_client" });
    const subscription = client.runs.subscribeToRun("run_1");
    const next = subscription.next();
    while (requests.length === 0) await turn();
    subscription.close();
    assert.deepEqual(await next, { done: true, value: undefined });
    assert.equal(keyOf(requests[0]), "tr_dev_client");
  });
});
