// A fresh project installs the packages from a registry, as users do: with each package manager, and runs.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { capture } from "../scripts/lib/run.mjs";
import { ownTarget, packRoot } from "../scripts/pack.mjs";
import { cleanEnvironment } from "./support/client.mjs";
import { startOwnRegistry, temporary } from "./support/packages.mjs";
import { startRegistry } from "./support/registry.mjs";
import { ensureToolbox, runtimes, tools } from "./support/toolbox.mjs";

const MINT = `
import { auth } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
const emulator = await startEmulator();
const token = await auth.withAuth({ baseURL: emulator.url, accessToken: emulator.secretKey }, () =>
  auth.createPublicToken({ scopes: { read: { runs: ["run_1234"] } } }));
await emulator.stop();
console.log(token.split(".").length);
`;

describe("a fresh project", () => {
  let home;
  let own;

  before(async () => {
    home = await temporary("registry");
    [own] = await Promise.all([startOwnRegistry(), ensureToolbox()]);
  });
  after(async () => {
    await own?.registry.stop();
    await home.remove();
  });

  /** A project of its own, with caches of its own, that knows only our registry. */
  async function project(name) {
    const folder = path.join(home.folder, `project-${name}`);
    await mkdir(folder);
    const { url } = own.registry;
    await writeFile(path.join(folder, "package.json"), '{ "name": "app", "version": "1.0.0", "private": true }');
    await writeFile(path.join(folder, "mint.mjs"), MINT);
    await writeFile(
      path.join(folder, ".npmrc"),
      `registry=${url}/\ncache=${folder}/cache\nstore-dir=${folder}/store\n`,
    );
    await writeFile(path.join(folder, ".yarnrc"), `registry "${url}/"\n`);
    const berry = {
      npmRegistryServer: url,
      unsafeHttpWhitelist: ["127.0.0.1"],
      enableGlobalCache: false,
      enableTelemetry: false,
      enableMirror: false,
      globalFolder: `${folder}/global`,
      nodeLinker: name.endsWith("-pnp") ? "pnp" : "node-modules",
      // yarn 4 brings what ES modules need by itself only where a dependency is one, and we have none.
      pnpEnableEsmLoader: true,
    };
    await writeFile(path.join(folder, ".yarnrc.yml"), JSON.stringify(berry));
    // What the npm that runs these tests was told, and its configuration, is not the user's of this project.
    const kept = Object.entries(cleanEnvironment()).filter(([key]) => !/^(npm_|NPM_|CI$|YARN_|NODE_OPTIONS)/.test(key));
    const env = { ...Object.fromEntries(kept), npm_config_userconfig: path.join(folder, "none"), HOME: folder };
    // Without one, yarn 4 takes the folder for a part of this repository.
    if (name.startsWith("berry")) await writeFile(path.join(folder, "yarn.lock"), "");
    own.registry.downloads.length = 0;
    return {
      folder,
      run: ([command, ...first], ...args) => capture(command, [...first, ...args], { cwd: folder, env }),
      installed: () => readdir(path.join(folder, "node_modules")),
    };
  }

  const NEEDED = ["trigger-native"];

  it("installs with npm: the package, this platform's, and no other", async () => {
    const { run, installed } = await project("npm");
    await run(tools.npm, "install", "trigger-native", "--no-audit", "--no-fund");
    assert.equal(await run(tools.node, "mint.mjs"), "3\n");
    const wanted = [...NEEDED, own.platform.name].sort();
    assert.deepEqual((await installed()).filter((name) => !name.startsWith(".")).sort(), wanted);
    assert.deepEqual([...own.registry.downloads].sort(), wanted);
  });

  it("installs again from its lock file with npm ci", async () => {
    const { run } = await project("npm-ci");
    await run(tools.npm, "install", "trigger-native", "--no-audit", "--no-fund");
    await run(tools.npm, "ci", "--no-audit", "--no-fund");
    assert.equal(await run(tools.node, "mint.mjs"), "3\n");
  });

  it("installs from the two tarballs that a clone packs, and again with npm ci, where no registry has them", async () => {
    const { folder, run } = await project("tarballs");
    const packed = await packRoot(home.folder, [ownTarget()]);
    const registry = await startRegistry([]);
    await writeFile(path.join(folder, ".npmrc"), `registry=${registry.url}/\ncache=${folder}/cache\n`);
    await run(tools.npm, "install", packed.file, own.platform.file, "--no-audit", "--no-fund");
    await run(tools.npm, "ci", "--no-audit", "--no-fund");
    await registry.stop();
    assert.equal(await run(tools.node, "mint.mjs"), "3\n");
  });

  it("installs with pnpm", async () => {
    const { run } = await project("pnpm");
    await run(tools.pnpm, "add", "trigger-native");
    assert.equal(await run(tools.node, "mint.mjs"), "3\n");
    assert.deepEqual([...own.registry.downloads].sort(), [...NEEDED, own.platform.name].sort());
  });

  it("installs with yarn 4", async () => {
    const { run } = await project("berry");
    await run(tools["yarn-berry"], "add", "trigger-native");
    assert.equal(await run(tools.node, "mint.mjs"), "3\n");
    assert.deepEqual([...own.registry.downloads].sort(), [...NEEDED, own.platform.name].sort());
  });

  it("installs with yarn 4 without node_modules (Plug'n'Play)", async () => {
    const { run, folder } = await project("berry-pnp");
    await run(tools["yarn-berry"], "add", "trigger-native");
    assert.equal(await run(tools["yarn-berry"], "node", "mint.mjs"), "3\n");
    assert.ok(!existsSync(path.join(folder, "node_modules", "trigger-native")));
  });

  it("installs with yarn 1, which knows no C library and takes both of Linux's", async () => {
    const { run, installed } = await project("yarn");
    await run(tools.yarn, "add", "trigger-native", "--non-interactive", "--cache-folder", "cache");
    assert.equal(await run(tools.node, "mint.mjs"), "3\n");
    const others = (await installed()).filter(
      (name) => name.startsWith("trigger-native-") && name !== own.platform.name,
    );
    assert.deepEqual(others, process.platform === "linux" ? [`trigger-native-linux-${process.arch}-musl`] : []);
  });

  it("installs with bun", async () => {
    const { run } = await project("bun");
    await run(tools.bun, "add", "trigger-native");
    assert.equal(await run(tools.bun, "mint.mjs"), "3\n");
    assert.deepEqual([...own.registry.downloads].sort(), [...NEEDED, own.platform.name].sort());
  });

  it("installs with deno, which knows no C library either", {
    skip: !runtimes.includes("deno") && "there is no Deno for this platform",
  }, async () => {
    const { run } = await project("deno");
    const [command] = tools.deno;
    await run([command], "add", "npm:trigger-native");
    assert.equal(await run(tools.deno, "mint.mjs"), "3\n");
  });

  it("is told the fix when optional dependencies were left out", async () => {
    const { run, installed } = await project("omit");
    await run(tools.npm, "install", "trigger-native", "--omit=optional", "--no-audit", "--no-fund");
    assert.ok(!(await installed()).includes(own.platform.name));
    await assert.rejects(run(tools.node, "mint.mjs"), (error) => {
      assert.match(error.message, /no native addon for \w+ \w+/);
      assert.ok(error.message.includes(`${own.platform.name}: Cannot find module`), error.message);
      assert.match(error.message, /without --omit=optional or --no-optional/);
      assert.match(error.message, /ERR_NO_ADDON/);
      return true;
    });
  });
});
