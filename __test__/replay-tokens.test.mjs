/**
 * Tokens and handles on recorded answers: claims, server-minted tokens, and a trigger's handle, whose
 * token then follows its run.
 */
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { CLAIMS_PATH, runFeedCases, TOKENS_PATH } from "./support/cases.mjs";
import { startOfficial } from "./support/client.mjs";
import { ours } from "./support/ours.mjs";
import { withRecordings } from "./support/recordings.mjs";
import { startReplay } from "./support/replay-server.mjs";

let official;
before(async () => {
  official = await startOfficial();
});
after(() => official.close());

const bearer = (exchange) => (exchange.headers.get("authorization") ?? "").replace(/^Bearer /, "");

/** `["read:runs:a", "write:tags"]` as the options that ask for it. */
function scopesOf(list) {
  const scopes = {};
  for (const scope of list) {
    const [action, type, ...id] = scope.split(":");
    scopes[action] ??= {};
    const kinds = scopes[action];
    if (id.length === 0) kinds[type] = true;
    else kinds[type] = [...(Array.isArray(kinds[type]) ? kinds[type] : []), id.join(":")];
  }
  return scopes;
}

/** The call that sends such a body. A recorded point in time is past: one ahead takes its place. */
function callOf({ scopes, expirationTime, realtime, oneTimeUse }) {
  const options = {};
  if (realtime !== undefined) options.realtime = realtime;
  if (typeof expirationTime === "number") options.expirationTime = Math.floor(Date.now() / 1000) + 3600;
  else if (expirationTime !== undefined) options.expirationTime = expirationTime;
  if (!oneTimeUse) return { call: "auth.createPublicToken", args: [{ scopes: scopesOf(scopes), ...options }] };
  const batch = scopes[0].startsWith("batchTrigger:");
  const tasks = scopes.map((scope) => scope.split(":").slice(2).join(":"));
  return {
    call: batch ? "auth.createBatchTriggerPublicToken" : "auth.createTriggerPublicToken",
    args: [tasks, options],
  };
}

/** A replay of nothing but the given exchanges. */
async function withReplay(exchanges, body) {
  const server = await startReplay({ exchanges: [], others: exchanges }, { chunks: "byte" });
  try {
    return await body(server);
  } finally {
    await server.stop();
  }
}

function claims(token) {
  const [header, payload] = token.split(".").map((part) => Buffer.from(part, "base64url").toString());
  const { iat, exp, ...rest } = JSON.parse(payload);
  return { header, order: Object.keys(JSON.parse(payload)), life: exp - iat, rest };
}

