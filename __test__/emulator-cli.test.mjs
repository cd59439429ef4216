// `trigger-native emulator` as a user sees it: run as a child, on ports of its own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("..", import.meta.url));
const command = path.join(root, manifest.bin["trigger-native"]);
/** A failsafe only. */
const timeout = 60_000;
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TRIGGER_|NODE_TEST)/.test(name)));

function start(args, { cwd = root } = {}) {
  const child = spawn(process.execPath, [command, ...args], {
    cwd,
    env: clean,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeout / 2,
    killSignal: "SIGKILL",
  });
  const output = { stdout: "", stderr: "" };
  const waiting = new Set();
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (text) => {
      output[name] += text;
      for (const look of waiting) look();
    });
  }
  const closed = once(child, "close");
  return {
    child,
    output,
    closed,
    /** Waits until this was written to that stream. */
    async told(name, pattern) {
      let look;
      const seen = new Promise((resolve) => {
        look = () => {
          const match = output[name].match(pattern);
          if (match) resolve(match);
        };
        waiting.add(look);
        look();
      });
      const gone = closed.then(() => {
        throw new Error(`it ended before it told ${pattern}: ${JSON.stringify(output)}`);
      });
      try {
        return await Promise.race([seen, gone]);
      } finally {
        waiting.delete(look);
        gone.catch(() => undefined);
      }
    },
  };
}

/** Runs it to its end. */
async function ended(...args) {
  const { closed, output } = start(args);
  const [code] = await closed;
  return { code, ...output };
}

/** Starts an emulator with `--json`, gives what it told to `use`, and ends it; its exit code and signal. */
async function emulator(args, use, signal = "SIGTERM") {
  const running = start(["emulator", "--json", "--port", "0", ...args]);
  const [line] = await running.told("stdout", /^.*\n/);
  try {
    await use(JSON.parse(line), running);
  } finally {
    running.child.kill(signal);
  }
  const end = await running.closed;
  assert.equal(running.output.stdout, line, "one line of JSON and nothing else");
  return end;
}

const tasksOf = async ({ url }) => (await (await fetch(`${url}/emulator/tasks`)).json()).tasks.map((task) => task.id);

describe("the command line", { timeout }, () => {
  it("tells what there is, and its version", async () => {
    for (const flag of ["--help", "-h", "help"]) {
      const { code, stdout, stderr } = await ended(flag);
      assert.deepEqual([code, stderr], [0, ""]);
      assert.match(stdout, /emulator/);
    }
    assert.deepEqual(await ended("--version"), { code: 0, stdout: `${manifest.version}\n`, stderr: "" });
  });

  it("refuses what it does not know with exit code 2 and where to look", async () => {
    for (const [args, why] of [
      [[], /a command is missing/],
      [["emulate"], /there is no command "emulate"/],
      [["--nope"], /there is no command "--nope"/],
      [["emulator", "--nope"], /'--nope'/],
      [["emulator", "extra"], /extra/],
      [["emulator", "--port", "http"], /--port/],
      [["emulator", "--port", "65536"], /--port/],
      [["emulator", "--host", "0.0.0.0"], /127\.0\.0\.1/],
      [["emulator", "--speed", "0"], /--speed/],
      [["emulator", "--speed", " "], /--speed/],
      [["emulator", "--max-connections", "-1"], /--max-connections/],
      [["emulator", "--key", "tr_dev_sk_0123456789abcdefABCDEFGH", "--port", "0"], /`secretKey` is a root key/],
      [["emulator", "--env", "", "--port", "0"], /id/],
    ]) {
      const { code, stdout, stderr } = await ended(...args);
      assert.deepEqual([code, stdout], [2, ""], `${args}: ${stderr}`);
      assert.match(stderr, why, String(args));
      assert.match(stderr, /Try: trigger-native( emulator)? --help\n$/);
    }
  });
});

