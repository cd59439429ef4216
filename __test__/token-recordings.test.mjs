import assert from "node:assert/strict";
import { test } from "node:test";

import { CLAIMS_PATH, isTokenCall, TOKENS_PATH } from "./support/cases.mjs";
import { freeze } from "./support/clock.mjs";
import { withRecordings } from "./support/recordings.mjs";
import {
  ADDITIONAL,
  CLAIMS,
  configureBoth,
  official,
  ours,
  outcome,
  parts,
  ROOT,
  serve,
} from "./support/token-servers.mjs";

/** Headers that are the transport's, or differ from call to call. */
const OWN = new Set([
  "host",
  "connection",
  "content-length",
  "content-type",
  "accept",
  "accept-encoding",
  "accept-language",
  "user-agent",
  "sec-fetch-mode",
  "cache-control",
  "transfer-encoding",
  "trigger-version",
  "x-trigger-request-idempotency-key",
  "date",
  "keep-alive",
  "content-encoding",
  "vary",
]);

/** Every recorded exchange with a token route, whatever recording it is in. */
function tokenCalls(recordings) {
  return recordings.flatMap(({ name, exchanges }) =>
    exchanges
      .filter((exchange) => isTokenCall(exchange) && exchange.response)
      .map(({ path, headers, response }) => ({ name, path, sent: headers, response })),
  );
}

/** The recorded answer, as a server would give it again. */
function replay({ status, headers, texts }) {
  const kept = headers.filter(
    ([key]) =>
      !["transfer-encoding", "content-encoding", "connection", "keep-alive", "content-length"].includes(
        key.toLowerCase(),
      ),
  );
  return { status, headers: Object.fromEntries(kept), body: texts.join("") };
}

/** What a user sees of an error. Codes of our own, where the server gave none, are left out. */
function shown({ returned, threw }) {
  if (!threw) return { returned };
  const { name, status, error, body, param, type, message, headers } = threw;
  const code = threw.code?.startsWith("ERR_") ? undefined : threw.code;
  const retry = headers?.["x-should-retry"];
  return { class: threw.constructor.name, name, status, error, body, code, param, type, message, retry };
}

/** What a server sees of a request. */
function seen({ method, path, headers, body }) {
  return {
    method,
    path,
    body,
    headers: Object.fromEntries(
      Object.entries(headers)
        .filter(([key]) => !OWN.has(key))
        .sort(),
    ),
  };
}

withRecordings("token answer", 4, (recordings, test) => {
  const exchanges = tokenCalls(recordings);

  test("the recordings hold the routes this file is about", () => {
    const statuses = (path) =>
      new Set(exchanges.filter((exchange) => exchange.path === path).map(({ response }) => response.status));
    assert.ok(statuses(CLAIMS_PATH).has(200) && statuses(CLAIMS_PATH).has(401));
    for (const status of [200, 400, 401, 403]) assert.ok(statuses(TOKENS_PATH).has(status), `${status}`);
  });

  test("every recorded answer to a claims request gives what it gives the official SDK", async (t) => {
    freeze(t, 1_795_339_568_000);
    for (const { name, sent, response } of exchanges.filter(({ path }) => path === CLAIMS_PATH)) {
      const { url, requests } = await serve(t, () => replay(response));
      configureBoth(t, url);
      const options = { scopes: { read: { runs: ["run_1"] } } };
      const theirs = await outcome(official.createPublicToken(options));
      const mine = await outcome(ours.createPublicToken(options));
      assert.deepEqual(shown(mine), shown(theirs), name);
      assert.equal(requests.length, 2, name);
      assert.deepEqual(seen(requests[1]), seen(requests[0]), name);
      // Ours sends the server the same as the recorded SDK; some recordings were made by hand.
      if (sent.get("x-trigger-source") !== "sdk") continue;
      for (const header of [...sent.keys()].filter((header) => header.startsWith("x-trigger-") && !OWN.has(header))) {
        assert.equal(requests[1].headers[header], sent.get(header), `${name}: ${header}`);
      }
    }
  });

  test("every recorded answer to server minting gives what it gives the official SDK", async (t) => {
    freeze(t, 1_795_339_568_000);
    for (const { name, response } of exchanges.filter(({ path }) => path === TOKENS_PATH)) {
      const { url, requests } = await serve(t, () => replay(response));
      configureBoth(t, url, ADDITIONAL);
      const options = { scopes: { read: { runs: ["run_1"] } } };
      const theirs = await outcome(official.createPublicToken(options));
      const mine = await outcome(ours.createPublicToken(options));
      assert.deepEqual(shown(mine), shown(theirs), `${name}: ${response.texts.join("")}`);
      assert.deepEqual(seen(requests[1]), seen(requests[0]), name);
    }
  });

  test("recorded tokens of the root key come out again from the same inputs", async (t) => {
    // What a real server's worker minted, by the second of its own clock.
    const minted = exchanges.filter(
      ({ path, response, sent }) =>
        path === TOKENS_PATH && response.status === 200 && sent.get("authorization") === `Bearer ${ROOT}`,
    );
    const sets = minted.map(({ response }) => JSON.parse(parts(JSON.parse(response.texts.join("")).token).payload));
    assert.ok(sets.length > 0);
    const { url } = await serve(t, () => ({ body: CLAIMS }));
    configureBoth(t, url);
    for (const claims of sets.filter(({ otu }) => !otu)) {
      const clock = freeze(t, claims.iat * 1000);
      const scopes = {};
      for (const scope of claims.scopes) {
        const [action, resource, id] = scope.split(":");
        scopes[action] = { ...scopes[action], [resource]: id ?? true };
      }
      const token = await ours.createPublicToken({ scopes, realtime: claims.realtime, expirationTime: claims.exp });
      assert.deepEqual(JSON.parse(parts(token).payload), { ...JSON.parse(CLAIMS), ...claims });
      clock.stop();
    }
  });
});

