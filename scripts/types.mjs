// Runs TypeScript's compiler over the declarations, in every way that users resolve modules, and over our own JavaScript.
// The declarations are also checked by TypeScript 5.9, the last compiler before version 7.

import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { blocks, COMPILED, fileOf } from "./lib/docs-code.mjs";
import { isMain, root, StepError, script, step, tool } from "./lib/run.mjs";
import { ensurePackages } from "./setup.mjs";

const consumers = "__test__/types/consumers";

const TYPESCRIPT_7 = "typescript";
const TYPESCRIPT_5 = "typescript-5";

/** Project files inside the repository, with what each proves. */
const projects = [
  ["a consumer that resolves as Node does (node16)", `${consumers}/tsconfig.node16.json`],
  ["a consumer that resolves as Node does (nodenext)", `${consumers}/tsconfig.nodenext.json`],
  ["a consumer that bundles (bundler)", `${consumers}/tsconfig.bundler.json`],
  ["options that may be undefined (exactOptionalPropertyTypes)", `${consumers}/tsconfig.exact.json`],
  ["the JavaScript: the face, the scripts and the demo", "tsconfig.js.json"],
  ["the emulator's page", "tsconfig.page.json"],
];

/** Checks everything; the first failure ends it. */
export async function checkTypes() {
  await bothCompilers("against the official SDK", "tsconfig.json");
  for (const [what, project] of projects) await tsc(what, project);
  await withOurImport();
  await codeOfDocs();
  await withoutTheSdk();
}

/** Code written against an official package, and where ours of the same names is imported from. */
const REPLACED = [
  ["routes.ts", "@trigger.dev/sdk", "trigger-native"],
  ["hooks.tsx", "@trigger.dev/react-hooks", "trigger-native/react"],
];

/**
 * Code written against the official packages, which the first project compiled as it is, with the import replaced: the
 * one change users make. The tasks it names stay with the official SDK.
 */
async function withOurImport() {
  const source = path.join(root, "__test__", "types");
  const home = path.join(root, "target", "types-of-routes");
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  for (const name of ["tasks.ts", "support.ts"]) await cp(path.join(source, name), path.join(home, name));
  for (const [name, official, ours] of REPLACED) {
    const code = await readFile(path.join(source, name), "utf8");
    const replaced = code.replaceAll(`from "${official}"`, `from "${ours}"`);
    if (replaced === code || replaced.includes(`"${official}"`))
      throw new StepError(`no import of ${name} was replaced`);
    await writeFile(path.join(home, name), replaced);
  }
  const project = path.join(home, "tsconfig.json");
  await writeFile(project, JSON.stringify({ extends: "../../tsconfig.json", include: ["*.ts", "*.tsx"] }));
  await bothCompilers("routes and components with the import replaced", project);
}

/** The code in the documentation, as a reader would copy it. What it imports beside this package is stubbed. */
async function codeOfDocs() {
  const home = path.join(root, "target", "types-of-docs");
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  const compiled = blocks().filter(({ language }) => COMPILED.includes(language));
  if (compiled.length === 0) throw new StepError("the documentation has no code");
  // The examples of docstrings leave out what an editor's reader has around them.
  const around = await readFile(path.join(root, "__test__", "types", "docs", "around.txt"), "utf8");
  for (const block of compiled) {
    await writeFile(path.join(home, fileOf(block)), block.page === "docs/api.md" ? block.code + around : block.code);
  }
  await cp(path.join(root, "__test__", "types", "docs", "stubs.d.ts"), path.join(home, "stubs.d.ts"));
  const project = path.join(home, "tsconfig.json");
  const options = { module: "esnext", moduleResolution: "bundler", moduleDetection: "force", jsx: "react-jsx" };
  const compilerOptions = { ...options, allowJs: true, checkJs: true };
  await writeFile(project, JSON.stringify({ extends: "../../tsconfig.json", compilerOptions, include: ["*"] }));
  await tsc(`the documentation's ${compiled.length} examples`, project);
}

/**
 * The same consumers where the official SDK is not installed: outside the repository, with our declarations under
 * `node_modules` as npm puts them, and with library checks on.
 */
async function withoutTheSdk() {
  const home = await mkdtemp(path.join(os.tmpdir(), "trigger-native-types-"));
  try {
    const installed = path.join(home, "node_modules", "trigger-native");
    await mkdir(installed, { recursive: true });
    for (const name of ["package.json", "index.d.ts", "types", "emulator.d.ts", "client.d.ts"]) {
      await cp(path.join(root, name), path.join(installed, name), { recursive: true });
    }
    for (const name of ["@types", "undici-types"]) {
      await symlink(path.join(root, "node_modules", name), path.join(home, "node_modules", name), "junction");
    }
    for (const name of [`${consumers}/esm.mts`, `${consumers}/cjs.cts`, "__test__/types/alone/alone.mts"]) {
      await cp(path.join(root, name), path.join(home, path.basename(name)));
    }
    for (const [module, resolution, files] of [
      ["node16", "node16", ["esm.mts", "cjs.cts", "alone.mts"]],
      ["nodenext", "nodenext", ["esm.mts", "cjs.cts", "alone.mts"]],
      ["esnext", "bundler", ["esm.mts", "alone.mts"]],
    ]) {
      const project = path.join(home, `tsconfig.${resolution}.json`);
      const compilerOptions = { target: "es2022", lib: ["es2022"], types: ["node"], strict: true, noEmit: true };
      const modules = { module, moduleResolution: resolution };
      await writeFile(project, JSON.stringify({ compilerOptions: { ...compilerOptions, ...modules }, files }));
      await bothCompilers(`a consumer without the official SDK (${resolution})`, project);
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/**
 * @param {string} what
 * @param {string} project
 */
async function bothCompilers(what, project) {
  await tsc(what, project);
  await tsc(`${what}, TypeScript 5.9`, project, TYPESCRIPT_5);
}

/**
 * @param {string} what
 * @param {string} project
 * @param {string} [version] the package of the compiler
 */
function tsc(what, project, version = TYPESCRIPT_7) {
  const [node, compiler] = tool(`${version}/bin/tsc`);
  return step(`types: ${what}`, node, [compiler, "-p", project]);
}

if (isMain(import.meta.url)) {
  await script(async () => {
    await ensurePackages();
    await checkTypes();
  });
}
