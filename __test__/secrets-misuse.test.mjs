// A key, a token or a password in a place that is not for one, and the ends of a process: what is said shows none of them.

import assert from "node:assert/strict";
import { once } from "node:events";
import https from "node:https";
import { test } from "node:test";

import { startEmulator } from "trigger-native/emulator";
import { selfSigned } from "./support/certificate.mjs";
import { startHostileEcho } from "./support/hostile-echo.mjs";
import { emittedBy } from "./support/secrets.mjs";
import { KEY, PASSWORD, search, TOKEN } from "./support/secrets-given.mjs";

const ENV = { TRIGGER_NATIVE_LOG: "debug", GIVEN_TOKEN: TOKEN, GIVEN_PASSWORD: PASSWORD };

/** Searches what a program emitted that ended. */
function searchEnded(t, { emitted, hung }, least = 1) {
  assert.ok(!hung, "it ended");
  search(t, emitted, least);
}

/** Every function, with a secret in the place of each argument and of each option, alone, within lists and as a name. */
const MISUSES = `
  const sdk = require("trigger-native");
  const { startEmulator } = require("trigger-native/emulator");
  const [token, password] = [process.env.GIVEN_TOKEN, process.env.GIVEN_PASSWORD];
  const { configure, auth, runs, streams, tasks, batch, wait, createRealtimeHandler } = sdk;
  const OPTIONS = {
    configure: ["accessToken", "secretKey", "baseURL", "previewBranch", "requestOptions", "logger", "retry"],
    createRealtimeHandler: ["accessToken", "baseURL", "basePath", "authorize", "allowOrigins", "allow", "limits", "keepMs", "metrics"],
    createPublicToken: ["scopes", "expirationTime", "realtime"],
    subscribe: ["skipColumns", "signal", "stopOnCompletion", "retry", "createdAt", "onNotice"],
    startEmulator: ["secretKey", "port", "host", "faults", "tasks", "environmentId", "additionalKeys", "environments", "memoryMs"],
    trigger: ["tags", "queue", "delay", "idempotencyKey", "ttl", "machine", "priority", "concurrencyKey"],
  };
  const shapes = (secret) => [secret, [secret], { [secret]: secret }, { id: secret }, [{ [secret]: 1 }], new Error(secret), () => secret, Symbol(secret)];
  const first = async (given) => { for await (const one of await given) return one; };
  const client = () => configure({ accessToken, baseURL });
  const PLACES = {
    "runs.retrieve": (given) => runs.retrieve(given),
    "runs.list": (given) => first(runs.list({ [typeof given === "string" ? given : "tag"]: given })),
    "runs.cancel": (given) => runs.cancel(given),
    "subscribeToRun": (given) => first(runs.subscribeToRun(given)),
    "subscribeToRunsWithTag": (given) => first(runs.subscribeToRunsWithTag(given)),
    "subscribeToBatch": (given) => first(runs.subscribeToBatch(given)),
    "streams.read": (given) => first(streams.read(given, given)),
    "streams.read, key": (given) => first(streams.read("run_1", given)),
    "streams.define": (given) => streams.define(given),
    "streams.input": (given) => streams.input(given).send("run_1", given),
    "tasks.trigger": (given) => tasks.trigger(given, {}),
    "tasks.trigger, options": (given) => tasks.trigger("a", {}, given),
    "tasks.batchTrigger": (given) => tasks.batchTrigger(given, given),
    "tasks.batchTrigger, items": (given) => tasks.batchTrigger("a", given),
    "batch.trigger": (given) => batch.trigger(given),
    "wait.completeToken": (given) => wait.completeToken(given, given),
    "wait.forToken": (given) => wait.retrieveToken(given),
    "auth.withAuth": (given) => auth.withAuth(given, () => 1),
    "auth.withAuth, without work": (given) => auth.withAuth({ accessToken: given }, given),
    "createTriggerPublicToken": (given) => auth.createTriggerPublicToken(given),
    "createTriggerPublicToken, options": (given) => auth.createTriggerPublicToken("a", given),
    "createBatchTriggerPublicToken": (given) => auth.createBatchTriggerPublicToken(given, given),
    "configure": (given) => configure(given),
    "createRealtimeHandler": (given) => createRealtimeHandler(given),
    "createPublicToken": (given) => auth.createPublicToken(given),
    "startEmulator": (given) => startEmulator(given),
    "listen": (given) => createRealtimeHandler({ accessToken, baseURL }).listen(given),
    "listen, host": (given) => createRealtimeHandler({ accessToken, baseURL }).listen({ host: given }),
    "listen, port": (given) => createRealtimeHandler({ accessToken, baseURL }).listen({ port: given }),
    "the handler": (given) => createRealtimeHandler({ accessToken, baseURL })(given),
    "TriggerClient": (given) => new sdk.TriggerClient(given),
  };
  for (const name of OPTIONS.configure) {
    PLACES["configure, " + name] = (given) => configure({ accessToken, baseURL, [name]: given });
    PLACES["configure, and a call, " + name] = (given) => { configure({ accessToken, baseURL, [name]: given }); return runs.retrieve("run_1"); };
    PLACES["withAuth, " + name] = (given) => auth.withAuth({ accessToken, baseURL, [name]: given }, () => runs.retrieve("run_1"));
  }
  for (const name of OPTIONS.createRealtimeHandler) {
    PLACES["createRealtimeHandler, " + name] = (given) => {
      const handler = createRealtimeHandler({ accessToken, baseURL, [name]: given });
      const headers = { authorization: "Bearer " + token };
      return handler(new Request("http://a/realtime/v1/runs/run_1?offset=-1", { headers })).then(async (answer) => [answer.status, await answer.text()]);
    };
  }
  for (const name of OPTIONS.createPublicToken) PLACES["createPublicToken, " + name] = (given) => auth.createPublicToken({ [name]: given });
  for (const name of ["read", "write", "trigger"]) for (const kind of ["runs", "tags", "tasks", "all"]) {
    PLACES["createPublicToken, scopes, " + name + kind] = (given) => auth.createPublicToken({ scopes: { [name]: { [kind]: given } } }).then(() => 1);
  }
  for (const name of OPTIONS.subscribe) PLACES["subscribeToRun, " + name] = (given) => first(runs.subscribeToRun("run_1", { [name]: given }));
  for (const name of OPTIONS.startEmulator) PLACES["startEmulator, " + name] = async (given) => { const one = await startEmulator({ [name]: given }); await one.stop(); };
  for (const name of OPTIONS.trigger) PLACES["trigger, " + name] = (given) => tasks.trigger("a", {}, { [name]: given });
  process.on("warning", (warning) => tell("a warning", warning));
  process.on("unhandledRejection", (error) => tell("an unhandled rejection", error));
  const within = (given) => Promise.race([given, new Promise((resolve) => setTimeout(resolve, 300, "(waits)"))]);
  (async () => {
    const bad = (secret) => ["x" + secret, secret + "\\n", '"' + secret + '"', "Bearer " + secret, secret + "\\u00e9", "https://" + secret + "@127.0.0.1:1/", "https://a.invalid/?key=" + secret, "http://" + secret, secret + ".invalid", "HTTP://user:" + secret + "@[x"];
    const LOGINS = ["http://user:" + password + "@127.0.0.1:1/x", "https://" + password + "@h", "http://u:" + password + "@[x"];
    let cases = 0;
    for (const [place, misuse] of Object.entries(PLACES)) {
      for (const secret of [accessToken, token]) {
        // A login is hidden where a URL is meant.
        const logins = /baseURL|configure|withAuth|Handler|host/.test(place) ? LOGINS : [];
        const all = [...shapes(secret), ...bad(secret), ...logins];
        await Promise.all(all.map(async (given, at) => {
          client();
          cases++;
          try {
            await within(misuse(given));
          } catch (error) {
            // What the app passed itself hangs on no error.
            tell(place + ", " + at, error);
          }
        }));
      }
    }
    tell("cases", cases);
    process.stdout.write("", () => process.exit(0));
  })();
`;

