/**
 * The skill for coding assistants: it is of this version, and each mistake that it warns of meets what it says that it
 * meets here.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { ArgumentError, auth, createRealtimeHandler, runs, tasks } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
import { parse } from "yaml";
import { root, tool } from "../scripts/lib/run.mjs";

const PAGE = "skills/trigger-native/SKILL.md";
const text = readFileSync(path.join(root, PAGE), "utf8");
const HOME = path.join(root, "target", "skill");

/** What each mistake is said to meet, in the skill's order. */
const here = [...text.matchAll(/^ {3}- Here: (.*)$/gm)].map(([, said]) => said);
const says = (number, ...words) => {
  for (const word of words) assert.ok(here[number - 1].includes(word), `mistake ${number} says ${word}`);
};

let emulator;
before(async () => {
  emulator = await startEmulator();
  process.env.TRIGGER_API_URL = emulator.url;
  process.env.TRIGGER_SECRET_KEY = emulator.secretKey;
});
after(() => emulator.stop());

/** The warning with this code, which `work` brings about. */
async function warned(code, work) {
  const warning = new Promise((resolve) => {
    const heard = (given) => {
      if (given.code !== code) return;
      process.off("warning", heard);
      resolve(given);
    };
    process.on("warning", heard);
  });
  await work();
  return warning;
}

/** What the compiler says of a module. */
async function compiled(name, code) {
  const folder = path.join(HOME, name);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "it.ts"), code);
  const settings = { extends: "../../../tsconfig.json", compilerOptions: { moduleDetection: "force" }, include: ["*"] };
  await writeFile(path.join(folder, "tsconfig.json"), JSON.stringify(settings));
  const [node, compiler] = tool("typescript/bin/tsc");
  const child = spawn(node, [compiler, "-p", folder, "--pretty", "false"]);
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (more) => {
    said += more;
  });
  await new Promise((resolve) => child.on("close", resolve));
  return said.split("\n").filter((line) => line.includes("error TS"));
}

