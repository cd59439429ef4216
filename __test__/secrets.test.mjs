// What can be emitted under every failure: no key and no token is in it, in no form.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { FORMS, PLACES, startHostileEcho } from "./support/hostile-echo.mjs";
import { emittedBy, leaksIn } from "./support/secrets.mjs";
import { KEY, SECRETS, search, TOKEN } from "./support/secrets-given.mjs";

/** The environment in which every line is logged. */
const LOUD = { TRIGGER_NATIVE_LOG: "debug" };

test("a search finds a secret in each form that it knows, and nothing else", () => {
  for (const [form, write] of Object.entries(FORMS)) {
    if (form === "in capitals") continue;
    for (const [name, secret] of Object.entries(SECRETS)) {
      assert.ok(
        leaksIn(`before ${write(secret)} behind`, SECRETS).some((leak) => leak.startsWith(name)),
        `${name}, ${form}`,
      );
    }
  }
  assert.deepEqual(leaksIn("tr_dev_ eyJhbGciOiJIUzI1NiJ9 (secret) run_1234567890", SECRETS), []);
});

/** Each call that sends the key or a token, by what an app would write. */
const CALLS = `
  const sdk = require("trigger-native");
  const { auth, runs, streams, tasks, wait, createRealtimeHandler, configure } = sdk;
  const token = process.env.GIVEN_TOKEN;
  const first = async (given) => { for await (const one of await given) return one; };
  const retry = { maxElapsedMs: 1, maxAttempts: 1 };
  const within = (url, accessToken, call) => auth.withAuth({ accessToken, baseURL: url }, call);
  const OWN = {
    retrieve: () => runs.retrieve("run_1"),
    list: async () => first(runs.list()),
    trigger: () => tasks.trigger("a", { a: 1 }),
    batch: () => tasks.batchTrigger("a", [{ payload: 1 }]),
    mint: () => auth.createPublicToken({ scopes: { read: { runs: ["run_1"] } } }),
    follow: () => first(runs.subscribeToRun("run_1", { retry })),
    tag: () => first(runs.subscribeToRunsWithTag("x", undefined, { retry })),
    stream: async () => first(streams.read("run_1", "k", { timeoutInSeconds: 1, retry })),
  };
  const CALLS = Object.fromEntries(Object.entries(OWN).map(([name, call]) => [name, (url) => within(url, accessToken, call)]));
  for (const name of ["retrieve", "follow", "stream", "trigger"]) {
    CALLS[name + " with a token"] = (url) => within(url, token, OWN[name]);
  }
  async function relayed(baseURL, what) {
    const handler = createRealtimeHandler({ accessToken, baseURL });
    const soon = (given) => Promise.race([given, new Promise((resolve) => setTimeout(resolve, 1500, "(waits)"))]);
    const asked = [token, accessToken, token.slice(0, -4)].flatMap((bearer) =>
      ["/realtime/v1/runs/run_1?offset=-1", "/realtime/v1/runs?tags=x", "/realtime/v1/streams/run_1/k"].map(async (path) => {
        const answer = await soon(handler(new Request("http://app.example" + path, { headers: { authorization: "Bearer " + bearer } })));
        const body = answer.status ? await soon(answer.text().catch(String)) : answer;
        tell(what + ", the relay at " + path, answer.status ? [answer.status, ...answer.headers, body] : answer);
      }),
    );
    await Promise.all(asked);
    tell(what + ", stats", handler.stats());
    await handler.close();
  }
  process.on("warning", (warning) => tell("a warning", warning));
`;

describe("a server that sends back what it was sent", () => {
  /** @type {Awaited<ReturnType<typeof startHostileEcho>>} */
  let server;
  before(async () => {
    server = await startHostileEcho();
  });
  after(() => server?.stop());

  for (const [at, place] of Object.keys(PLACES).entries()) {
    test(`reveals no key and no token by ${place}`, { timeout: 120_000 }, async (t) => {
      const source = `${CALLS}
        (async () => {
          const lines = [];
          const logger = Object.fromEntries(["debug", "info", "warn", "error"].map((level) => [level, (...line) => tell("a log line", line)]));
          configure({ accessToken, baseURL, logger, requestOptions: { retry: { maxAttempts: 1 } } });
          const forms = ${JSON.stringify(Object.keys(FORMS))};
          await Promise.all(forms.map(async (form, number) => {
            const url = baseURL + "/${at}/" + number;
            await Promise.all(Object.entries(CALLS).map(async ([name, call]) => {
              try {
                const waits = new Promise((resolve) => setTimeout(resolve, 2000, "(waits)"));
                tell(name + ", " + form, await Promise.race([call(url), waits]));
              } catch (error) {
                tell(name + ", " + form, error);
              }
            }));
            await relayed(url, form);
          }));
          process.stdout.write("", () => process.exit(0));
        })();`;
      const options = {
        baseURL: server.url,
        accessToken: KEY,
        timeoutMs: 100_000,
        env: { ...LOUD, GIVEN_TOKEN: TOKEN },
      };
      const { emitted, hung, code } = await emittedBy(source, options);
      assert.ok(!hung && code === 0, `it ended: ${code} ${JSON.stringify(emitted.slice(-3))}`);
      search(t, emitted, 501);
    });
  }
});
