/** Every code that is thrown stands in the registry, with its class and what mends it; and none that is not thrown. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import * as native from "trigger-native";
import { registryOf, written } from "../scripts/lib/errors.mjs";
import { root } from "../scripts/lib/run.mjs";

const codes = registryOf(root);
const classesOf = (code) => [codes[code]?.class].flat();

/** What the core throws: its table, with the class that each kind becomes. */
const CLASSES = {
  Connection: "ApiConnectionError",
  Timeout: "TimeoutError",
  Protocol: "ProtocolError",
  NoProgress: "NoProgressError",
  Config: "ConfigError",
  Argument: "ArgumentError",
  Decode: "DecodeError",
  Aborted: "DOMException",
  Internal: "TriggerNativeError",
};
const table = readFileSync(path.join(root, "src", "error", "code.rs"), "utf8");
const core = [...table.matchAll(/=> "(ERR_\w+)", (\w+);/g)].map(([, code, kind]) => ({ code, kind }));

/** What the face throws. */
const files = ["index.js", "emulator.js", ...readdirSync(path.join(root, "js"), { recursive: true, encoding: "utf8" })]
  .filter((name) => name.endsWith("js") && !name.endsWith("codes.js"))
  .map((name) =>
    readFileSync(path.join(root, name.includes("index") || name === "emulator.js" ? "" : "js", name), "utf8"),
  );
const face = files.flatMap((text) => [
  ...[...text.matchAll(/(?:\b(?:errors\.)?(\w+Error)|failure)\(\s*"(ERR_\w+)"/g)].map(([, name, code]) => ({
    code,
    name,
  })),
  ...[...text.matchAll(/\bhint\(\s*"(\w+)"/g)].map(([, name]) => ({ code: `ERR_${name}`, name: "TriggerNativeError" })),
]);

describe("a code", () => {
  test("that is thrown stands in the registry, with the class it is thrown with", () => {
    assert.ok(core.length > 40 && face.length > 50);
    for (const { code, kind } of core) {
      const expected = kind === "Api" ? classesOf(code)[0] : CLASSES[kind];
      assert.ok(expected && classesOf(code).includes(expected), `${code} of the core`);
    }
    for (const { code, name } of face) {
      assert.ok(classesOf(code).includes(name ?? "Error"), `${code}, thrown as ${name ?? "Error"}`);
    }
  });

  test("that stands in the registry is thrown", () => {
    const thrown = new Set([...core, ...face].map(({ code }) => code));
    assert.deepEqual(
      Object.keys(codes).filter((code) => !thrown.has(code)),
      [],
    );
  });

  test("is written in the face only as one of the registry", () => {
    const named = files.flatMap((text) => [...text.matchAll(/\bERR_[A-Z_]+\b/g)].map(([code]) => code));
    assert.deepEqual(
      named.filter((code) => !(code in codes)),
      [],
    );
  });

  test("has a class that is exported, one sentence of when and one of what mends it", () => {
    for (const [code, { when, fix }] of Object.entries(codes)) {
      for (const name of classesOf(code)) assert.ok(name in native || ["Error", "DOMException"].includes(name), code);
      assert.match(when, /^[A-Z`].+\.$/, code);
      assert.match(fix, /^[A-Z`].+\.$/, code);
    }
  });

  test("of a status has the status's class", () => {
    const statuses = { ERR_BAD_REQUEST: 400, ERR_AUTHENTICATION: 401, ERR_PERMISSION_DENIED: 403, ERR_NOT_FOUND: 404 };
    const more = {
      ERR_CONFLICT: 409,
      ERR_UNPROCESSABLE_ENTITY: 422,
      ERR_RATE_LIMIT: 429,
      ERR_SERVER: 502,
      ERR_API: 418,
    };
    const all = { ...statuses, ...more };
    for (const [code, status] of Object.entries(all)) {
      const error = native.ApiError.generate(status, undefined, undefined, undefined);
      assert.equal(error.constructor.name, classesOf(code)[0], code);
    }
    assert.deepEqual(
      core.filter(({ kind }) => kind === "Api").map(({ code }) => code),
      Object.keys(all),
    );
  });
});

test("docs/errors.md and the type ErrorCode are what `npm run errors -- --write` writes", () => {
  for (const { name, is, expected } of written(root)) assert.ok(is === expected, `${name}: npm run errors -- --write`);
});
