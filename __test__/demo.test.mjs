// `npm run demo` as a user sees it: run as a child in each mode, on its own emulator and on a server of the user's.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
/** A failsafe only: the longest demo, `--slow`, takes about 20 s. */
const timeout = 120_000;

/** The environment without any Trigger.dev setting of the machine's own. */
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TRIGGER_|NODE_TEST)/.test(name)));

/**
 * Runs the demo to its end; one that does not end is killed, and has no exit code. With `head` its reader leaves after
 * the first line.
 */
async function demo(args, env = {}, { head = false } = {}) {
  const child = spawn(process.execPath, ["demo/demo.mjs", ...args], {
    cwd: root,
    env: { ...clean, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeout / 2,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
    if (head && stdout.includes("\n")) child.stdout.destroy();
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  return { code, stdout, stderr, lines: stdout.split("\n") };
}

/** The texts of the lines that begin with this word. */
function told(result, word) {
  return result.lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length).trim());
}

/** The statuses in the order they were shown. */
function statuses(result) {
  return told(result, "status").map((text) => text.split(" ")[0]);
}

/** What must hold of everything the demo prints, wherever it runs. */
function assertDiscreet({ stdout, stderr }, key) {
  const all = stdout + stderr;
  assert.ok(!all.includes("\u001b"), "an escape code on something that is no terminal");
  assert.ok(!all.includes("\r"), "a carriage return on something that is no terminal");
  assert.doesNotMatch(all, /eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{20,}/, "a whole token");
  if (key) assert.ok(!all.includes(key), "the secret key");
}

describe("the demo on its own emulator", { concurrency: true, timeout }, () => {
  it("mints, triggers, follows with progress, prints output, claims and cost, and exits 0", async () => {
    const result = await demo([]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assertDiscreet(result);
    assert.equal(statuses(result).at(-1), "COMPLETED");
    const percents = told(result, "progress").map((text) => Number.parseInt(text, 10));
    assert.ok(percents.length >= 5, `few progress lines: ${percents}`);
    assert.equal(percents.at(-1), 100);
    assert.deepEqual(
      percents,
      [...percents].sort((a, b) => a - b),
    );
    const [run] = told(result, "run")[0].split(",");
    assert.match(run, /^run_\w{20,}$/);
    assert.ok(result.stdout.includes(`scopes: ["read:runs:${run}"]`), "the claims name the run");
    assert.match(told(result, "checked")[0], /200$/);
    assert.match(result.stdout, /"ok": true/);
    // How many polls a feed takes depends on timing; that the claims are asked for once, and not for each token, does not.
    assert.match(result.stdout, /POST \/api\/v1\/auth\/jwt\/claims +1 +2\n/);
    assert.match(result.stdout, /in all +\d+ +\d+\n/);
    assert.doesNotMatch(result.stdout, /\.md\b/, "a document of the project's own");
  });

  it("ends without a word when its reader has left, as head does", async () => {
    const result = await demo([], {}, { head: true });
    assert.deepEqual([result.code, result.stderr], [130, ""]);
  });

  it("--fail shows why a run failed, and exits 0", async () => {
    const result = await demo(["--fail"]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assertDiscreet(result);
    assert.equal(statuses(result).at(-1), "FAILED");
    assert.match(told(result, "error")[0], /^TypeError: boom from the task/);
  });

  it("--cancel cancels the run, sees its end, and exits 0", async () => {
    const result = await demo(["--cancel"]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assertDiscreet(result);
    assert.ok(statuses(result).includes("EXECUTING"));
    assert.equal(statuses(result).at(-1), "CANCELED");
  });

  it("--slow follows a slow run to its end, and exits 0", async () => {
    const result = await demo(["--slow"]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assertDiscreet(result);
    assert.equal(statuses(result).at(-1), "COMPLETED");
    assert.ok(told(result, "progress").length >= 15);
  });

  it("--task and --payload choose what is triggered", async () => {
    const result = await demo(["--task", "echo", "--payload", '{"said":"this"}']);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.match(result.stdout, /"said": "this"/);
  });

  it("a run that ends otherwise than expected exits 1", async () => {
    const result = await demo(["--task", "failing"]);
    assert.equal(result.code, 1, result.stdout);
    assert.match(told(result, "end")[0], /FAILED, which was not expected/);
  });
});

describe("the demo on a server of the user's", { concurrency: true, timeout }, () => {
  const key = "tr_dev_thekeyoftheusersownserver";
  let server;
  let url;

  before(async () => {
    // Another process: nothing but URL and key connects it with the demo. It ends when its standard input does.
    const script = `
      const { startEmulator } = require("trigger-native/emulator");
      startEmulator(JSON.parse(process.argv[1])).then(({ url, stop }) => {
        console.log(url);
        process.stdin.on("end", stop).resume();
      });`;
    server = spawn(process.execPath, ["-e", script, JSON.stringify({ secretKey: key, speed: 10 })], {
      cwd: root,
      env: clean,
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [chunk] = await once(server.stdout.setEncoding("utf8"), "data");
    url = chunk.trim();
  });

  after(async () => {
    server.stdin.end();
    const [code] = await once(server, "close");
    assert.equal(code, 0);
  });

  const env = (more = {}) => ({ TRIGGER_SECRET_KEY: key, TRIGGER_API_URL: url, ...more });

  it("follows the task named by TRIGGER_DEMO_TASK and never prints the key", async () => {
    const result = await demo([], env({ TRIGGER_DEMO_TASK: "progress" }));
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assertDiscreet(result, key);
    assert.match(told(result, "server")[0], new RegExp(`^${url} \\(your server\\)`));
    assert.equal(statuses(result).at(-1), "COMPLETED");
    // Claims, trigger and feed of ours; the official SDK asks for the claims and for the first state once more.
    const [, all, feed] = told(result, "requests")[0].match(/^(\d+) in all, (\d+) of them for the feed$/);
    assert.equal(Number(all), Number(feed) + 2);
    assert.ok(result.stdout.includes(`${Number(all) + 2} with the official SDK (computed, not measured`));
    assert.doesNotMatch(result.stdout, /\.md\b/, "a document of the project's own");
  });

  it("--slow, --fail and --cancel show the other ends there too", async () => {
    const ends = await Promise.all([
      demo(["--slow", "--task", "slow"], env()),
      demo(["--fail", "--task", "failing"], env()),
      demo(["--cancel", "--task", "slow"], env()),
    ]);
    for (const result of ends) assertDiscreet(result, key);
    assert.deepEqual(
      ends.map((result) => [result.code, statuses(result).at(-1)]),
      [
        [0, "COMPLETED"],
        [0, "FAILED"],
        [0, "CANCELED"],
      ],
    );
  });

  it("--run follows a run that was triggered elsewhere", async () => {
    const response = await fetch(`${url}/api/v1/tasks/echo/trigger`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ payload: '"elsewhere"', options: { payloadType: "application/json" } }),
    });
    const { id } = await response.json();
    const result = await demo(["--run", id], env());
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assertDiscreet(result, key);
    assert.equal(statuses(result).at(-1), "COMPLETED");
    assert.match(result.stdout, /"elsewhere"/);
  });

  it("a run that there is not ends with its id, the server's words and exit code 1", async () => {
    const result = await demo(["--run", "run_thereisnosuchrun"], env());
    assert.equal(result.code, 1, result.stdout);
    assert.match(result.stderr, /^run_thereisnosuchrun: .*not found/i);
    assertDiscreet(result, key);
  });

  it("a wrong key ends with the variable and the server, and does not show the key", async () => {
    const wrong = "tr_dev_wrongwrongwrongwrongwr";
    const result = await demo(["--run", "run_1"], env({ TRIGGER_SECRET_KEY: wrong }));
    assert.equal(result.code, 2);
    assertDiscreet(result, wrong);
    assert.match(result.stderr, /^TRIGGER_SECRET_KEY: the server at http:\/\/127\.0\.0\.1:\d+ does not know this key/);
  });

  it("a server that is not there, or says nothing, ends with the variable, the address and the reason", async () => {
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const gone = createServer().listen(0, "127.0.0.1");
    await once(gone, "listening");
    const { port } = gone.address();
    await new Promise((resolve) => gone.close(resolve));
    try {
      for (const [url, why] of [
        [`http://127.0.0.1:${port}`, /refused/i],
        [`http://127.0.0.1:${silent.address().port}`, /timeout/i],
      ]) {
        const result = await demo(["--run", "run_1"], { TRIGGER_SECRET_KEY: key, TRIGGER_API_URL: url });
        assert.equal(result.code, 2);
        assertDiscreet(result, key);
        assert.ok(result.stderr.startsWith(`TRIGGER_API_URL: the server at ${url} cannot be reached (`), result.stderr);
        assert.match(result.stderr, why);
      }
    } finally {
      silent.close();
    }
  });

  it("asks for a task or a run before it does anything", async () => {
    const result = await demo([], env());
    assert.deepEqual([result.code, result.stdout], [2, ""]);
    assert.match(result.stderr, /--task or TRIGGER_DEMO_TASK/);
  });
});

describe("the demo's page", { timeout }, () => {
  /** Starts it, gives its URL to `use`, and ends it with `signal`. */
  async function page(signal, use) {
    const child = spawn(process.execPath, ["demo/demo.mjs", "--web", "--port", "0"], {
      cwd: root,
      // Never the user's own server: the page needs no key.
      env: { ...clean, TRIGGER_SECRET_KEY: "tr_prod_theusersown" },
      stdio: ["ignore", "pipe", "inherit"],
      timeout: timeout / 2,
      killSignal: "SIGKILL",
    });
    const closed = once(child, "close");
    let stdout = "";
    for await (const text of child.stdout.setEncoding("utf8")) {
      stdout += text;
      const url = stdout.match(/^page +(http:\/\/127\.0\.0\.1:\d+\/)$/m)?.[1];
      if (url && stdout.includes("Ctrl-C")) {
        await use(url);
        child.kill(signal);
        break;
      }
    }
    assertDiscreet({ stdout, stderr: "" }, "tr_prod_theusersown");
    return closed;
  }

  for (const signal of ["SIGINT", "SIGTERM"]) {
    it(`--web serves runs to look at, and ends by itself at ${signal}`, async () => {
      const end = await page(signal, async (url) => {
        const html = await fetch(url);
        assert.deepEqual([html.status, html.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
        const session = await fetch(`${url}emulator/session`, { method: "POST" });
        const { publicAccessToken } = await session.json();
        const list = await fetch(`${url}api/v1/runs`, { headers: { authorization: `Bearer ${publicAccessToken}` } });
        const tasks = (await list.json()).data.map((run) => run.taskIdentifier);
        for (const task of ["hello", "failing", "streamer", "approval", "import"])
          assert.ok(tasks.includes(task), task);
      });
      assert.deepEqual(end, [0, null]);
    });
  }

  it("--web says which port is taken, and goes with no other flag", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const port = String(taken.address().port);
    try {
      const result = await demo(["--web", "--port", port]);
      assert.deepEqual([result.code, result.stdout], [2, ""]);
      assert.match(result.stderr, new RegExp(`port ${port} is taken: .*--port`));
    } finally {
      taken.close();
    }
    for (const args of [
      ["--port", "1"],
      ["--web", "--fail"],
      ["--web", "--port", "x"],
    ]) {
      assert.equal((await demo(args)).code, 2, args.join(" "));
    }
  });
});

describe("the demo's flags", { timeout }, () => {
  it("--help explains them and exits 0", async () => {
    const result = await demo(["--help"]);
    assert.equal(result.code, 0);
    for (const flag of ["--web", "--fail", "--cancel", "--slow", "--task", "--run"])
      assert.ok(result.stdout.includes(flag), flag);
  });

  it("refuses what it does not know, with exit code 2", async () => {
    for (const args of [["--fial"], ["progress"], ["--fail", "--slow"], ["--run", "run_1"], ["--payload", "{"]]) {
      const result = await demo(args);
      assert.deepEqual([result.code, result.stdout], [2, ""], args.join(" "));
      assert.match(result.stderr, /--help/);
    }
  });
});