withRecordings("token", 32, (recordings, test) => {
  const claimed = recordings.flatMap(({ name, exchanges }) =>
    exchanges
      .filter(({ path, response }) => path === CLAIMS_PATH && response?.status === 200)
      .map((exchange) => ({ name, exchange })),
  );
  describe("a public token signed from recorded claims is the official one", { concurrency: 4 }, () => {
    // One of each answer: what differs between the others is the time.
    const distinct = new Map(claimed.map((each) => [each.exchange.response.texts.join(""), each]));
    test("claims were recorded", () => assert.ok(distinct.size > 0));
    for (const { name, exchange } of distinct.values()) {
      test(`${name} #${exchange.n}`, () =>
        withReplay([exchange], async (server) => {
          const config = { baseURL: server.url, accessToken: bearer(exchange) };
          const options = {
            scopes: { read: { runs: ["run_1"], tags: true }, write: { waitpoints: "w" } },
            expirationTime: "1h",
          };
          const theirs = await official.call(config, "auth.createPublicToken", [options]);
          const mine = await ours.call(config, "auth.createPublicToken", [options]);
          assert.equal(mine.error, null);
          assert.deepEqual(claims(mine.value), claims(theirs.value));
        }));
    }
  });

  describe("a refused claims request is the official error", { concurrency: 4 }, () => {
    const refused = recordings.flatMap(({ name, exchanges }) =>
      exchanges
        .filter(({ path, response }) => path === CLAIMS_PATH && response?.status >= 400 && response.status < 500)
        // Only secret keys sign: with anything else we do not ask (docs/server-protocol.md 2).
        .filter((exchange) => bearer(exchange) === "" || /^tr_(dev|stg|prod|preview)_/.test(bearer(exchange)))
        .map((exchange) => ({ name, exchange })),
    );
    for (const { name, exchange } of refused) {
      test(`${name} #${exchange.n}: ${exchange.response.status}`, () =>
        withReplay([exchange], async (server) => {
          const config = { baseURL: server.url, accessToken: bearer(exchange) || "tr_dev_nokeywasrecordedhere" };
          const args = [{ scopes: { read: { runs: true } } }];
          const theirs = await official.call(config, "auth.createPublicToken", args);
          const mine = await ours.call(config, "auth.createPublicToken", args);
          assert.ok(theirs.error);
          const { name: errorName, className, status, message } = mine.error;
          assert.deepEqual(
            { errorName, className, status, message },
            {
              errorName: theirs.error.name,
              className: theirs.error.className,
              status: theirs.error.status,
              message: theirs.error.message,
            },
          );
        }));
    }
  });

  describe("a key that cannot sign gets its tokens from the server, as the official client does", {
    concurrency: 4,
  }, () => {
    const minted = recordings.flatMap(({ name, exchanges }) =>
      exchanges
        .filter(({ path, response, headers }) => path === TOKENS_PATH && response && headers.has("trigger-version"))
        // Raw requests with odd bodies are no call of a client: those go without its version.
        .map((exchange) => ({ name, exchange })),
    );
    for (const { name, exchange } of minted) {
      test(`${name} #${exchange.n}: ${exchange.response.status}`, () =>
        withReplay([exchange], async (server) => {
          const config = { baseURL: server.url, accessToken: bearer(exchange) };
          const { call, args } = callOf(JSON.parse(exchange.requestBody));
          const theirs = await official.call(config, call, args);
          const theirBody = JSON.parse(server.received.at(-1).body);
          const mine = await ours.call(config, call, args);
          // What a server is sure to refuse may be refused before it is asked.
          if (mine.error?.className === "ArgumentError" && exchange.response.status === 400) return;
          assert.equal(mine.value, theirs.value);
          assert.deepEqual(
            [mine.error?.className, mine.error?.status],
            [theirs.error?.className, theirs.error?.status],
          );
          assert.equal(server.received.length, 2, "one request each");
          assert.deepEqual(JSON.parse(server.received.at(-1).body), theirBody);
        }));
    }
  });

  describe("a trigger's handle is followed with its own token", { concurrency: 4 }, () => {
    for (const recording of recordings) {
      const triggers = recording.exchanges.filter(
        ({ method, path, response }) =>
          method === "POST" && /\/tasks\/[^/]+\/trigger$/.test(path) && response?.status === 200,
      );
      for (const feedCase of runFeedCases(recording)) {
        const trigger = triggers.find(({ response }) => JSON.parse(response.texts.join("")).id === feedCase.runId);
        const jwt = trigger?.response.headers.find(([name]) => name.toLowerCase() === "x-trigger-jwt")?.[1];
        if (!jwt) continue;
        test(feedCase.name, async () => {
          const server = await startReplay({ ...feedCase, others: [trigger] });
          try {
            const task = decodeURIComponent(trigger.path.split("/").at(-2));
            const config = { baseURL: server.url, accessToken: bearer(trigger) };
            const { value: handle } = await official.call(config, "tasks.trigger", [task, {}]);
            assert.equal(handle.publicAccessToken, jwt);
            const spec = { target: handle, options: {}, timeoutMs: 10_000 };
            const mine = await ours.follow({ ...config, accessToken: jwt }, spec, {
              stop: server.settled({ ms: 300 }),
            });
            assert.ok(mine.items.length > 0);
            assert.ok(mine.items.every((run) => run.id === handle.id));
            const feed = server.received.filter(({ url }) => url.startsWith("/realtime/"));
            for (const { headers } of feed) assert.equal(headers.authorization, `Bearer ${jwt}`);
          } finally {
            await server.stop();
          }
        });
      }
    }
  });
});