describe("the front matter", () => {
  const matter = parse(/^---\n(.*?)^---$/ms.exec(text)[1]);

  test("names the skill as its folder is named, and says when it is to be read", () => {
    assert.equal(matter.name, path.basename(path.dirname(PAGE)));
    assert.ok(matter.description.length > 100 && matter.description.length <= 1024, `${matter.description.length}`);
    assert.equal(matter.library, "trigger-native");
  });

  test("is of the version of the package", () => {
    assert.equal(matter.library_version, JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")).version);
  });

  test("names sources that are there", () => {
    assert.ok(matter.sources.length > 3);
    for (const source of matter.sources) assert.ok(existsSync(path.join(root, source)), source);
  });
});

describe("mistake", () => {
  test("are six, each with what is wrong, what is right and what it meets", () => {
    for (const kind of ["Wrong", "Right", "Here"]) assert.equal(text.split(`\n   - ${kind}: `).length - 1, 6, kind);
  });

  describe("1, triggering with a read token", () => {
    let token;
    before(async () => {
      const { id } = await tasks.trigger("hello", {});
      token = await auth.createPublicToken({ scopes: { read: { runs: id } } });
    });
    const triggersSoFar = async () => (await emulator.stats()).byRoute["POST /api/v1/tasks/{id}/trigger"];

    test("is refused before it is sent", async () => {
      says(1, "ERR_MISSING_SCOPE");
      const sent = await triggersSoFar();
      const trigger = auth.withAuth({ accessToken: token }, () => tasks.trigger("export", {}));
      await assert.rejects(trigger, {
        code: "ERR_MISSING_SCOPE",
        message: /auth\.createTriggerPublicToken\("export"\)/,
      });
      assert.equal(await triggersSoFar(), sent);
    });

    for (const way of ["the handler", "a listener"]) {
      test(`is refused by the relay, before it is sent: ${way}`, async (t) => {
        says(1, "relay");
        const handler = createRealtimeHandler();
        t.after(() => handler.close());
        const listening = way === "a listener" ? await handler.listen() : undefined;
        const ask = async (path, accessToken) => {
          const headers = { authorization: `Bearer ${accessToken}`, "content-type": "application/json" };
          const init = { method: "POST", headers, body: JSON.stringify({ payload: {} }) };
          return listening
            ? fetch(listening.url + path, init)
            : handler(new Request(`https://app.example${path}`, init));
        };
        const sent = await triggersSoFar();
        const refused = await ask("/api/v1/tasks/export/trigger", token);
        const said = await refused.json();
        assert.deepEqual([refused.status, said.code, said.type], [403, "unauthorized", "authorization"]);
        assert.match(said.hint, /auth\.createTriggerPublicToken/);
        const batch = await ask("/api/v3/batches", token);
        assert.equal(batch.status, 403);
        assert.match((await batch.json()).hint, /auth\.createBatchTriggerPublicToken/);
        assert.equal(await triggersSoFar(), sent);
        // A call with the right token goes through; where the relay cannot decide, the server does.
        assert.equal(
          (await ask("/api/v1/tasks/export/trigger", await auth.createTriggerPublicToken("export"))).status,
          200,
        );
        assert.equal((await ask("/api/v1/tasks/export/trigger", emulator.secretKey)).status, 200);
        const forged = `${token.slice(0, -6)}abcdef`;
        assert.equal((await ask("/api/v1/tasks/export/trigger", forged)).status, 401);
        assert.equal(await triggersSoFar(), sent + 3);
      });
    }
  });

  test("2, a token without scopes: a warning under a root key", async () => {
    says(2, "TRIGGER_NATIVE_NO_SCOPES");
    await warned("TRIGGER_NATIVE_NO_SCOPES", () => auth.createPublicToken());
  });

  test("2, a token without scopes: an error where the key demands them", async () => {
    says(2, "an error");
    const key = `tr_dev_sk_${"a".repeat(24)}`;
    const own = await startEmulator({ additionalKeys: [{ key, scopes: ["read:runs"] }] });
    try {
      const make = auth.withAuth({ baseURL: own.url, accessToken: key }, () => auth.createPublicToken());
      await assert.rejects(make, (error) => error instanceof ArgumentError && /at least one scope/.test(error.message));
    } finally {
      await own.stop();
    }
  });

  test("3, polling: a warning at the tenth look", async () => {
    says(3, "tenth", "TRIGGER_NATIVE_POLLING");
    const { id } = await tasks.trigger("stuck", {});
    const heard = [];
    process.on("warning", ({ code }) => heard.push(code));
    for (let look = 1; look < 10; look += 1) await runs.retrieve(id);
    assert.ok(!heard.includes("TRIGGER_NATIVE_POLLING"));
    await warned("TRIGGER_NATIVE_POLLING", () => runs.retrieve(id));
  });

  test("4, the package in a client component: one sentence", async () => {
    says(4, "one sentence");
    const { exports } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
    for (const condition of ["browser", "edge-light"]) {
      const file = path.join(root, exports["."][condition]);
      await assert.rejects(import(pathToFileURL(file).href), ({ message }) => {
        assert.match(
          message,
          /trigger-native runs on a server only.*client component use trigger-native\/react or @trigger\.dev\/react-hooks,.*trigger-native\/client\.$/,
        );
        return true;
      });
    }
  });

  test("5, shipping a large column: a warning that names it", async () => {
    says(5, "TRIGGER_NATIVE_LARGE_COLUMNS");
    const { id } = await tasks.trigger("hello", { text: "x".repeat(100_000) });
    const warning = await warned("TRIGGER_NATIVE_LARGE_COLUMNS", () => runs.subscribeToRun(id).toResponse().text());
    assert.match(warning.message, /skipColumns: \["payload"/);
  });

  test("5, a column that does not exist: a type error", async () => {
    says(5, "type error");
    const errors = await compiled(
      "column",
      `import { auth, runs } from "trigger-native";
export const feed = runs.subscribeToRun("run_1", { skipColumns: ["payloads"] });
export const token = auth.createPublicToken({ realtime: { skipColumns: ["outputs"] } });
export const right = runs.subscribeToRun("run_1", { skipColumns: ["payload"] });
`,
    );
    assert.equal(errors.length, 2, errors.join("\n"));
    assert.match(errors[0], /^.*\(2,.*"payloads"/);
    assert.match(errors[1], /^.*\(3,.*"outputs"/);
  });

  test("6, subscribing without an id: refused at once", () => {
    says(6, "ERR_INVALID_ID");
    const handle = undefined;
    assert.throws(
      () => runs.subscribeToRun(handle?.id),
      (error) => error instanceof ArgumentError && error.code === "ERR_INVALID_ID",
    );
  });

  test("6, subscribing to a handle that may be undefined: a type error", async () => {
    says(6, "type error");
    const errors = await compiled(
      "handle",
      `import { runs } from "trigger-native";
export function feeds(handle: { id: string } | undefined) {
  const wrong = [runs.subscribeToRun(handle?.id), runs.subscribeToRun(handle)];
  return handle ? runs.subscribeToRun(handle) : wrong;
}
`,
    );
    assert.equal(errors.length, 2, errors.join("\n"));
    for (const error of errors) assert.match(error, /\(3,.*undefined/);
  });
});