test("server minting is asked for with the official SDK's body, byte for byte", async (t) => {
  const clock = freeze(t, 1_795_339_568_500);
  const { url, requests } = await serve(t, () => ({ body: '{"token":"from.the.server"}' }));
  configureBoth(t, url, ADDITIONAL, { previewBranch: "feature" });
  const calls = [["createPublicToken", { scopes: { read: { runs: true } } }]];
  const scopes = { write: { waitpoints: ['w"\ud800'] }, read: { tags: ["é", "b"] } };
  for (const expirationTime of [
    "1h",
    "1.5 HOURS from now",
    new Date(1_795_343_168_999),
    1_795_343_168,
    1_795_343_168.25,
    undefined,
  ]) {
    for (const realtime of [undefined, {}, { skipColumns: ["payload", "output"] }]) {
      calls.push(["createPublicToken", { scopes, expirationTime, realtime }]);
      for (const multipleUse of [undefined, true, false]) {
        calls.push(["createTriggerPublicToken", ["a", "b"], { expirationTime, realtime, multipleUse }]);
        calls.push(["createBatchTriggerPublicToken", "a", { expirationTime, realtime, multipleUse }]);
      }
    }
  }
  for (const [method, ...args] of calls) {
    requests.length = 0;
    assert.equal(await official[method](...args), "from.the.server");
    assert.equal(await ours[method](...args), "from.the.server");
    assert.deepEqual(seen(requests[1]), seen(requests[0]));
  }
  // Nothing is kept of a token the server minted.
  clock.set(1_795_339_569_000);
  assert.equal(requests.length, 2);
});

test("a server too old to mint is named with the way out", async (t) => {
  const { url } = await serve(t, () => ({ status: 404, headers: { "content-type": "text/html" }, body: "<html>" }));
  configureBoth(t, url, ADDITIONAL);
  const { threw } = await outcome(ours.createTriggerPublicToken("my-task"));
  assert.deepEqual(
    [threw?.name, threw?.constructor.name, threw?.code],
    ["TriggerNativeError", "ConfigError", "ERR_SERVER_TOO_OLD"],
  );
  assert.match(threw.message, /upgrade the server, or use the environment's root API key/);
});

test("a run token lets the server mint, as an additional key does", async (t) => {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const runToken = `${encode({ alg: "RS256", typ: "run+jwt" })}.${encode({ token_use: "run" })}.c2ln`;
  const { url, requests } = await serve(t, () => ({ body: '{"token":"from.the.server"}' }));
  configureBoth(t, url, runToken);
  assert.equal(await official.createTriggerPublicToken("a"), "from.the.server");
  assert.equal(await ours.createTriggerPublicToken("a"), "from.the.server");
  assert.deepEqual(seen(requests[1]), seen(requests[0]));
});
