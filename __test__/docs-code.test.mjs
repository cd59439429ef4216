/**
 * The code in the documentation does what it says: it runs against the emulator. That it compiles, as a reader would
 * copy it, is checked with all other types (`npm run types`).
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { transform } from "esbuild";
import { auth, createRealtimeHandler, tasks, wait } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
import { blocks, COMPILED, fileOf, pages } from "../scripts/lib/docs-code.mjs";
import { capture, root } from "../scripts/lib/run.mjs";
import { recipes } from "./examples/recipes.mjs";

const HOME = path.join(root, "target", "docs-code");
const PATIENCE_MS = 20_000;

/** A task that writes text, as the routes of the documentation expect. */
const WRITER = { steps: [{ stream: { key: "ai", chunks: ["Once ", "upon a time"] } }, { output: "told" }] };

let emulator;
const triggered = (task = "hello") => tasks.trigger(task, { project: "p1" });
const get = (url, token) => new Request(url, { headers: token ? { authorization: `Bearer ${token}` } : {} });
const endOf = async (response) => {
  assert.equal(response.status, 200);
  return response.text();
};

/** Asserts that a relay serves a run to a viewer who may read it, and to no other. */
async function relays(handle, mount = "/api/trigger") {
  const { id, publicAccessToken } = await triggered();
  const url = `https://app.example${mount}/realtime/v1/runs/${id}`;
  const answer = await handle(get(url, publicAccessToken));
  assert.deepEqual([answer.status, (await answer.json())[0].value.friendlyId], [200, id]);
  assert.equal((await handle(get(url))).status, 401);
}

/** What Next.js gives a route beside the request. */
const route = (id) => ({ params: Promise.resolve({ id }) });

/** That a route gives a run, to its end. */
async function streams(answer) {
  const { id } = await triggered("writer");
  assert.match(await endOf(await answer(id)), /"status":"COMPLETED"/);
}

/** That a route triggers a task, and gives out a token that reads its run. */
async function triggers(POST, token) {
  const body = JSON.stringify({ project: "p1" });
  const answer = await (await POST(new Request("https://app.example", { method: "POST", body }))).json();
  const headers = { authorization: `Bearer ${answer[token]}` };
  assert.equal((await fetch(`${emulator.url}/realtime/v1/runs/${answer.id}`, { headers })).status, 200);
}

/**
 * What is done with a block: by its page, and a text that only this block of the page has. It gets what the block
 * exports, once it was imported.
 *
 * @type {[string, string, (exported: any) => unknown][]}
 */
