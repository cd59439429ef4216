// docs/limits.md says what holds: each default is its constant's, each test is there. And limits that no other test meets.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { serveCalls } from "./support/calls-server.mjs";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const sdk = createRequire(import.meta.url)("../index.js");

const read = (file) => readFileSync(path.join(ROOT, file), "utf8");
const within = (folder, ending) =>
  readdirSync(path.join(ROOT, folder), { recursive: true })
    .filter((name) => name.endsWith(ending))
    .map((name) => read(path.join(folder, name)));
const rust = [...within("src", ".rs"), ...within("tests", ".rs")].join("\n");
const titles = within("__test__", ".test.mjs").join("\n");

/** The rows of the table: limit, default, option, what is beyond it, constant, test. */
const rows = read("docs/limits.md")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| **") && !line.startsWith("| limit "))
  .map((line) => line.slice(2, -2).split(" | "));

const quoted = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name);

/** The value of a constant, a field or an option as its file writes it: a number, or a time in milliseconds. */
function constantOf(file, name) {
  const text = read(file).replace(/^\s*\/\/.*$/gm, "");
  const written = new RegExp(`\\b${name}(?:: [\\w:]+ =|:| =) ?((?:Duration::from_\\w+\\()?\\d[^;,{}]*)[;,]`).exec(text);
  const struct = new RegExp(`\\b${name}: Self =\\s*Self \\{[^}]*?(\\w+): (Duration::from_secs\\(\\d+\\))[^}]*\\}`).exec(
    text,
  );
  const expression = (struct ? lastField(struct[0], name) : written?.[1])?.replaceAll("_", "").trim();
  assert.ok(expression, `${file} has no ${name}`);
  const time = /^(?:Duration::)?from(secs|millis)\((.+)\)$/i.exec(expression.replace("from_", "from"));
  const number = time ? time[2] : expression;
  assert.match(number, /^[\d\s*<()]+$/, `${file} ${name}`);
  const value = Function(`return ${number}`)();
  return { value, ms: time ? value * (time[1] === "secs" ? 1_000 : 1) : undefined };
}

/** Of the two times of a constant, the one that the page names. @param {string} text @param {string} name */
function lastField(text, name) {
  return /(Duration::from_secs\(\d+\))/.exec(text.slice(text.indexOf(name === "CALL" ? "attempt" : "idle")))?.[0];
}

/** The ways in which the page may write a value. */
function waysToWrite({ value, ms }) {
  const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");
  if (ms !== undefined) return [`${ms / 1_000} s`];
  return [
    grouped(value),
    `${grouped(value / 1_024)} KiB`,
    `${grouped(value / 1_024 / 1_024)} MiB`,
    `${value / 1_000} s`,
  ];
}

describe("docs/limits.md", () => {
  test("has rows of six cells, each limit once", () => {
    assert.ok(rows.length > 50, String(rows.length));
    for (const row of rows) assert.equal(row.length, 6, row.join(" | "));
    const limits = rows.map(([limit, , , , constant]) => `${limit} ${constant}`);
    assert.equal(new Set(limits).size, limits.length);
  });

  for (const [limit, standing, , , constant, proof] of rows) {
    test(`${limit} (${constant}): the default is the constant's, and the test is there`, () => {
      const [file, name, ...rest] = quoted(constant);
      assert.deepEqual(rest, []);
      assert.match(read(file), new RegExp(`\\b${name}\\b`), `${file} has no ${name}`);
      if (/^\d/.test(standing) && !/levels$/.test(standing)) {
        const ways = waysToWrite(constantOf(file, name));
        assert.ok(
          ways.some((way) => standing === way || standing.startsWith(`${way} (`)),
          `${standing} is none of ${ways}`,
        );
      }
      const tests = quoted(proof);
      assert.ok(tests.length > 0, "no test");
      for (const each of tests) {
        const isRust = /^[a-z0-9]+(_[a-z0-9]+)+$/.test(each);
        // A test in a group is named after both.
        const parts = isRust ? [] : each.split(": ");
        if (isRust) assert.ok(rust.includes(`fn ${each}(`), each);
        for (const part of parts) assert.ok(titles.includes(part), part);
      }
    });
  }

  test("names every option of the relay's limits", () => {
    const declared = /interface RelayLimits \{([\s\S]*?)\n\}/.exec(within("types", "relay.d.ts").join("\n"))?.[1] ?? "";
    const options = [...declared.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name);
    assert.ok(options.length > 10);
    const named = rows.flatMap(([, , option]) => quoted(option));
    for (const option of options) assert.ok(named.includes(`limits.${option}`), option);
  });
});

describe("a limit", { timeout: 300_000 }, () => {
  test("of a batch's items: a source without an end is refused", async (t) => {
    await configured(t);
    const item = { payload: 1 };
    const endless = { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: item }) }) };
    await assert.rejects(sdk.tasks.batchTrigger("t", endless), { code: "ERR_BATCH_TOO_LARGE" });
  });

  test("of idempotency keys: the memory of keys is bounded", async (t) => {
    const server = await configured(t);
    const sent = async (idempotencyKey) => {
      await sdk.tasks.trigger("t", 1, { idempotencyKey });
      return JSON.parse(server.requests.at(-1).body).options.idempotencyKeyOptions?.key;
    };
    const first = await sdk.idempotencyKeys.create("the first");
    assert.equal(await sent(first), "the first");
    for (let at = 0; at < 10_000; at++) await sdk.idempotencyKeys.create(`later ${at}`);
    assert.equal(await sent(first), undefined);
    const last = await sdk.idempotencyKeys.create("x".repeat(5 << 20));
    await sent(last);
    assert.equal(await sent(await sdk.idempotencyKeys.create("after a long one")), "after a long one");
  });
});

async function configured(t) {
  const server = await serveCalls(t, () => ({ body: { id: "run_1" } }));
  sdk.configure({ baseURL: server.url, accessToken: "tr_dev_limitsnotasecret0" });
  t.after(() => sdk.configure({}));
  return server;
}
