// The woven copy of the core in target/mutants/tree, and its test programs. What does not compile is no mutant.

import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { collect, root, StepError } from "../run.mjs";
import { blamed, SWITCH, weave } from "./weave.mjs";

/** @typedef {import("./weave.mjs").Mutant} Mutant */
/** @typedef {import("./weave.mjs").Range} Range */

export const tree = path.join(root, "target", "mutants", "tree");

const TESTS = ["test", "--no-run", "--no-default-features"];

/** Links: too many files to copy. */
const LINKED = ["node_modules"];
const LEFT_OUT = ["target", ".git", ".cargo"];

/** Makes the copy anew, without mutants. */
async function copied() {
  await mkdir(tree, { recursive: true });
  for (const name of await readdir(tree)) await rm(path.join(tree, name), { recursive: true, force: true });
  for (const name of await readdir(root)) {
    if (LEFT_OUT.includes(name)) continue;
    const [from, to] = [path.join(root, name), path.join(tree, name)];
    if (LINKED.includes(name)) await symlink(from, to);
    // Times are kept, so that cargo builds what changed.
    else await cp(from, to, { recursive: true, preserveTimestamps: true, filter: (one) => !one.endsWith(".node") });
  }
  // Cargo tells the packages in a target folder apart by name and version: with its own version, the copy shares what is
  // compiled of other crates, and nothing of it is ever taken for the core.
  for (const name of ["Cargo.toml", "Cargo.lock"]) {
    const file = path.join(tree, name);
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace(/^(name = "trigger-native"\nversion = "[^"]+)"/m, '$1-mutants"'));
  }
  // JavaScript takes no addon of another version.
  const version = path.join(tree, "src", "bridge", "version.rs");
  const own = JSON.stringify(JSON.parse(await readFile(path.join(root, "package.json"), "utf8")).version);
  await writeFile(version, (await readFile(version, "utf8")).replace('env!("CARGO_PKG_VERSION")', own));
  const lib = path.join(tree, "src", "lib.rs");
  await writeFile(lib, (await readFile(lib, "utf8")) + SWITCH);
}

/**
 * Writes the sources with their mutants.
 *
 * @param {readonly Mutant[]} mutants
 * @param {readonly Mutant[]} before those that were woven until now: a file may have lost its last
 * @param {Map<string, string>} originals the files without mutants, by name, as far as they were read
 * @returns {Promise<Map<string, Range[]>>}
 */
async function woven(mutants, before, originals) {
  /** @type {Map<string, Range[]>} */
  const ranges = new Map();
  /** @type {Map<string, Mutant[]>} */
  const files = new Map(before.map(({ file }) => [file, []]));
  for (const mutant of mutants) files.set(mutant.file, [...(files.get(mutant.file) ?? []), mutant]);
  for (const [file, own] of files) {
    if (file === "src/lib.rs") continue;
    const place = path.join(tree, file);
    const original = originals.get(file) ?? (await readFile(place, "utf8"));
    originals.set(file, original);
    const result = weave(original, own);
    ranges.set(file, result.ranges);
    if ((await readFile(place, "utf8")) !== result.text) await writeFile(place, result.text);
  }
  return ranges;
}

/**
 * Runs cargo in the copy.
 *
 * @param {readonly string[]} args
 * @returns {Promise<{ code: number, messages: any[], said: string }>}
 */
async function compiled(args) {
  const [command = "", ...rest] = args;
  const env = { ...process.env, CARGO_TARGET_DIR: path.join(root, "target") };
  const { code, out, said } = await collect("cargo", [command, "--message-format=json", ...rest], { cwd: tree, env });
  const lines = out.split("\n").filter((line) => line.startsWith("{"));
  return { code: code ?? 1, messages: lines.map((line) => JSON.parse(line)), said };
}

/**
 * Builds the test programs with all mutants that compile.
 *
 * @param {readonly Mutant[]} mutants
 * @param {(line: string) => void} say
 * @returns {Promise<{ viable: Mutant[], programs: { name: string, path: string }[] }>}
 */
export async function build(mutants, say) {
  await copied();
  let viable = [...mutants];
  /** @type {Map<string, string>} */
  const originals = new Map();
  // Types are checked before borrows, and both before other lints: a few rounds find all that does not compile.
  for (let round = 1; round <= 12; round += 1) {
    const ranges = await woven(viable, mutants, originals);
    const { code, messages, said } = await compiled([...TESTS, "--lib"]);
    if (code === 0) {
      say(`${viable.length} of ${mutants.length} mutants compile`);
      const all = await compiled([...TESTS, "--lib", "--tests"]);
      if (all.code !== 0) throw new StepError(`the tests did not build:\n${all.said.slice(-3_000)}`);
      const programs = all.messages
        .filter(({ reason, executable, profile }) => reason === "compiler-artifact" && executable && profile.test)
        .map(({ executable, target }) => ({ name: target.name, path: executable }));
      // The library's own tests first: they are the fastest.
      programs.sort((one, other) => Number(other.name.startsWith("trigger")) - Number(one.name.startsWith("trigger")));
      return { viable, programs };
    }
    const errors = messages.filter(({ reason, message }) => reason === "compiler-message" && message.level === "error");
    const out = new Set(errors.flatMap(({ message }) => blamed(message, ranges)));
    if (out.size === 0) {
      const rendered = errors.map(({ message }) => message.rendered).join("\n");
      throw new StepError(`the copy with mutants does not compile:\n${(rendered || said).slice(-4_000)}`);
    }
    say(`round ${round}: ${out.size} mutants do not compile`);
    viable = viable.filter(({ id }) => !out.has(id));
  }
  throw new StepError("no end of mutants that do not compile");
}

/** Builds the addon with the mutants of the last build, and puts it where the copy's JavaScript looks for it. */
export async function addon() {
  const { code, messages, said } = await compiled(["build", "--lib"]);
  if (code !== 0) throw new StepError(`the addon with mutants did not build:\n${said.slice(-3_000)}`);
  const built = messages
    .flatMap(({ filenames }) => filenames ?? [])
    .findLast((name) => /trigger_native\.(so|dylib)$/.test(name));
  if (!built) throw new StepError("cargo made no addon with mutants");
  await cp(built, path.join(tree, "js", "native", "trigger-native.node"));
}
