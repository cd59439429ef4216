// Where the addon is looked for, and what a user reads when it cannot be had.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "esbuild";
import { capture, root } from "../scripts/lib/run.mjs";
import { cleanEnvironment } from "./support/client.mjs";
import { temporary } from "./support/packages.mjs";

const require = createRequire(import.meta.url);
const { TARGETS, candidates, interpreter, libcNamed, libcOf } = require("../js/native/platform.js");
const { unloadable } = require("../js/native/no-addon.js");

/** The banner that gives a bundle of ES modules its `require`. */
const REQUIRE = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';

/** The head of an executable that asks for this dynamic loader. */
function executable(loader) {
  const bytes = Buffer.alloc(512);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes[4] = 2;
  bytes[5] = 1;
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(2, 56);
  bytes.writeUInt32LE(6, 64);
  bytes.writeUInt32LE(3, 120);
  bytes.writeBigUInt64LE(200n, 128);
  bytes.writeBigUInt64LE(BigInt(loader.length + 1), 152);
  bytes.write(loader, 200);
  return bytes;
}

describe("the platform", () => {
  it("has one package, or none, or both of Linux's where the C library cannot be told", () => {
    const of = (platform, arch, libc) => candidates({ platform, arch, libc });
    assert.deepEqual(of("darwin", "arm64"), ["darwin-arm64"]);
    assert.deepEqual(of("win32", "x64"), ["win32-x64-msvc"]);
    assert.deepEqual(of("linux", "x64", "musl"), ["linux-x64-musl"]);
    assert.deepEqual(of("linux", "arm64"), ["linux-arm64-gnu", "linux-arm64-musl"]);
    assert.deepEqual(of("linux", "ia32", "gnu"), []);
    assert.deepEqual(of("freebsd", "x64"), []);
    assert.deepEqual(of("android", "arm64"), []);
  });

  it("tells the C library by what the running program was linked with", () => {
    const loaders = {
      "/lib64/ld-linux-x86-64.so.2": "gnu",
      "/lib/ld-linux-aarch64.so.1": "gnu",
      "/nix/store/abc-glibc-2.40/lib/ld-linux-x86-64.so.2": "gnu",
      "/lib/ld-musl-x86_64.so.1": "musl",
      "/lib/ld-musl-aarch64.so.1": "musl",
      "/system/bin/linker64": undefined,
    };
    for (const [loader, libc] of Object.entries(loaders)) {
      assert.equal(interpreter(executable(loader)), loader);
      assert.equal(libcNamed(loader), libc, loader);
    }
    for (const other of [Buffer.alloc(0), Buffer.from("#!/bin/sh"), executable("/lib/x").subarray(0, 100)]) {
      assert.equal(interpreter(other), undefined);
    }
  });

  it("is told as Node's own report tells it", {
    skip: process.platform !== "linux" && "there is one C library",
  }, () => {
    process.report.excludeNetwork = true;
    const glibc = process.report.getReport().header.glibcVersionRuntime;
    assert.equal(libcOf(), glibc ? "gnu" : "musl");
  });
});

