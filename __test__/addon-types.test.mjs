/** The declaration of the addon says what the Rust source and the addon itself have. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript-5";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const native = createRequire(import.meta.url)("../js/native/native.js");

/**
 * A function, or a class with its methods: parameters as `name: type`, and the result's type, as they are written.
 *
 * @typedef {{ parameters: [name: string, type: string][], result: string }} Signature
 * @typedef {Map<string, Signature | Map<string, Signature>>} Exports
 */

/** What `#[napi]` exports, by the names that JavaScript has for it. @returns {Exports} */
function ofRust() {
  /** @type {Exports} */
  const found = new Map();
  const folder = path.join(ROOT, "src", "bridge");
  for (const file of readdirSync(folder)) {
    const source = readFileSync(path.join(folder, file), "utf8").replace(/^\s*\/\/.*$/gm, "");
    const item = /#\[napi(?:\(([^)]*)\))?\]\s*(?:#\[[^\]]*\]\s*)*(?:pub )?(const|struct|impl|fn) (\w+)/g;
    let Class;
    for (const { index, 0: text, 1: options, 2: kind, 3: name } of source.matchAll(item)) {
      // Methods are indented.
      const isMember = /(?:^|\n)[ \t]+$/.test(source.slice(0, index));
      if (kind === "struct") found.set(name, found.get(name) ?? new Map());
      if (kind === "impl") Class = found.get(name) ?? found.set(name, new Map()).get(name);
      if (kind === "const") found.set(name, { parameters: [], result: "const" });
      if (kind !== "fn") continue;
      const signature = signatureOf(source.slice(index + text.length));
      if (!isMember) found.set(camel(name), signature);
      else Class.set(options?.includes("constructor") ? "constructor" : camel(name), signature);
    }
  }
  return found;
}

