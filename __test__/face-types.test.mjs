/** The face compiles under `strict` (`tsconfig.js.json`); an `any` in its types says beside it why it is one. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** The files of the face. `superjson.js` is a copy. */
const files = ["index.js", "emulator.js", "bin", "js"]
  .flatMap((name) => {
    if (name.endsWith(".js")) return [name];
    const within = /** @type {string[]} */ (readdirSync(path.join(ROOT, name), { recursive: true }));
    return within.map((file) => path.join(name, file));
  })
  .filter((file) => /\.(js|d\.ts)$/.test(file) && path.basename(file) !== "superjson.js");

/** The types that a comment writes in braces. @param {string} comment */
function typesOf(comment) {
  const types = [];
  let depth = 0;
  let type = "";
  for (const [at, letter] of [...comment].entries()) {
    if (letter === "{" && (depth > 0 || /@\w+ $/.test(comment.slice(0, at)))) depth += 1;
    if (depth > 0) type += letter;
    if (letter === "}" && depth > 0 && --depth === 0) {
      types.push(type);
      type = "";
    }
  }
  return types;
}

/** Whether a type has `any` in it: no key of that name, and no text. @param {string} type */
const hasAny = (type) => /(?<!["\w])any(?!["\w:])/.test(type);

test("every `any` of the face says why it is one", () => {
  assert.ok(files.length > 60, `${files.length} files`);
  /** @type {string[]} */
  const unexplained = [];
  for (const file of files) {
    const text = readFileSync(path.join(ROOT, file), "utf8");
    if (file.endsWith(".d.ts")) {
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
      if (hasAny(code) && !text.includes("`any`")) unexplained.push(file);
      continue;
    }
    for (const [comment] of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
      if (typesOf(comment).some(hasAny) && !comment.includes("`any`")) unexplained.push(`${file}: ${comment}`);
    }
  }
  assert.deepEqual(unexplained, []);
});

test("the face is checked under `strict`", () => {
  const { compilerOptions, include } = options("tsconfig.js.json");
  assert.equal(compilerOptions.strict, true);
  assert.ok(!("noImplicitAny" in compilerOptions || "strictNullChecks" in compilerOptions));
  for (const files of ["index.js", "emulator.js", "bin/*.js", "js/**/*.js"]) assert.ok(include.includes(files), files);
});

/** @param {string} name */
function options(name) {
  return JSON.parse(readFileSync(path.join(ROOT, name), "utf8").replace(/^\s*\/\/.*$/gm, ""));
}