test("a secret in a place that is not for one is not repeated", { timeout: 200_000 }, async (t) => {
  const server = await startHostileEcho();
  const emitted = await emittedBy(MISUSES, { baseURL: server.url, accessToken: KEY, timeoutMs: 180_000, env: ENV });
  t.diagnostic(`misuses: ${emitted.emitted.find(([what]) => what.startsWith("cases: String"))?.[1]}`);
  await server.stop();
  searchEnded(t, emitted, 1_000);
});

/** Ends of a process, by the text that Node prints. */
const ENDS = {
  "an error that nobody catches": `runs.retrieve("run_1")`,
  "an error that is thrown": `runs.retrieve("run_1").catch((error) => setImmediate(() => { throw error; }))`,
  "a feed's error that nobody catches": `(async () => { for await (const _ of runs.subscribeToRun("run_1")); })()`,
  "a report of the process": `runs.retrieve("run_1").catch((error) => { const { environmentVariables, header, ...rest } = process.report.getReport(error); tell("the report", rest); })`,
  "a console": `runs.retrieve("run_1").catch((error) => { console.log(error); console.error("%o %j %s", error, error, error); console.dir(error, { showHidden: true, depth: 9 }); console.trace(error); })`,
  "a promise": `console.log(require("node:util").inspect([runs.retrieve("run_1"), runs.subscribeToRun("run_1"), require("trigger-native")], { depth: 9, showHidden: true })); process.on("unhandledRejection", () => {})`,
};

