// The mutants of the face, as StrykerJS finds them, and the copies of the project in target/mutants-js into which those of a
// sample are woven. A file in the copy chooses one: tests start processes whose environment is their own.

import { cp, link, mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { INSTRUMENTER_CONSTANTS } from "@stryker-mutator/api/core";
import { Instrumenter } from "@stryker-mutator/instrumenter";
import { root, StepError } from "../run.mjs";

/** @typedef {import("./weave.mjs").Listed} Listed */
/** @typedef {import("./weave.mjs").Position} Position */
/** @typedef {import("./weave.mjs").Span} Span */

/** Each runs one test file at a time. */
export const TREES = ["one", "two"].map((name) => path.join(root, "target", "mutants-js", name));

/**
 * What the processes of a copy do.
 *
 * @typedef {object} Choice
 * @property {string} [active] the mutant
 * @property {string} [reached] the file to which reached mutants are written
 */

/** What is not ours to change: another project's code, and a registry that only the documentation reads. */
export const LEFT_OUT = ["js/calls/superjson.js", "js/errors/codes.js", "browser/superjson.mjs"];

/** The file that says what is chosen. @param {string} tree */
const choice = (tree) => path.join(tree, "target", "choice.json");

/**
 * Reads what is chosen. Writes a mutant down when it is reached for the first time: the instrumented code counts in an
 * object, which would be read when a process ends, and tests end processes in every way. Tests bundle it for pages, too,
 * where there is no file to write to.
 *
 * @param {string} tree
 */
const recorder = (tree) => `"use strict";
const files = globalThis.process?.getBuiltinModule("node:fs");
const space = (globalThis[${JSON.stringify(INSTRUMENTER_CONSTANTS.NAMESPACE)}] ??= {});
const counts = ${JSON.stringify(INSTRUMENTER_CONSTANTS.MUTATION_COVERAGE_OBJECT)};
if (!space[counts]) {
  const { active, reached } = require(${JSON.stringify(choice(tree))});
  const set = (known, id, count) => {
    if (reached && files && !(id in known)) files.appendFileSync(reached, id + "\\n");
    known[id] = count;
    return true;
  };
  space[counts] = { static: new Proxy({}, { set }), perTest: {} };
  space[${JSON.stringify(INSTRUMENTER_CONSTANTS.ACTIVE_MUTANT)}] = active;
}
`;

/** The folder of a copy in which it has programs of its own, to be put first in the `PATH` of its tests. @param {string} tree */
export const programs = (tree) => path.join(tree, "target", "bin");

/** Rust is the same in a copy: what its tests build with cargo is built once, in the project itself. @param {string} tree */
const cargo = (tree) => `#!/bin/sh
PATH="\${PATH#${programs(tree)}:}"
cd ${quoted(root)} && exec cargo "$@"
`;

/** @param {string} text for a shell */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const silent = () => undefined;
const never = () => false;
/** The instrumenter says nothing that a run would show. */
const logger = {
  ...{ trace: silent, debug: silent, info: silent, warn: silent, error: silent, fatal: silent },
  ...{ isTraceEnabled: never, isDebugEnabled: never, isInfoEnabled: never },
  ...{ isWarnEnabled: never, isErrorEnabled: never, isFatalEnabled: never },
};

/** @typedef {{ name: string, mutate: boolean | import("@stryker-mutator/instrumenter").File["mutate"], content: string }} Source */

/** @param {readonly import("@stryker-mutator/instrumenter").File[]} files */
async function instrumented(files) {
  const options = { plugins: null, excludedMutations: [], ignorers: [], noHeader: false };
  const result = await new Instrumenter(logger).instrument(files, options);
  // Lines count from 0 there.
  const mutants = result.mutants.map(({ id, fileName, location: { start, end }, mutatorName, replacement }) => ({
    id,
    file: fileName,
    genre: mutatorName,
    replacement,
    span: {
      start: { line: start.line + 1, column: start.column + 1 },
      end: { line: end.line + 1, column: end.column + 1 },
    },
  }));
  return { files: result.files, mutants };
}

/** @param {string} text @param {Span} span */
function between(text, { start, end }) {
  const lines = text.split("\n").slice(start.line - 1, end.line);
  lines[lines.length - 1] = (lines.at(-1) ?? "").slice(0, end.column - 1);
  lines[0] = (lines[0] ?? "").slice(start.column - 1);
  return lines.join("\n");
}

/** One line, and not a long one. @param {string} code */
function short(code) {
  const line = code.replace(/\s+/g, " ").trim();
  return line.length <= 60 ? line : `${line.slice(0, 40)} … ${line.slice(-17)}`;
}

/**
 * A text with a space is a sentence for people, or a name in one: what errors say is held by their codes.
 *
 * @param {string} genre
 * @param {string} original
 */
export const isProse = (genre, original) => genre === "StringLiteral" && /[^\s"'`]\s+[^\s"'`]/.test(original);

/**
 * All mutants of files but those of sentences.
 *
 * @param {ReadonlyMap<string, string>} texts the files by their names
 * @returns {Promise<{ mutants: Listed[], prose: number }>}
 */
export async function listed(texts) {
  const files = [...texts].map(([name, content]) => ({ name, content, mutate: true }));
  const { mutants: all } = await instrumented(files);
  /** @type {Listed[]} */
  const mutants = [];
  for (const { id: _, ...mutant } of all) {
    const original = between(texts.get(mutant.file) ?? "", mutant.span);
    if (isProse(mutant.genre, original)) continue;
    const { line, column } = mutant.span.start;
    const change = `replace ${short(original)} with ${short(mutant.replacement)}`;
    mutants.push({ ...mutant, name: `${mutant.file}:${line}:${column}: ${change}` });
  }
  return { mutants, prose: all.length - mutants.length };
}

/** @param {{ file: string, span: Span, genre: string, replacement: string }} mutant */
const keyOf = ({ file, span, genre, replacement }) => JSON.stringify([file, span, genre, replacement]);

/**
 * The files with the chosen mutants, and the name under which each can be made active.
 *
 * @param {ReadonlyMap<string, string>} texts
 * @param {readonly Listed[]} chosen
 * @returns {Promise<{ texts: Map<string, string>, ids: Map<Listed, string> }>}
 */
export async function woven(texts, chosen) {
  /** @param {Position} position */
  const from0 = ({ line, column }) => ({ line: line - 1, column: column - 1 });
  const files = [...new Set(chosen.map(({ file }) => file))].map((name) => ({
    name,
    content: texts.get(name) ?? "",
    mutate: chosen
      .filter(({ file }) => file === name)
      .map(({ span }) => ({ start: from0(span.start), end: from0(span.end) })),
  }));
  const result = await instrumented(files);
  const byKey = new Map(result.mutants.map((mutant) => [keyOf(mutant), mutant.id]));
  /** @type {Map<Listed, string>} */
  const ids = new Map();
  for (const mutant of chosen) {
    const id = byKey.get(keyOf(mutant));
    if (id === undefined) throw new StepError(`not found again: ${mutant.name}`);
    ids.set(mutant, id);
  }
  return { texts: new Map(result.files.map(({ name, content }) => [name, content])), ids };
}

/** Too large to copy. */
const LINKED = ["node_modules"];
const NOT_COPIED = ["target", ".git"];

/** @param {string} tree @param {Choice} chosen */
export async function choose(tree, chosen) {
  await writeFile(choice(tree), JSON.stringify(chosen));
}

/**
 * Makes a copy of the project anew, with these files in the place of its own, and no mutant active.
 *
 * @param {string} tree
 * @param {ReadonlyMap<string, string>} texts
 */
export async function copied(tree, texts) {
  await rm(tree, { recursive: true, force: true });
  await mkdir(programs(tree), { recursive: true });
  for (const name of await readdir(root)) {
    if (NOT_COPIED.includes(name)) continue;
    const [from, to] = [path.join(root, name), path.join(tree, name)];
    if (LINKED.includes(name)) await symlink(from, to);
    else await cp(from, to, { recursive: true, filter: (one) => !one.endsWith(".node") });
  }
  const addon = path.join("js", "native", "trigger-native.node");
  // No symbolic link: where an addon lies is the path that it names.
  await link(path.join(root, addon), path.join(tree, addon));
  const first = path.join(tree, "target", "recorder.cjs");
  await writeFile(first, recorder(tree));
  await writeFile(path.join(programs(tree), "cargo"), cargo(tree), { mode: 0o755 });
  await choose(tree, {});
  for (const [name, text] of texts) await writeFile(path.join(tree, name), begun(name, text, first));
}

/**
 * The text of a file that first loads the recorder, its lines where they were.
 *
 * @param {string} name
 * @param {string} text
 * @param {string} first the recorder
 */
function begun(name, text, first) {
  const [directive = ""] = /^"use (?:strict|client)";/.exec(text) ?? [];
  const loads = name.endsWith(".mjs") ? `import ${JSON.stringify(first)};` : `require(${JSON.stringify(first)});`;
  return `${directive} ${loads} ${text.slice(directive.length)}`;
}