describe("without a usable addon", () => {
  const [own] = candidates();
  let home;
  let folder;

  before(async () => {
    home = await temporary("addon");
    folder = path.join(home.folder, "node_modules", "trigger-native");
    await mkdir(folder, { recursive: true });
    // Without one, the name of the package would be that of the checkout around it.
    await writeFile(path.join(home.folder, "package.json"), '{ "name": "app" }');
    for (const name of ["package.json", "index.js", "js"]) {
      await cp(path.join(root, name), path.join(folder, name), {
        recursive: true,
        filter: (file) => !file.endsWith(".node"),
      });
    }
  });
  after(() => home.remove());

  /** The message of what requiring the package throws. */
  async function thrown(env) {
    const program = `try { require("trigger-native") } catch (error) { console.log(error.code + " " + error.message + "; " + error.cause?.code) }`;
    return capture(process.execPath, ["-e", program], { cwd: home.folder, env: { ...cleanEnvironment(), ...env } });
  }

  /** Puts a package beside ours while `work` is done. */
  async function beside(name, contents, work) {
    const place = path.join(home.folder, "node_modules", name);
    await mkdir(place, { recursive: true });
    await writeFile(path.join(place, "package.json"), JSON.stringify({ name, main: "index.js" }));
    if (contents) await writeFile(path.join(place, "index.js"), contents);
    try {
      await work();
    } finally {
      await rm(place, { recursive: true });
    }
  }

  it("it is said for which platform it was, all that was looked for, and how to install it", async () => {
    const message = await thrown();
    assert.match(
      message,
      /^ERR_NO_ADDON trigger-native: no native addon for \w+ \w+.*, Node \d+\.\d+\.\d+\. Looked for:$/m,
    );
    if (process.platform === "linux") assert.match(message, /\((glibc|musl)\)/);
    assert.ok(
      message.includes(`  - ${path.join(folder, "js", "native", "trigger-native.node")}: no such file\n`),
      message,
    );
    assert.ok(message.includes(`  - trigger-native-${own}: Cannot find module 'trigger-native-${own}'\n`), message);
    assert.match(message, /without --omit=optional or --no-optional/);
    assert.match(message, /lock file that was written on another platform/);
  });

  it("it is said that node_modules come from another platform", async () => {
    const other = TARGETS.find((target) => target !== own);
    await beside(`trigger-native-${other}`, "", async () => {
      const message = await thrown();
      assert.ok(message.includes(`Only the package for ${other} is installed`), message);
    });
  });

  it("the package of every platform is found there", async () => {
    const { version } = require("../package.json");
    const native = JSON.stringify(path.join(folder, "js", "native", "native.js"));
    for (const target of TARGETS) {
      const [platform, arch, libc] = target.split("-");
      // As Deno tells of its C library: Node's own is read from this machine's executable.
      const program = `
        Object.defineProperties(process, { platform: { value: "${platform}" }, arch: { value: "${arch}" } });
        globalThis.Deno = { build: { env: "${libc}" } };
        console.log(require(${native}).target);`;
      await beside(
        `trigger-native-${target}`,
        `exports.VERSION = "${version}"; exports.target = "${target}";`,
        async () => {
          const found = await capture(process.execPath, ["-e", program], { env: cleanEnvironment() });
          assert.equal(found.trim(), target);
        },
      );
    }
  });

  it("it is said that the addon is of another version, and which", async () => {
    await beside(`trigger-native-${own}`, 'exports.VERSION = "9.9.9";', async () => {
      const message = await thrown();
      const { version } = require("../package.json");
      assert.ok(
        message.startsWith(
          `ERR_ADDON_VERSION trigger-native: the addon trigger-native-${own} is of version 9.9.9, the package of ${version}. `,
        ),
        message,
      );
      assert.ok(message.includes(`npm install trigger-native@${version}`));
    });
  });

  it("it is said what a file that was named lacks, and nothing else is tried", async () => {
    const file = path.join(home.folder, "damaged.node");
    const library = path.join(home.folder, "libtrigger_native.so");
    for (const each of [file, library]) await writeFile(each, "no library");
    for (const [named, why] of [
      [file, /^ERR_NO_ADDON trigger-native: .*damaged\.node cannot be loaded on .*\n.*damaged or for another platform/],
      [library, /^ERR_NO_ADDON trigger-native: .*native\.so cannot be loaded on .*\n.*a name that ends in \.node/],
      [
        `${file}.gone`,
        /^ERR_NO_ADDON trigger-native: .*damaged\.node\.gone cannot be loaded on .*Cannot find module.*\n.*; MODULE_NOT_FOUND/,
      ],
    ]) {
      const message = await thrown({ TRIGGER_NATIVE_ADDON: named });
      assert.match(message, why);
      assert.ok(!message.includes("Looked for"), message);
    }
  });

  for (const format of ["cjs", "esm"]) {
    it(`it is said how a bundler leaves the package out, where one took it into a bundle (${format})`, async () => {
      const file = path.join(home.folder, `bundle.${format === "cjs" ? "cjs" : "mjs"}`);
      await build({
        stdin: { contents: 'import { auth } from "trigger-native"; console.log(auth);', resolveDir: home.folder },
        outfile: file,
        bundle: true,
        platform: "node",
        format,
        // A bundle of ES modules has a `require` where it is given one.
        banner: format === "esm" ? { js: REQUIRE } : {},
        external: TARGETS.map((target) => `trigger-native-${target}`),
        logLevel: "silent",
      });
      const { stderr } = spawnSync(process.execPath, [file], { env: cleanEnvironment(), encoding: "utf8" });
      assert.match(stderr, /ERR_NO_ADDON/);
      assert.match(stderr, /in Next\.js serverExternalPackages: \["trigger-native"\]/);
      assert.match(stderr, /in Vite ssr: \{ external: \["trigger-native"\] \}/);
      await rm(file);
    });
  }

  it("it is said what the system lacks", () => {
    const message = (text) => unloadable("addon.node", new Error(text)).message;
    assert.match(message("/lib/libc.so.6: version `GLIBC_2.28' not found"), /glibc 2\.17 or newer is needed/);
    assert.match(message("Requires ffi access to x, run again with --allow-ffi"), /Allow Deno to load it: --allow-ffi/);
    assert.match(message("x.node: invalid ELF header"), /for another platform/);
  });
});

it("an addon that was built from source is named by TRIGGER_NATIVE_ADDON", async () => {
  const { folder, remove } = await temporary("addon-named");
  try {
    const file = path.join(folder, "own.node");
    await cp(path.join(root, "js", "native", "trigger-native.node"), file);
    const program =
      'require("./index.js"); console.log(Object.keys(require.cache).find((name) => name.endsWith(".node")))';
    const env = { ...cleanEnvironment(), TRIGGER_NATIVE_ADDON: file };
    assert.equal((await capture(process.execPath, ["-e", program], { env })).trim(), file);
  } finally {
    await remove();
  }
});
