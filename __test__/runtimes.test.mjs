// The published packages do the same in every runtime: loaded by import and require, in worker threads, reloaded, bundled.

import assert from "node:assert/strict";
import { cp, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "esbuild";
import { capture, root } from "../scripts/lib/run.mjs";
import { startOwnRegistry, temporary } from "./support/packages.mjs";
import { COLLECTING, ended, PROGRAMS } from "./support/programs.mjs";
import { ensureToolbox, runtimes, tools } from "./support/toolbox.mjs";

describe("the packed packages", () => {
  let home;
  let app;

  before(async () => {
    home = await temporary("runtimes");
    app = path.join(home.folder, "app");
    await mkdir(app);
    const [{ registry }] = await Promise.all([startOwnRegistry(), ensureToolbox()]);
    await writeFile(path.join(app, "package.json"), '{ "name": "app", "version": "1.0.0", "private": true }');
    await writeFile(path.join(app, ".npmrc"), `registry=${registry.url}/\ncache=${home.folder}/cache\n`);
    const [command, ...first] = tools.npm;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name)));
    await capture(command, [...first, "install", "trigger-native", "--no-audit", "--no-fund"], { cwd: app, env });
    await registry.stop();
    await cp(path.join(root, "__test__", "runtimes"), app, { recursive: true });
    for (const copy of [1, 2]) {
      await build({
        absWorkingDir: app,
        entryPoints: ["bundle.mjs"],
        outfile: path.join(app, `bundle-${copy}.cjs`),
        bundle: true,
        platform: "node",
        format: "cjs",
        external: ["trigger-native-*"],
        logLevel: "silent",
      });
    }
  });
  after(() => home.remove());

  it("needs no more of Deno's permissions than the variables, the files and the addon", {
    skip: !runtimes.includes("deno") && "there is no Deno for this platform",
  }, async () => {
    const [command, first] = tools.deno;
    const permissions = ["--allow-env", "--allow-read"];
    const refused = await ended([command, first, ...permissions], "esm.mjs", app);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /no native addon for .*Allow Deno to load it: --allow-ffi/s);
    const { code, out, err } = await ended([command, first, ...permissions, "--allow-ffi"], "esm.mjs", app);
    assert.deepEqual([code, err], [0, ""], out);
  });

  for (const runtime of runtimes) {
    describe(runtime === "node" ? `node ${process.versions.node}` : runtime, () => {
      for (const [program, [what, expected]] of Object.entries(PROGRAMS)) {
        it(what, async () => {
          const { code, signal, out, err } = await ended(
            [...tools[runtime], ...(COLLECTING[runtime] ?? ["--expose-gc"])],
            program,
            app,
          );
          assert.deepEqual([code, signal, err], [0, null, ""], out);
          assert.deepEqual(JSON.parse(out), expected);
        });
      }
      if (runtime !== "bun") return;
      it("answers through Bun.serve, which cuts what is quiet for 10 s, and is not cut", async () => {
        const { code, out, err } = await ended(tools.bun, "bun-serve.mjs", app);
        assert.deepEqual([code, err, JSON.parse(out)], [0, "", [200, [true, true, true]]]);
      });
    });
  }
});