/** @param {string} text from after the name of a function */
function signatureOf(text) {
  const [, list, result = "()"] = /^(?:<[^(]*>)?\(([\s\S]*?)\)(?: -> ([^{]+))? \{/.exec(text) ?? [];
  const parameters = split(list)
    .filter((part) => !/^&?(?:mut )?self$/.test(part))
    .map((part) => part.split(/:\s*([\s\S]*)/, 2))
    // What napi gives itself.
    .filter(([, type]) => !/\bEnv$/.test(type))
    .map(([name, type]) => /** @type {[string, string]} */ ([camel(name), type]));
  return { parameters, result: result.trim().replace(/^napi::Result<([\s\S]*)>$/, "$1") };
}

/** The parts between commas that are in no brackets. @param {string} text */
function split(text) {
  const parts = [""];
  let depth = 0;
  for (const letter of text) {
    if ("<(".includes(letter)) depth += 1;
    if (">)".includes(letter)) depth -= 1;
    if (letter === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** @param {string} name */
const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

/** What the declaration says. @returns {Exports} */
function ofDeclaration() {
  const file = path.join(ROOT, "js", "native", "addon.d.ts");
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
  /** @type {Exports} */
  const found = new Map();
  /** @type {Map<string, string>} */
  const renamed = new Map();
  const text = (/** @type {import("typescript-5").Node | undefined} */ node) =>
    node?.getText(source).replace(/\s+/g, " ") ?? "void";
  const signature = (/** @type {any} */ node) => ({
    parameters: node.parameters.map((/** @type {any} */ one) => [one.name.text, text(one.type)]),
    result: text(node.type),
  });
  for (const node of source.statements) {
    if (ts.isExportDeclaration(node) && node.exportClause && ts.isNamedExports(node.exportClause)) {
      for (const { name, propertyName } of node.exportClause.elements) renamed.set(propertyName?.text ?? "", name.text);
    }
    if (ts.isFunctionDeclaration(node)) found.set(node.name?.text ?? "", signature(node));
    if (ts.isClassDeclaration(node)) {
      const members = new Map();
      for (const member of node.members) {
        const isHidden = ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private;
        if (ts.isConstructorDeclaration(member) && !isHidden) members.set("constructor", signature(member));
        if (ts.isMethodDeclaration(member)) members.set(text(member.name), signature(member));
      }
      found.set(node.name?.text ?? "", members);
    }
    if (ts.isVariableStatement(node) && node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) {
      found.set(text(node.declarationList.declarations[0].name), { parameters: [], result: "const" });
    }
  }
  for (const [from, to] of renamed) {
    found.set(to, /** @type {Signature} */ (found.get(from)));
    found.delete(from);
  }
  return found;
}

/** What each type of a parameter may be declared as. @type {[RegExp, string | RegExp][]} */
const PARAMETERS = [
  [/^String$/, /^(string|Json<.*>)$/],
  [/^(u16|u32|f64)$/, "number"],
  [/^BigInt$/, "bigint"],
  [/^bool$/, "boolean"],
  [/^&\[u8\]$/, "Uint8Array"],
  [/^&External<(\w+)>$|^&(\w+)$/, "$1$2"],
  [/^Function<.*FnArgs<\(u32, String\)>, \(\)>$/, "(ticket: number, head: string) => void"],
  [/^Function<'_, String, \(\)>$/, "(text: string) => void"],
  [/^Function<'_, Text, \(\)>$/, /^\(\w+: Json<.*>\) => void$/],
];

/** Likewise of a result. @type {[RegExp, string | RegExp][]} */
const RESULTS = [
  [/^const$/, "const"],
  [/^\(\)$/, "void"],
  [/^String$/, /^(string|Json<.*>)$/],
  [/^Option<(String|JsString<'env>)>$/, /^(string|Json<.*>) \| null$/],
  [/^bool$/, "boolean"],
  [/^u32$/, "number"],
  [/^External<(\w+)>$/, "$1"],
  // A promise, whatever it is of.
  [/^Object<'(?:env|_)>$/, /^Promise<.*>$/],
  [/^Either<External<(\w+)>, String>$|^Either<(\w+), String>$/, /^(\w+) \| Json<Failed>$/],
  [/^Either<Text, u32>$/, /^Next<\w+>$/],
  [/^Self$/, "void"],
];

/** @param {[RegExp, string | RegExp][]} known @param {string} rust @param {string} declared */
function agrees(known, rust, declared) {
  const entry = known.find(([type]) => type.test(rust));
  if (entry === undefined) return false;
  const [type, wanted] = entry;
  return typeof wanted === "string" ? declared === rust.replace(type, wanted) : wanted.test(declared);
}

/** @param {string} rust @param {string} declared */
function agreesParameter(rust, declared) {
  const optional = /^Option<(.*)>$/s.exec(rust)?.[1];
  if (optional === undefined) return agrees(PARAMETERS, rust, declared);
  const inner = /^Maybe<(.*)>$/.exec(declared)?.[1];
  return inner !== undefined && agrees(PARAMETERS, optional, inner);
}

/** @param {string} name @param {Signature} rust @param {Signature} declared */
function compare(name, rust, declared) {
  assert.deepEqual(
    declared.parameters.map(([parameter]) => parameter),
    rust.parameters.map(([parameter]) => parameter),
    `the parameters of ${name}`,
  );
  for (const [at, [parameter, type]] of rust.parameters.entries()) {
    const written = declared.parameters[at][1];
    assert.ok(agreesParameter(type, written), `${name}: ${parameter} is ${type}, and declared as ${written}`);
  }
  assert.ok(
    agrees(RESULTS, rust.result, declared.result),
    `${name} gives ${rust.result}, and is declared to give ${declared.result}`,
  );
}

const sorted = (/** @type {Iterable<string>} */ names) => [...names].sort();

describe("the declaration of the addon", () => {
  const rust = ofRust();
  const declared = ofDeclaration();

  it("names what the Rust source exports, and nothing else", () => {
    assert.ok(rust.size > 25, `${rust.size} exports`);
    assert.deepEqual(sorted(declared.keys()), sorted(rust.keys()));
    for (const [name, members] of rust) {
      if (!(members instanceof Map)) continue;
      const written = declared.get(name);
      assert.ok(written instanceof Map, `${name} is a class`);
      assert.deepEqual(sorted(written.keys()), sorted(members.keys()), `the methods of ${name}`);
    }
  });

  it("has every parameter and every kind of result of the Rust source", () => {
    for (const [name, one] of rust) {
      const other = declared.get(name);
      if (!(one instanceof Map)) {
        compare(name, one, /** @type {Signature} */ (other));
        continue;
      }
      for (const [method, signature] of one) {
        compare(`${name}.${method}`, signature, /** @type {any} */ (other).get(method));
      }
    }
  });

  it("names what the addon itself exports, with every method of its classes", () => {
    assert.deepEqual(sorted(declared.keys()), sorted(Object.keys(native)));
    for (const [name, members] of declared) {
      if (!(members instanceof Map)) continue;
      const own = Object.getOwnPropertyNames(native[name].prototype).filter((method) => method !== "constructor");
      assert.deepEqual(
        sorted(own),
        sorted([...members.keys()].filter((method) => method !== "constructor")),
        `the methods of ${name}`,
      );
    }
  });
});
