import assert from "node:assert/strict";
import { test } from "node:test";

import { freeze } from "./support/clock.mjs";
import {
  CLAIMS,
  claimsServer,
  configureBoth,
  official,
  ours,
  outcome,
  parts,
  serve,
} from "./support/token-servers.mjs";

const SCOPES = { scopes: { read: { runs: ["run_1"] } } };

/** A promise and the function that fulfils it. */
function gate() {
  let open;
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

test("many first callers at once make one request, later ones none (defect 14)", async (t) => {
  const { open, opened } = gate();
  const { url, requests } = await serve(t, async () => {
    await opened;
    return { body: CLAIMS };
  });
  configureBoth(t, url);
  const all = Array.from({ length: 100 }, () => ours.createPublicToken(SCOPES));
  open();
  assert.equal((await Promise.all(all)).length, 100);
  for (let at = 0; at < 20; at++) await ours.createTriggerPublicToken("my-task");
  assert.equal(requests.length, 1);
  // Beside it, the official SDK: one request a token.
  for (let at = 0; at < 20; at++) await official.createTriggerPublicToken("my-task");
  assert.equal(requests.length, 21);
});

test("with known claims a token is minted before anything else can run", async (t) => {
  const { url } = await claimsServer(t);
  configureBoth(t, url);
  await ours.createPublicToken(SCOPES);
  const order = [];
  setImmediate(() => order.push("the next turn"));
  await ours.createPublicToken(SCOPES).then(() => order.push("token"));
  assert.deepEqual(order, ["token"]);
});

test("a failing claims request is a typed error, is not kept, and the next call succeeds", async (t) => {
  for (const [answer, name, status, code] of [
    [{ status: 401, body: '{"error":"Invalid or Missing API key"}' }, "TriggerApiError", 401],
    [{ status: 503, headers: { "x-should-retry": "false" }, body: "busy" }, "TriggerApiError", 503],
    [
      { status: 200, body: "<html>", headers: { "content-type": "text/html" } },
      "TriggerNativeError",
      undefined,
      "ERR_PROTOCOL",
    ],
    [{ status: 200, body: "[]" }, "TriggerNativeError", undefined, "ERR_PROTOCOL"],
    [{ status: 200, body: '{"pub":true}' }, "TriggerNativeError", undefined, "ERR_PROTOCOL"],
  ]) {
    const { open, opened } = gate();
    const { url, requests } = await serve(t, async (_, index) => {
      if (index > 0) return { body: CLAIMS };
      await opened;
      return answer;
    });
    configureBoth(t, url);
    const all = Array.from({ length: 10 }, () => outcome(ours.createPublicToken(SCOPES)));
    open();
    for (const { threw } of await Promise.all(all)) {
      assert.equal(threw?.name, name);
      assert.equal(threw.status, status);
      if (code) assert.equal(threw.code, code);
    }
    assert.equal(requests.length, 1, "all who waited shared the failure");
    assert.match(await ours.createPublicToken(SCOPES), /^eyJ/);
    assert.equal(requests.length, 2);
  }
});

test("claims are kept apart by base URL, key and branch", async (t) => {
  const one = await claimsServer(t, '{"sub":"one","pub":true}');
  const two = await claimsServer(t, '{"sub":"two","pub":true}');
  const sub = async (options) => {
    ours.configure(options);
    return JSON.parse(parts(await ours.createPublicToken(SCOPES)).payload).sub;
  };
  t.after(() => ours.configure({}));
  assert.equal(await sub({ baseURL: one.url, accessToken: "tr_dev_a" }), "one");
  assert.equal(await sub({ baseURL: two.url, accessToken: "tr_dev_a" }), "two");
  assert.equal(await sub({ baseURL: one.url, accessToken: "tr_dev_b" }), "one");
  assert.equal(await sub({ baseURL: one.url, accessToken: "tr_dev_a", previewBranch: "feature" }), "one");
  assert.equal(await sub({ baseURL: one.url, accessToken: "tr_dev_a" }), "one");
  assert.deepEqual(
    one.requests.map(({ headers }) => [headers.authorization, headers["x-trigger-branch"]]),
    [
      ["Bearer tr_dev_a", undefined],
      ["Bearer tr_dev_b", undefined],
      ["Bearer tr_dev_a", "feature"],
    ],
  );
  assert.equal(two.requests.length, 1);
});

test("20 one-time tokens of one second are 20 tokens (defect 2)", async (t) => {
  freeze(t, 1_795_339_568_000);
  const { url } = await claimsServer(t);
  configureBoth(t, url);
  const distinct = async (auth) => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => auth.createTriggerPublicToken("my-task")));
    return new Set(tokens).size;
  };
  assert.equal(await distinct(official), 1);
  assert.equal(await distinct(ours), 20);
  const reusable = { multipleUse: true };
  assert.equal(
    await ours.createTriggerPublicToken("my-task", reusable),
    await official.createTriggerPublicToken("my-task", reusable),
  );
});

test("an aborted signal sends nothing, and a later abort ends the wait for this caller only (defect 17)", async (t) => {
  const { open, opened } = gate();
  const { url, requests } = await serve(t, async () => {
    await opened;
    return { body: CLAIMS };
  });
  configureBoth(t, url);
  const reason = new Error("changed my mind");
  const before = await outcome(ours.createPublicToken(SCOPES, { signal: AbortSignal.abort(reason) }));
  assert.equal(before.threw, reason);
  assert.equal(requests.length, 0);
  const controller = new AbortController();
  const first = outcome(ours.createPublicToken(SCOPES, { signal: controller.signal }));
  const second = ours.createPublicToken(SCOPES);
  controller.abort(reason);
  assert.equal((await first).threw, reason);
  open();
  assert.match(await second, /^eyJ/);
  assert.equal(requests.length, 1);
});