for (const [end, source] of Object.entries(ENDS)) {
  test(`a process that ends with ${end} shows no secret`, { timeout: 30_000 }, async (t) => {
    const server = await startHostileEcho();
    const program = `const { configure, runs } = require("trigger-native"); configure({ accessToken, baseURL }); ${source}; setTimeout(() => process.exit(0), 3000).unref();`;
    const emitted = await emittedBy(program, {
      baseURL: `${server.url}/0/0`,
      accessToken: KEY,
      timeoutMs: 20_000,
      env: ENV,
    });
    await server.stop();
    searchEnded(t, emitted);
  });
}

/** Environments that cannot work, each with a password in it. */
const login = `user:${PASSWORD}`;
const ENVIRONMENTS = {
  "a proxy that is not there": { HTTP_PROXY: `http://${login}@127.0.0.1:1`, NO_PROXY: "<-loopback>" },
  "a proxy of another scheme": { HTTP_PROXY: `socks5://${login}@127.0.0.1:1`, NO_PROXY: "<-loopback>" },
  "a proxy in quotes": { HTTP_PROXY: `"http://${login}@127.0.0.1:1"`, NO_PROXY: "<-loopback>" },
  "a proxy without a host": { ALL_PROXY: `http://${login}@`, NO_PROXY: "<-loopback>" },
  "a server with a login": { TRIGGER_API_URL: `http://${login}@127.0.0.1:1` },
  "a server that is none": { TRIGGER_API_URL: `${login}@host` },
  "a key of another form": { TRIGGER_SECRET_KEY: `sk_${PASSWORD}` },
  "a key with a line break": { TRIGGER_SECRET_KEY: `tr_dev_${PASSWORD}\n` },
  "a key that no header can carry": { TRIGGER_SECRET_KEY: `tr_dev_${PASSWORD}\u00e9` },
  "a branch that is a secret": {
    TRIGGER_PREVIEW_BRANCH: `${PASSWORD}\u0001`,
    TRIGGER_SECRET_KEY: "tr_preview_abcdefgh",
  },
  "a key as the level": { TRIGGER_NATIVE_LOG: KEY },
  "certificates that are none": { NODE_EXTRA_CA_CERTS: `/nowhere/${"x"}`, SSL_CERT_FILE: "/nowhere" },
};