describe("the emulator from the command line", { timeout, concurrency: true }, () => {
  it("explains its options", async () => {
    const { code, stdout } = await ended("emulator", "--help");
    assert.equal(code, 0);
    for (const flag of ["port", "host", "script", "speed", "key", "env", "max-connections", "json", "help"]) {
      assert.match(stdout, new RegExp(`^  --${flag}\\b`, "m"));
    }
    assert.match(stdout, /3030/);
  });

  it("tells its page, its key and the environment of an app, and ends at Ctrl-C", async () => {
    const running = start(["emulator", "--port", "0", "--host", "localhost"]);
    await running.told("stdout", /Ctrl-C/);
    const { stdout } = running.output;
    const [, url] = stdout.match(/^TRIGGER_API_URL=(http:\/\/127\.0\.0\.1:\d+)$/m);
    assert.match(stdout, /^TRIGGER_SECRET_KEY=tr_dev_emulatornotasecret$/m);
    assert.match(stdout, new RegExp(`page +${url}/`));
    running.child.kill("SIGINT");
    assert.deepEqual(await running.closed, [0, null]);
    assert.equal(running.output.stderr, "");
    await assert.rejects(fetch(url), "nobody listens any more");
  });

  it("--json tells the same on one line, and a live request does not keep it from ending", async () => {
    const flags = ["--host", "127.0.0.1", "--key", "tr_dev_mine", "--env", "env_mine", "--speed", "10"];
    const end = await emulator(flags, async (told) => {
      assert.deepEqual(Object.keys(told), ["url", "secretKey", "page", "environment"]);
      assert.equal(told.page, `${told.url}/`);
      assert.deepEqual(told.environment, { TRIGGER_API_URL: told.url, TRIGGER_SECRET_KEY: "tr_dev_mine" });
      const claims = await fetch(`${told.url}/api/v1/auth/jwt/claims`, {
        method: "POST",
        headers: { authorization: "Bearer tr_dev_mine" },
      });
      assert.equal((await claims.json()).sub, "env_mine");
      const headers = { authorization: "Bearer tr_dev_mine" };
      const feed = await fetch(`${told.url}/realtime/v1/runs?offset=-1`, { headers });
      const [handle, offset] = ["electric-handle", "electric-offset"].map((name) => feed.headers.get(name));
      await feed.text();
      const live = `${told.url}/realtime/v1/runs?offset=${offset}&handle=${handle}&live=true`;
      fetch(live, { headers }).then(
        (response) => response.text(),
        () => undefined,
      );
      // It is held.
      for (let held = 0; held === 0; ) {
        held = (await (await fetch(`${told.url}/emulator/limits`, { headers })).json()).live;
      }
    });
    assert.deepEqual(end, [0, null]);
  });

  it("--max-connections limits the live requests", async () => {
    await emulator(["--max-connections", "0"], async ({ url, secretKey }) => {
      const headers = { authorization: `Bearer ${secretKey}` };
      const live = await fetch(`${url}/realtime/v1/runs?offset=0_1&handle=runs_1_1&live=true`, { headers });
      assert.equal(live.status, 429);
      await live.text();
    });
  });

  it("a port that is taken is told, with what to do, and exit code 1", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address();
    try {
      const { code, stdout, stderr } = await ended("emulator", "--port", String(port));
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port}.* taken.*--port`, "s"));
    } finally {
      taken.close();
    }
  });

  it("ends at a signal that comes while it starts", async () => {
    const running = start(["emulator", "--json", "--port", "0"]);
    await running.told("stdout", /\n/);
    running.child.kill("SIGTERM");
    running.child.kill("SIGINT");
    const [code, signal] = await running.closed;
    // The second signal may come when the first was heard, and then ends it at once.
    assert.ok(code === 0 || signal === "SIGINT", `${code} ${signal}`);
  });
});

describe("the emulator's --script", { timeout, concurrency: true }, () => {
  let folder;

  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "trigger-native-cli-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function file(name, text) {
    const to = path.join(folder, name);
    // As editors do: a new file in the place of the old one.
    await writeFile(`${to}.new`, text);
    await rename(`${to}.new`, to);
    return to;
  }

  for (const [name, text] of [
    ["tasks.json", '{ "mine": { "steps": [{ "output": 1 }] } }'],
    ["tasks.mjs", "export default { mine: { steps: [{ output: 1 }] } };"],
    ["tasks.cjs", "module.exports = { mine: { steps: [{ output: 1 }] } };"],
    ["commonjs.js", "console.log('to standard error'); module.exports = { mine: {} };"],
  ]) {
    it(`${name} gives tasks, and is read again when it changes`, async () => {
      const script = await file(name, text);
      const end = await emulator(["--script", script], async (told, running) => {
        assert.ok((await tasksOf(told)).includes("mine"));
        await file(name, text.replace("mine", "other"));
        await running.told("stderr", new RegExp(`script: read ${name} again; 11 tasks`));
        const tasks = await tasksOf(told);
        assert.ok(tasks.includes("other") && !tasks.includes("mine") && tasks.includes("hello"), String(tasks));
      });
      assert.deepEqual(end, [0, null]);
    });
  }

  it("is told of at the start, with the tasks that it gives", async () => {
    const script = await file("told.json", '{ "one": {}, "two": {} }');
    const running = start(["emulator", "--port", "0", "--script", script]);
    await running.told("stdout", /Ctrl-C/);
    assert.match(running.output.stdout, /^ {2}script {2}.*told\.json \(tasks: one, two\)$/m);
    running.child.kill("SIGINT");
    assert.deepEqual(await running.closed, [0, null]);
  });

  it("keeps the tasks when a change is no script, and tells why", async () => {
    const script = await file("broken.json", '{ "kept": {} }');
    await emulator(["--script", script], async (told, running) => {
      for (const [text, why] of [
        ["{", /script: broken\.json is no JSON/],
        ["[]", /script: broken\.json: a script is an object of tasks by id/],
        ['{ "bad": { "steps": [{ "sleep": 1 }] } }', /script: task "bad": .*sleep/],
      ]) {
        await file("broken.json", text);
        await running.told("stderr", new RegExp(`${why.source}.*\nscript: the tasks stay as they were\n`));
        assert.ok((await tasksOf(told)).includes("kept"));
      }
      await file("broken.json", '{ "mended": {} }');
      await running.told("stderr", /read broken\.json again/);
      assert.ok((await tasksOf(told)).includes("mended"));
    });
  });

  it("that cannot be read or is none is told at the start, with exit code 1", async () => {
    const cases = [
      [path.join(folder, "none.json"), /none\.json cannot be read \(ENOENT\)/],
      [path.join(folder, "none.mjs"), /none\.mjs: .*Cannot find module/],
      [await file("tasks.yaml", "a: 1"), /a script is a \.json, \.js, \.mjs or \.cjs file/],
      [await file("throws.mjs", "throw new Error('of its own');"), /throws\.mjs: of its own/],
      [await file("syntax.mjs", "export default {"), /syntax\.mjs: .*SyntaxError/s],
      [await file("nothing.mjs", "export const tasks = {};"), /no default export/],
      [await file("exits.mjs", "process.exit(0);"), /ended before it gave its tasks/],
      [await file("wrong.json", '{ "t": { "steps": [{ "sleep": 1 }] } }'), /task "t": .*sleep/],
    ];
    for (const [script, why] of cases) {
      const { code, stdout, stderr } = await ended("emulator", "--port", "0", "--script", script);
      assert.deepEqual([code, stdout], [1, ""], stderr);
      assert.match(stderr, why);
    }
  });
});