const DONE = [
  [
    "docs/calls.md",
    "runOf(user",
    async ({ runOf }) => {
      const { id, publicAccessToken } = await triggered();
      assert.equal((await runOf({ makeToken: async () => publicAccessToken }, id)).id, id);
    },
  ],
  ["README.md", "POST(request: Request)", ({ POST }) => triggers(POST, "token")],
  ["README.md", "handler as GET", ({ GET }) => relays(GET)],
  [
    "README.md",
    "LoaderFunctionArgs",
    async ({ loader }) => {
      const { id } = await triggered();
      assert.equal((await loader({ params: { id }, request: get("https://app.example") })).status, "COMPLETED");
    },
  ],
  [
    "README.md",
    "TransformStream",
    async ({ GET }) => {
      const { id } = await triggered("writer");
      // Until the run ends, and no longer.
      assert.equal(await endOf(await GET(get("https://app.example"), route(id))), "Once upon a time");
    },
  ],
  [
    "docs/client.md",
    "export const complete",
    async ({ complete }) => {
      const handler = createRealtimeHandler();
      const { url, close } = await handler.listen();
      const { id, publicAccessToken } = await wait.createToken();
      const answer = await complete(url, id, publicAccessToken, { approved: true });
      assert.deepEqual([answer.status, (await wait.retrieveToken(id)).output], [200, { approved: true }]);
      await close();
      await handler.close();
    },
  ],
  ["docs/feeds.md", "subscribeToRun(", ({ live }) => streams((id) => live(get("https://app.example"), id))],
  ["docs/frameworks.md", "skipColumns", ({ GET }) => streams((id) => GET(get("https://app.example"), route(id)))],
  [
    "docs/frameworks.md",
    "src/routes/api/runs",
    ({ GET }) => streams((id) => GET({ request: get("https://app.example"), params: { id } })),
  ],
  [
    "docs/frameworks.md",
    "defineEventHandler",
    ({ default: answer }) =>
      streams((id) => answer({ headers: new Headers(), node: { res: new EventEmitter() }, params: { id } })),
  ],
  ["docs/frameworks.md", "handler as GET", ({ GET }) => relays(GET)],
  ["docs/frameworks.md", "handler as action", ({ loader }) => relays((request) => loader({ request }))],
  ["docs/relay.md", "handler as GET", ({ GET }) => relays(GET)],
  [
    "docs/relay.md",
    "externalResolver",
    async ({ default: node }) => {
      const server = createServer(node).listen(0, "127.0.0.1");
      await once(server, "listening");
      const here = `http://127.0.0.1:${server.address().port}`;
      await relays(({ url, headers }) => fetch(url.replace("https://app.example", here), { headers }));
      server.close();
    },
  ],
  [
    "docs/relay.md",
    "authorize(request)",
    async ({ handler }) => {
      const { id } = await tasks.trigger("hello", {}, { tags: ["user:7"] });
      const url = `https://app.example/api/trigger/realtime/v1/runs/${id}`;
      assert.equal((await handler(get(url))).status, 401);
      const answer = await handler(new Request(url, { headers: { cookie: "7" } }));
      const [{ value }] = await answer.json();
      assert.deepEqual([answer.status, value.friendlyId, "payload" in value], [200, id, false]);
      await handler.close();
    },
  ],
  [
    "docs/streams.md",
    "timeoutInSeconds",
    async ({ withItsRun, alone }) => {
      const { id } = await triggered("writer");
      assert.deepEqual(await Promise.all([withItsRun(id), alone(id)]), ["Once upon a time", "Once upon a time"]);
    },
  ],
  ["skills/trigger-native/SKILL.md", "POST()", ({ POST }) => triggers(POST, "publicAccessToken")],
  ["skills/trigger-native/SKILL.md", "createRealtimeHandler", ({ GET }) => relays(GET)],
  [
    "skills/trigger-native/SKILL.md",
    "toResponse",
    ({ GET }) => streams((id) => GET(get("https://app.example"), route(id))),
  ],
  [
    "skills/trigger-native/SKILL.md",
    "run.isFinished",
    async ({ finished }) => {
      const run = await finished((await triggered()).id, new AbortController().signal);
      assert.equal(run.status, "COMPLETED");
    },
  ],
  [
    "skills/trigger-native/SKILL.md",
    "createTriggerPublicToken",
    async ({ triggerToken, approval }) => {
      const accessToken = await triggerToken();
      assert.match((await auth.withAuth({ accessToken }, () => triggered("export"))).id, /^run_/);
      assert.deepEqual(await wait.completeToken((await approval()).id, {}), { success: true });
    },
  ],
];

/** Programs: they run in a process of their own, which ends. */
const PROGRAMS = [
  ["docs/emulator.md", "speed: 2"],
  ["docs/emulator.md", 'clock: "manual"'],
  ["docs/feeds.md", "configure("],
  ["docs/frameworks.md", "createServer(relay.node)"],
];

/** Blocks that compile and are not run here, with the reason. */
const NOT_RUN = [
  ["README.md", "useRealtimeRun", "for a browser; examples-nextjs.test.mjs has it on a page"],
  ["README.md", "subscribeToRunsWithTag", "asks the reader's session; examples-nextjs.test.mjs has it"],
  ["docs/frameworks.md", "Suspense", "a page; examples-nextjs.test.mjs opens it"],
  ["docs/feeds.md", "new EventSource", "for a browser; examples-nextjs.test.mjs has such a page"],
  ["docs/frameworks.md", "NextConfig", "examples-nextjs.test.mjs builds with it, and fails without"],
  ["docs/frameworks.md", "app.register", "examples-node.test.mjs drives the example that has it"],
  ["docs/frameworks.md", "ctx.respond", "examples-node.test.mjs drives the example that has it"],
  ["docs/frameworks.md", "Readable.fromWeb", "examples-node.test.mjs drives send.mjs, which has it"],
  ["docs/frameworks.md", "defineConfig", "examples-react-router.test.mjs builds with it, and fails without"],
  ["docs/client.md", "subscribe(", "for a browser; client-browser.test.mjs has it on a page"],
  ["docs/client.md", "for await", "for a browser; client-runs.test.mjs iterates so over a relay"],
  ["docs/relay.md", "fullchain.pem", "needs a certificate; relay-tls.test.mjs listens with one"],
  ["docs/relay.md", "useRealtimeRun", "for a browser; examples-nextjs.test.mjs has it on a page"],
  ["docs/react.md", "useRealtimeRun(id", "for a browser; browser-hooks.test.mjs has it on a page"],
  ["docs/react.md", "TriggerAuthContext.Provider", "for a browser; browser-hooks.test.mjs has it on a page"],
  [
    "skills/trigger-native/SKILL.md",
    "useRealtimeRun(id, { accessToken: token, baseURL })",
    "for a browser; examples-nextjs.test.mjs has it on a page",
  ],
  ["docs/testing.md", "vitest", "needs Vitest; emulator-clock.test.mjs makes the same calls"],
  ["docs/testing.md", "@playwright/test", "needs Playwright's runner; emulator-cli.test.mjs starts the same command"],
  ["skills/trigger-native/SKILL.md", "NextConfig", "examples-nextjs.test.mjs builds with it, and fails without"],
];