for (const [what, env] of Object.entries(ENVIRONMENTS)) {
  test(`an environment with ${what} is told without its secret`, { timeout: 60_000 }, async (t) => {
    const program = `
      const { runs, streams, auth, createRealtimeHandler } = require("trigger-native");
      process.on("warning", (warning) => tell("a warning", warning));
      const retry = { maxElapsedMs: 1, maxAttempts: 1 };
      (async () => {
        for (const call of [
          () => runs.retrieve("run_1", { retry }), () => auth.createPublicToken(),
          async () => { for await (const _ of runs.subscribeToRun("run_1", { retry })); },
          async () => { for await (const _ of await streams.read("run_1", "k", { retry })); },
          async () => { const handler = createRealtimeHandler(); const answer = await handler(new Request("http://a/realtime/v1/runs/run_1", { headers: { authorization: "Bearer " + process.env.GIVEN_TOKEN } })); return [answer.status, await answer.text()]; },
        ]) {
          try { tell("a value", await Promise.race([call(), new Promise((resolve) => setTimeout(resolve, 1500, "(waits)"))])); } catch (error) { tell("an error", error); }
        }
        process.stdout.write("", () => process.exit(0));
      })();`;
    const variables = { ...ENV, TRIGGER_SECRET_KEY: KEY, TRIGGER_API_URL: "http://127.0.0.1:1", ...env };
    searchEnded(t, await emittedBy(program, { baseURL: "", accessToken: KEY, timeoutMs: 50_000, env: variables }), 10);
  });
}

test("a certificate that nobody trusts is told without a secret", { timeout: 30_000 }, async (t) => {
  const server = https.createServer(selfSigned(), (_, res) => res.end("{}"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const program = `
    const { configure, runs, createRealtimeHandler } = require("trigger-native");
    configure({ accessToken, baseURL, requestOptions: { retry: { maxAttempts: 1 } } });
    process.on("warning", (warning) => tell("a warning", warning));
    (async () => {
      await runs.retrieve("run_1").catch((error) => tell("a call", error));
      try { for await (const _ of runs.subscribeToRun("run_1", { retry: { maxElapsedMs: 1 } })); } catch (error) { tell("a feed", error); }
      process.stdout.write("", () => process.exit(0));
    })();`;
  const baseURL = `https://127.0.0.1:${server.address().port}`;
  searchEnded(t, await emittedBy(program, { baseURL, accessToken: KEY, timeoutMs: 25_000, env: ENV }), 5);
  server.closeAllConnections();
  server.close();
});

test("the emulator's refusals show neither its key nor what they were asked with", { timeout: 30_000 }, async (t) => {
  const emulator = await startEmulator({ secretKey: KEY });
  const emitted = [];
  const paths = [
    "/",
    "/realtime/v1/runs/run_1",
    "/realtime/v1/runs?tags=x",
    "/realtime/v1/streams/run_1/k",
    "/api/v3/runs/run_1",
    "/api/v1/tasks/a/trigger",
    "/emulator/runs",
    "/emulator/faults",
    "/emulator/stats",
    "/nowhere",
    "/api/v1/auth/jwt/claims",
    "/api/v3/batches",
    "/api/v1/waitpoints/tokens",
  ];
  for (const path of paths) {
    for (const method of ["GET", "POST", "PUT", "PATCH", "OPTIONS", "HEAD"]) {
      for (const token of [TOKEN, `${KEY}x`, `x${KEY}`, `tr_dev_${PASSWORD}`, PASSWORD, undefined]) {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
        const body = method === "GET" || method === "HEAD" ? undefined : `{"a":`;
        const answer = await fetch(emulator.url + path, { method, headers, body, redirect: "manual" });
        emitted.push([`${method} ${path}`, `${answer.status} ${[...answer.headers]} ${await answer.text()}`]);
      }
    }
  }
  await emulator.stop();
  search(t, emitted, 400);
});
