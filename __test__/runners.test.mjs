// Tests of a program that uses the package run in every test runner, without flags: those that load modules by themselves
// refuse what Node's own loader takes.

import { cp, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { capture, npmCommand, root } from "../scripts/lib/run.mjs";
import { temporary } from "./support/packages.mjs";

const RUNNERS = { jest: "30.5.2", vitest: "3.2.4" };

/** What a package needs of this one. */
const FILES = ["package.json", "index.js", "emulator.js", "js"];

/** The same test for each runner, which brings `test` and `expect`. */
const TEST = `
test("an object is triggered, followed and read with its types", async () => {
  const emulator = await startEmulator({ speed: 20 });
  try {
    configure({ baseURL: emulator.url, accessToken: emulator.secretKey });
    const payload = { at: new Date(0), seen: new Map([["a", new Set([1n])]]), none: undefined };
    const { id } = await tasks.trigger("echo", payload);
    let last;
    for await (const run of runs.subscribeToRun(id)) last = run;
    expect(last.status).toBe("COMPLETED");
    expect(last.output.at.getTime()).toBe(0);
    expect([...last.output.seen.get("a")]).toEqual([1n]);
    const text = await runs.subscribeToRun(id).toResponse(undefined, { superjson: true }).text();
    expect(text).toMatch(/"Date"/);
    await expect(runs.retrieve("run_unknown", { retry: { maxAttempts: 1 } })).rejects.toBeInstanceOf(NotFoundError);
    process.env = { ...process.env, TRIGGER_API_URL: emulator.url, TRIGGER_SECRET_KEY: emulator.secretKey };
    configure({});
    expect((await runs.retrieve(id)).id).toBe(id);
  } finally {
    await emulator.stop();
  }
});
`;
const NAMES = "{ NotFoundError, configure, runs, tasks }";

describe("a test of a program", () => {
  let home;
  let app;

  before(async () => {
    home = await temporary("runners");
    app = path.join(home.folder, "app");
    const own = path.join(app, "node_modules", "trigger-native");
    await mkdir(own, { recursive: true });
    const manifest = { private: true, devDependencies: RUNNERS };
    await writeFile(path.join(app, "package.json"), JSON.stringify(manifest));
    const [command, first] = npmCommand();
    await capture(command, [...first, "install", "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: app });
    await mkdir(own, { recursive: true });
    for (const name of FILES) await cp(path.join(root, name), path.join(own, name), { recursive: true });
    await writeFile(
      path.join(app, "jest.test.js"),
      `const ${NAMES} = require("trigger-native");\nconst { startEmulator } = require("trigger-native/emulator");\n${TEST}`,
    );
    await writeFile(
      path.join(app, "vitest.test.mjs"),
      `import { expect, test } from "vitest";\nimport ${NAMES} from "trigger-native";\nimport { startEmulator } from "trigger-native/emulator";\n${TEST}`,
    );
  });
  after(() => home.remove());

  /** @param {string} file @param {string[]} given */
  const run = (file, given) =>
    capture(process.execPath, [path.join(app, "node_modules", file), ...given], { cwd: app });

  it("passes in Jest", async () => {
    await run("jest/bin/jest.js", ["--rootDir", app, "--testMatch", "**/jest.test.js"]);
  });

  for (const pool of ["forks", "threads", "vmThreads", "vmForks"]) {
    it(`passes in Vitest's ${pool}`, async () => {
      await run("vitest/vitest.mjs", ["run", "--pool", pool, "vitest.test.mjs"]);
    });
  }
});