/** What of the reader's own app the blocks use: the same names are declared in `types/docs/stubs.d.ts`. */
const APP = `
const firstToken = "x";
const fetchToken = async () => "x";
const app = { use() {} };
const defineEventHandler = (handler) => handler;
const getRouterParam = (event, name) => event.params[name];
const userOf = async (request) => request.headers.has("cookie") ? { id: request.headers.get("cookie") } : undefined;
`;

const all = blocks();
// The examples of docstrings show calls, not programs: that they compile is enough.
const compiled = all.filter(({ language, page }) => COMPILED.includes(language) && page !== "docs/api.md");
const blockOf = (page, text) => {
  const found = compiled.filter((block) => block.page === page && block.code.includes(text));
  assert.equal(found.length, 1, `${page}: blocks with ${text}`);
  return found[0];
};

/** The block as JavaScript, in a file of its own. */
async function written(block) {
  const loader = block.language === "js" ? "js" : "ts";
  const { code } = await transform(block.code, { loader, target: "es2022" });
  const file = path.join(HOME, `${fileOf(block)}.mjs`);
  await writeFile(file, APP + code);
  return file;
}

const environment = () => ({ TRIGGER_API_URL: emulator.url, TRIGGER_SECRET_KEY: emulator.secretKey });

before(async () => {
  await rm(HOME, { recursive: true, force: true });
  await mkdir(HOME, { recursive: true });
  emulator = await startEmulator({ speed: 10, tasks: { writer: WRITER } });
  Object.assign(process.env, environment());
});
after(() => emulator.stop());

test("every block is of a language that is checked", () => {
  // Pages of HTML are opened by examples-nextjs.test.mjs; the drawing in docs/architecture.md is for the code host.
  // client-package.test.mjs runs the recipes for frameworks of docs/client.md.
  const recipes = ["svelte", "vue", "jsx", "typescript"];
  const known = [...COMPILED, "json", "sh", "html", "mermaid"];
  const others = all.filter(
    ({ language, page }) => !known.includes(language) && !(page === "docs/client.md" && recipes.includes(language)),
  );
  assert.deepEqual(others, []);
});

test("pages that show the same file show the same code, so that either can be copied", () => {
  assert.ok(recipes().size > 0);
});

test("every block of code is run, or has a reason why not", () => {
  const known = [...DONE, ...PROGRAMS, ...NOT_RUN].map(([page, text]) => blockOf(page, text));
  const places = (list) => list.map(({ page, line }) => `${page}:${line}`).sort();
  assert.deepEqual(places(known), places(compiled));
  for (const [, , reason] of NOT_RUN) {
    for (const [name] of reason.matchAll(/[\w-]+\.test\.mjs/g))
      assert.ok(existsSync(path.join(root, "__test__", name)));
  }
});

test("a block that begins with the name of an example is in it, word for word", () => {
  const quotes = compiled.filter(({ code }) => code.startsWith("// examples/"));
  assert.ok(quotes.length > 1);
  for (const { code } of quotes) {
    const [first, ...rest] = code.split("\n");
    const example = readFileSync(path.join(root, first.slice(3)), "utf8");
    assert.ok(example.includes(rest.join("\n")), first);
  }
});

