// What tools get to see: the spans of an app's traces, and what the command prints. No key and no token is in it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };
import { cleanEnvironment } from "./support/client.mjs";
import { FORMS, PLACES, startHostileEcho } from "./support/hostile-echo.mjs";
import { emittedBy } from "./support/secrets.mjs";
import { KEY, PASSWORD, search, TOKEN } from "./support/secrets-given.mjs";

/** An app that traces, and makes each kind of request: with the key, with a token, and with a secret in the place of an id. */
const TRACED = `
  const { NodeSDK, tracing } = require("@opentelemetry/sdk-node");
  const exporter = new tracing.InMemorySpanExporter();
  const sdk = new NodeSDK({ instrumentations: [], spanProcessors: [new tracing.SimpleSpanProcessor(exporter)] });
  sdk.start();
  const { auth, runs, streams, tasks } = require("trigger-native");
  const { GIVEN_TOKEN: token, GIVEN_PASSWORD: password } = process.env;
  const first = async (given) => { for await (const one of await given) return one; };
  const retry = { maxElapsedMs: 1, maxAttempts: 1 };
  const within = (given) => Promise.race([given, new Promise((resolve) => setTimeout(resolve, 2000))]);
  const REQUESTS = {
    retrieve: (id) => runs.retrieve(id),
    cancel: (id) => runs.cancel(id),
    list: () => first(runs.list()),
    trigger: (id) => tasks.trigger(id, { id }),
    batch: (id) => tasks.batchTrigger(id, [{ payload: id }]),
    mint: () => auth.createPublicToken({ scopes: { read: { runs: ["run_1"] } } }),
    follow: (id) => first(runs.subscribeToRun(id, { retry })),
    tag: (id) => first(runs.subscribeToRunsWithTag(id, undefined, { retry })),
    stream: (id) => first(streams.read(id, id, { timeoutInSeconds: 1, retry })),
  };
  async function traced(baseURL, what) {
    const requestOptions = { retry: { maxAttempts: 1 } };
    const login = baseURL.replace("://", "://user:" + password + "@");
    const bases = [[baseURL, accessToken], [baseURL, token], [login, accessToken]];
    await Promise.all(bases.flatMap(([url, credential]) => ["one", accessToken, token].flatMap((id) =>
      Object.values(REQUESTS).map((request) =>
        within(auth.withAuth({ baseURL: url, accessToken: credential, requestOptions }, () => request(id))).catch(() => {}),
      ),
    )));
    const spans = exporter.getFinishedSpans().filter((span) => span.instrumentationScope.name === "trigger-native");
    for (const { name, attributes, status, events, links } of spans) {
      tell(what + ", " + name, { name, attributes, status, events, links });
    }
    exporter.reset();
  }
`;

describe("an app's traces", () => {
  let server;
  before(async () => {
    server = await startHostileEcho();
  });
  after(() => server?.stop());

  for (const [at, place] of Object.keys(PLACES).entries()) {
    test(`show no key and no token of a request whose server sends it back by ${place}`, {
      timeout: 120_000,
    }, async (t) => {
      const source = `${TRACED}
        (async () => {
          for (const form of ${JSON.stringify([...Object.keys(FORMS).keys()])}) {
            await traced(baseURL + "/${at}/" + form, "form " + form);
          }
          process.stdout.write("", () => process.exit(0));
        })();`;
      const env = { GIVEN_TOKEN: TOKEN, GIVEN_PASSWORD: PASSWORD };
      const { emitted, hung } = await emittedBy(source, {
        baseURL: server.url,
        accessToken: KEY,
        timeoutMs: 100_000,
        env,
      });
      assert.ok(!hung, "it ended");
      search(t, emitted, 100);
    });
  }
});

describe("the command", () => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const command = path.join(root, manifest.bin["trigger-native"]);
  let folder;
  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "secrets-"));
  });
  after(() => rm(folder, { recursive: true }));

  /** What it prints, and its exit code. It is stopped once it has printed the last line of a greeting. */
  function run(args, env = {}) {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [command, ...args], {
        cwd: folder,
        env: { ...cleanEnvironment(), ...env },
        timeout: 20_000,
        killSignal: "SIGKILL",
      });
      let text = "";
      const take = (part) => {
        text += part;
        if (/Ctrl-C ends it|"environment":/.test(text)) child.kill("SIGINT");
      };
      child.stdout.setEncoding("utf8").on("data", take);
      child.stderr.setEncoding("utf8").on("data", take);
      child.on("error", reject).on("close", (code, signal) => resolve({ text, code: code ?? signal }));
    });
  }

  test("shows no secret that stands in the place of an argument", { timeout: 120_000 }, async (t) => {
    const emitted = [];
    const login = `http://user:${PASSWORD}@127.0.0.1:1/`;
    for (const secret of [KEY, TOKEN, login]) {
      const uses = [
        [secret],
        ["emulator", secret],
        [`--${secret}`],
        ["emulator", `--${secret}`],
        ["emulator", `--kay=${secret}`],
        ["emulator", `--json=${secret}`],
        ["emulator", "--key", secret, "extra"],
        ["emulator", "--key", secret, "--port", "nowhere"],
        ["emulator", "--key", `${secret} with spaces`, "--port", "0"],
        ...["port", "speed", "host", "max-connections", "script"].map((name) => ["emulator", `--${name}`, secret]),
        ["emulator", "--port", "0", "--script", `${secret}.json`],
        ["emulator", "--port", "0", "--script", `${secret}.mjs`],
      ];
      const all = await Promise.all(uses.map((use) => run(use)));
      for (const [at, { text, code }] of all.entries()) {
        const use = uses[at].join(" ").replaceAll(secret, "...");
        assert.ok(code === 1 || code === 2, `${use}: ${code}`);
        assert.match(text, /^trigger-native/, use);
        emitted.push([use, text]);
      }
    }
    search(t, emitted, 30);
  });

  test("shows nothing of the app's environment, nor of a script that cannot be read", {
    timeout: 60_000,
  }, async (t) => {
    const scripts = {
      "env.json": `TRIGGER_SECRET_KEY=${KEY}\nTOKEN=${TOKEN}`,
      "key.json": KEY,
      "text.json": JSON.stringify(KEY),
      "tasks.json": JSON.stringify({ [KEY]: { steps: [{ [TOKEN]: 1 }] } }),
      "throws.mjs": `throw new Error("no such key: ${KEY}, nor ${TOKEN}");`,
      "syntax.mjs": `export default { "${KEY}" };`,
      "imports.mjs": `import "./${KEY}.mjs";`,
      "folder/": "",
    };
    const env = { TRIGGER_SECRET_KEY: KEY, TRIGGER_ACCESS_TOKEN: TOKEN, TRIGGER_API_URL: `http://u:${PASSWORD}@h` };
    const emitted = [];
    for (const [name, text] of Object.entries(scripts)) {
      if (text) await writeFile(path.join(folder, name), text);
      const { text: said, code } = await run(["emulator", "--port", "0", "--script", name], env);
      assert.ok(code === 1 || code === 2, `${name}: ${code} ${said}`);
      emitted.push([name, said]);
    }
    for (const args of [["--help"], ["--version"], ["emulator", "--help"], ["emulator", "--port", "0"], []]) {
      emitted.push([args.join(" "), (await run(args, env)).text]);
    }
    search(t, emitted, 10);
  });
});
