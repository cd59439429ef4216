// The published packages: the right files, types and conditions, one version everywhere, and a size within the budget.

import assert from "node:assert/strict";
import { appendFile, cp, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { build } from "esbuild";
import { publint } from "publint";
import { glibcFloor, readElf } from "../scripts/lib/elf.mjs";
import { addonFaults, elfFaults, rootFaults, sizeFaults } from "../scripts/lib/packed.mjs";
import { capture, npmCommand, root, tool } from "../scripts/lib/run.mjs";
import { ownTarget } from "../scripts/pack.mjs";
import { versions } from "../scripts/version.mjs";
import { packBoth, temporary } from "./support/packages.mjs";

const require = createRequire(import.meta.url);
const { TARGETS } = require("../js/native/platform.js");
const json = async (...names) => JSON.parse(await readFile(path.join(root, ...names), "utf8"));

/** What a browser and each Edge runtime ask for. */
const EDGE = ["edge-light", "workerd", "worker", "browser"];

/** What pages import: ES modules alone. */
const PAGES = ["./client", "./react"];

describe("the version", () => {
  it("is one, in every file and in the addon", async () => {
    const found = await versions();
    const [, wanted] = found[0];
    assert.deepEqual(
      found.filter(([, version]) => version !== wanted),
      [],
    );
    assert.equal(found.length, 7 + TARGETS.length);
    assert.equal(require("../js/native/native.js").VERSION, wanted);
  });
});

describe("a platform package", () => {
  it("is there for every platform that is looked for, and is installed nowhere else", async () => {
    assert.deepEqual((await readdir(path.join(root, "npm"))).sort(), [...TARGETS]);
    for (const target of TARGETS) {
      const manifest = await json("npm", target, "package.json");
      const [os, cpu, abi] = target.split("-");
      assert.equal(manifest.name, `trigger-native-${target}`);
      assert.deepEqual([manifest.os, manifest.cpu], [[os], [cpu]]);
      assert.deepEqual(manifest.libc, os === "linux" ? [abi === "musl" ? "musl" : "glibc"] : undefined);
      assert.equal(manifest.scripts, undefined);
    }
  });

  it("is named in the loader, where tools that trace files read it", async () => {
    const loader = await readFile(path.join(root, "js", "native", "native.js"), "utf8");
    const named = [...loader.matchAll(/require\("trigger-native-([\w-]+)"\)/g)].map(([, target]) => target);
    assert.deepEqual(named, [...TARGETS]);
  });
});

describe("the packed packages", () => {
  let home;
  let packed;
  let manifest;

  before(async () => {
    home = await temporary("package");
    packed = await packBoth();
    manifest = JSON.parse(await readFile(path.join(packed.root.folder, "package.json"), "utf8"));
  });
  after(() => home.remove());

  it("hold what they need and nothing else, stripped and small", async () => {
    assert.deepEqual(await rootFaults(packed.root), []);
    assert.deepEqual(await addonFaults(packed.platform, ownTarget()), []);
    assert.deepEqual(sizeFaults([packed.root, packed.platform]), []);
  });

  it("hold code without its comments, with the licences of others", async () => {
    const read = (/** @type {string} */ name) => readFile(path.join(packed.root.folder, name), "utf8");
    for (const name of ["js/api.js", "browser/client.mjs", "browser/react.mjs"]) {
      assert.doesNotMatch(await read(name), /^\s*\/\/|@param/m, name);
    }
    assert.match(await read("browser/react.mjs"), /^"use client";\n/);
    for (const name of ["js/calls/superjson.js", "browser/superjson.mjs"]) {
      assert.match(await read(name), /MIT License\s+\*\s+\* Copyright/, name);
    }
  });

  it("are told when they do not", async () => {
    const strays = ["HERE.md", "js/a.js.map", "js/a.node", "js/a.test.js", "lib.rs"];
    const folder = path.join(home.folder, "strays");
    await cp(packed.root.folder, folder, { recursive: true });
    for (const name of strays) await writeFile(path.join(folder, name), name === strays[0] ? `see ${root}/docs` : "");
    assert.deepEqual(await rootFaults({ ...packed.root, folder, files: [...packed.root.files, ...strays].slice(1) }), [
      `${packed.root.files[0]} is not in the package`,
      "js/a.js.map is a source map",
      "js/a.node is a binary",
      "js/a.test.js is a test",
      "lib.rs is Rust source",
      "HERE.md names a folder of this machine",
    ]);
    const addon = path.join(home.folder, "addon");
    await cp(packed.platform.folder, addon, { recursive: true });
    await appendFile(path.join(addon, "trigger-native.node"), `${root}/src/lib.rs`);
    assert.deepEqual(await addonFaults({ ...packed.platform, folder: addon }, ownTarget()), [
      "trigger-native.node names a folder of this machine",
    ]);
    assert.equal(sizeFaults([{ ...packed.root, unpackedBytes: 8_000_001 }]).length, 1);
  });

  it("name every platform's package in the same version, run nothing at an install, and need no other package", () => {
    const optional = Object.fromEntries(TARGETS.map((target) => [`trigger-native-${target}`, manifest.version]));
    assert.deepEqual(manifest.optionalDependencies, optional);
    assert.equal(manifest.dependencies, undefined);
    assert.deepEqual([manifest.scripts, manifest.devDependencies, manifest.private], [undefined, undefined, undefined]);
  });

  it("are made by a command of their own, and npm's own is told off", async () => {
    const { scripts } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
    // npm runs `prex` before `x`: before `npm pack`, and also before a script of that name.
    const hooked = Object.keys(scripts).filter((name) => `pre${name}` in scripts || `post${name}` in scripts);
    assert.deepEqual(hooked, []);
    const [command, first] = npmCommand();
    const packing = capture(command, [...first, "pack", "--dry-run"], { cwd: root });
    await assert.rejects(packing, /not npm pack, but: npm run tarballs/);
  });

  it("are as publint would have them", async () => {
    for (const { folder } of [packed.root, packed.platform]) {
      assert.deepEqual((await publint({ pkgDir: folder, strict: true })).messages, []);
    }
  });

  it("have types that resolve in every way TypeScript knows", async () => {
    const [node, cli] = tool("@arethetypeswrong/cli/dist/index.js");
    const { analysis, problems } = JSON.parse(
      await capture(node, [cli, packed.root.file, "--format", "json", "--ignore-rules", "cjs-resolves-to-esm"]),
    );
    // `require` of an ES module takes Node from 20.19 on.
    const byRequire = { kind: "CJSResolvesToESM", resolutionKind: "node16-cjs" };
    assert.deepEqual(problems, { CJSResolvesToESM: PAGES.map((entrypoint) => ({ ...byRequire, entrypoint })) });
    assert.deepEqual(Object.keys(analysis.entrypoints), Object.keys(manifest.exports));
  });

  it("give browsers and Edge runtimes one sentence instead, under every name", async () => {
    const file = path.join(packed.root.folder, "edge.mjs");
    await assert.rejects(
      import(pathToFileURL(file).href),
      /runs on a server only.*take `export const runtime = "edge"` out.*trigger-native\/react or.*react-hooks,.*trigger-native\/client\.$/,
    );
    const names = [];
    for (const [subpath, conditions] of Object.entries(manifest.exports)) {
      if (typeof conditions === "string" || PAGES.includes(subpath)) continue;
      for (const condition of EDGE) assert.equal(conditions[condition], "./edge.mjs", `${subpath} ${condition}`);
      // A condition that comes later never has a say.
      assert.deepEqual(Object.keys(conditions), ["types", ...EDGE, "import", "require", "default"]);
      names.push(...Object.keys(require(path.join(root, conditions.default))));
    }
    const exported = [...(await readFile(file, "utf8")).matchAll(/^export const (\w+) = absent;$/gm)];
    assert.deepEqual(exported.map(([, name]) => name).sort(), names.sort());
  });

  for (const condition of EDGE) {
    it(`say it in a bundle for "${condition}", and only where a name is used`, async () => {
      const bundled = async (contents) => {
        const { outputFiles, warnings } = await build({
          stdin: { contents, resolveDir: root },
          bundle: true,
          minify: true,
          write: false,
          format: "iife",
          platform: "neutral",
          conditions: [condition],
          logLevel: "silent",
        });
        assert.deepEqual(warnings, []);
        return outputFiles[0].text;
      };
      const used = await bundled('import { auth } from "trigger-native"; globalThis.token = auth.createPublicToken();');
      assert.throws(() => runInNewContext(used), /trigger-native runs on a server only/);
      const unused = await bundled('import { auth } from "trigger-native"; globalThis.nothing = 1;');
      assert.ok(!unused.includes("trigger-native"));
    });
  }
});

describe("an addon for Linux", { skip: process.platform !== "linux" && "there is none to read" }, () => {
  it("tells what it loads and which glibc it needs", () => {
    assert.deepEqual(glibcFloor(["GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.9", "GCC_3.0"]), [2, 17]);
    assert.equal(glibcFloor(["GCC_3.0"]), undefined);
    assert.equal(readElf(Buffer.from("MZ")), undefined);
  });

  it("is refused when it is not stripped, needs a newer glibc or a library that not every system has", async () => {
    const target = ownTarget();
    // Node's own executable has symbols, and needs the C++ library.
    const faults = elfFaults(await readFile(process.execPath), target, "2.1");
    assert.match(faults.join("\n"), /loads libstdc\+\+/);
    assert.match(faults.join("\n"), /not stripped/);
    assert.match(faults.join("\n"), /needs glibc 2\.\d+, newer than 2\.1/);
    assert.deepEqual(elfFaults(Buffer.from("MZ"), target), [`the addon for ${target} is no 64-bit ELF library`]);
  });
});