for (const [page, text, run] of DONE) {
  test(`${page}: ${text}`, { timeout: PATIENCE_MS }, async () => {
    await run(await import(pathToFileURL(await written(blockOf(page, text))).href));
  });
}

for (const [page, text] of PROGRAMS) {
  test(`${page}: ${text}`, { timeout: PATIENCE_MS }, async () => {
    const file = await written(blockOf(page, text));
    const child = spawn(process.execPath, [file], { env: { ...process.env, ...environment() } });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (more) => {
      said += more;
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    const code = await new Promise((resolve) => child.on("close", resolve));
    clearTimeout(timer);
    assert.deepEqual([code, said], [0, ""]);
  });
}

test("scripts of tasks are taken by the emulator, and run", { timeout: PATIENCE_MS }, async () => {
  const scripts = all.filter(({ language }) => language === "json");
  assert.ok(scripts.length > 0);
  for (const { code } of scripts) {
    const given = JSON.parse(code);
    const own = await startEmulator({ tasks: given, clock: "manual" });
    for (const task of Object.keys(given)) {
      const options = { clientConfig: { baseURL: own.url, accessToken: own.secretKey } };
      const { id } = await tasks.trigger(task, "it", {}, options);
      await own.advance(60_000);
      const headers = { authorization: `Bearer ${own.secretKey}` };
      const run = await (await fetch(`${own.url}/api/v3/runs/${id}`, { headers })).json();
      assert.equal(run.status, "COMPLETED");
    }
    await own.stop();
  }
});

describe("commands", () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  /** Every command line, and what is quoted amid sentences. */
  const lines = pages().flatMap((page) => {
    const text = readFileSync(path.join(root, page), "utf8");
    const quoted = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code);
    const typed = all.filter((block) => block.page === page && block.language === "sh");
    return [...quoted, ...typed.flatMap(({ code }) => code.split("\n"))].map((line) => ({
      page,
      line: line.replace(/\s+#.*/, "").trim(),
    }));
  });

  test("that npm is to run are scripts of this package", () => {
    const npm = lines.flatMap(({ page, line }) =>
      [...line.matchAll(/npm (?:run )?([\w:-]+)/g)].map(([whole, name]) => ({ page, whole, name })),
    );
    assert.ok(npm.length > 20);
    const own = ["ci", "install", "pack"];
    for (const { page, whole, name } of npm) {
      assert.ok(Object.hasOwn(scripts, name) || (own.includes(name) && !whole.includes("run")), `${page}: ${whole}`);
    }
  });

  test("of node name scripts that are there", () => {
    for (const { page, line } of lines) {
      const [, name] = /^node (?!-)(\S+)/.exec(line) ?? [];
      if (name) assert.ok(existsSync(path.join(root, name)), `${page}: ${line}`);
    }
  });

  test("of trigger-native, and their options, are those it has", async () => {
    const command = [path.join(root, "bin", "trigger-native.js")];
    const help = await capture(process.execPath, [...command, "emulator", "--help"]);
    const has = (option) => new RegExp(`^  ${option}\\b`, "m").test(help);
    const calls = lines.filter(({ line }) => /^(npx )?trigger-native /.test(line));
    assert.ok(calls.length > 2);
    for (const { page, line } of calls) {
      const [name, ...rest] = line.replace(/^(npx )?trigger-native /, "").split(" ");
      assert.equal(name, "emulator", `${page}: ${line}`);
      for (const option of rest.filter((each) => each.startsWith("--"))) assert.ok(has(option), `${page}: ${line}`);
    }
    const page = readFileSync(path.join(root, "docs", "emulator.md"), "utf8");
    const told = [...page.matchAll(/^\| `(--[\w-]+)/gm)].map(([, option]) => option);
    const there = [...help.matchAll(/^ {2}(--[\w-]+)/gm)].map(([, option]) => option);
    assert.deepEqual(told.sort(), there.filter((option) => option !== "--help").sort());
  });

  test("of a shell are ones that every reader has", () => {
    const usual = ["cd", "cp", "export", "git", "npm", "npx"];
    for (const { page, line } of all.filter(({ language }) => language === "sh").flatMap(linesOf)) {
      assert.ok(usual.includes(line.split(" ")[0]), `${page}: ${line}`);
    }
  });
});

function linesOf({ page, code }) {
  return code
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => ({ page, line }));
}
