/** The declarations say of every name what it is, and of every function what it throws; docs/api.md says the same. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import * as native from "trigger-native";
import * as client from "trigger-native/client";
import * as emulator from "trigger-native/emulator";
import * as react from "trigger-native/react";
import { parts, render } from "../scripts/lib/api.mjs";
import { root } from "../scripts/lib/run.mjs";

const all = parts(root);
const entries = all.flatMap(({ entries }) => entries);
/** Types that users write values of: options, filters, scripts. */
const GIVEN =
  /(Options|Params|Config|Configuration|^Batch\w+Item|Body|Bounds|Properties|Permissions|Environment|Key|Script|Grant|Limits)$/;
const throwing = /@throws|\bthrows?\b/i;

describe("the declarations", () => {
  for (const [specifier, module] of [
    ["trigger-native", native],
    ["trigger-native/emulator", emulator],
    ["trigger-native/client", client],
    ["trigger-native/react", react],
  ]) {
    test(`have every export of ${specifier}, with what it is`, () => {
      const own = all.filter((part) => part.specifier === specifier).flatMap((part) => part.entries);
      const exported = Object.keys(module).filter((name) => name !== "default" && name !== "module.exports");
      assert.ok(exported.length > 0);
      for (const name of exported) assert.ok(own.find((entry) => entry.name === name)?.doc, name);
    });
  }

  test("say of every type what it is", () => {
    assert.deepEqual(
      entries.filter(({ doc }) => doc === "").map(({ name }) => name),
      [],
    );
  });

  test("say of every option what it does", () => {
    const given = entries.filter(({ name }) => GIVEN.test(name));
    assert.ok(given.length > 30);
    const silent = given.flatMap(({ name, members }) =>
      members.filter(({ doc }) => doc === "").map((member) => `${name}.${member.name}`),
    );
    assert.deepEqual(silent, []);
  });

  test("say of every function what it throws, or its namespace says it for all", () => {
    const silent = [];
    for (const { name, kind, doc, members } of entries) {
      if (kind === "function" && !throwing.test(doc)) silent.push(name);
      if (kind !== "const" || throwing.test(doc)) continue;
      for (const member of members)
        if (member.isFunction && !throwing.test(member.doc)) silent.push(`${name}.${member.name}`);
    }
    assert.deepEqual(silent, []);
  });
});

test("docs/api.md is what `npm run api` writes", () => {
  const written = readFileSync(path.join(root, "docs", "api.md"), "utf8");
  assert.ok(written === render(all), "run: npm run api");
});
