// `npm run foreign`: the published addon of another platform, tested on this machine by a runtime of that platform, through
// an emulator or another C library. What the programs in `__test__/runtimes` print has to be what they print everywhere.
//
//   npm run foreign -- --target linux-arm64-gnu --by "qemu-aarch64 -L /usr/aarch64-linux-gnu node"
//   npm run foreign -- --target linux-x64-musl --by "/path/of/bun"
//   … --addon FILE                              tests that addon instead of building one
//
// docs/platforms.md says where such runtimes come from.

import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { COLLECTING, ended, PROGRAMS } from "../__test__/support/programs.mjs";
import { buildPublished } from "./build.mjs";
import { isMain, root, StepError, script } from "./lib/run.mjs";
import { packPlatform, packRoot } from "./pack.mjs";

/** Left out: two bundles, which another program would have to make, and which are JavaScript alone. */
const LEFT_OUT = "bundles.cjs";

/** How long a program may take: an emulator needs many times what the processor itself does. */
const PATIENCE_MS = 300_000;

/**
 * An app with both packages, as npm would install them there.
 *
 * @param {string} target
 * @param {string} addon
 * @param {string} folder a new, empty one
 */
async function install(target, addon, folder) {
  const app = path.join(folder, "app");
  const packages = path.join(folder, "packages");
  await mkdir(app);
  await mkdir(packages);
  const packed = [await packRoot(packages, [target]), await packPlatform(target, addon, packages)];
  for (const { name, folder: from } of packed) {
    await cp(from, path.join(app, "node_modules", name), { recursive: true });
  }
  await writeFile(path.join(app, "package.json"), '{ "name": "app", "version": "1.0.0", "private": true }');
  await cp(path.join(root, "__test__", "runtimes"), app, { recursive: true });
  return app;
}

async function main() {
  const { values } = parseArgs({
    options: { addon: { type: "string" }, by: { type: "string" }, target: { type: "string" } },
  });
  const { by, target } = values;
  if (!by || !target) throw new StepError('usage: npm run foreign -- --target linux-arm64-gnu --by "COMMAND"');
  const command = by.split(" ").filter(Boolean);
  const addon = values.addon ? path.resolve(values.addon) : await buildPublished(target);
  await mkdir(path.join(root, "target", "tmp"), { recursive: true });
  const folder = await mkdtemp(path.join(root, "target", "tmp", "foreign-"));
  let failed = 0;
  try {
    const app = await install(target, addon, folder);
    const which = await ended(command, "which.cjs", app, PATIENCE_MS);
    console.log(which.out.trim() || which.err.trim());
    const flags = /bun$/.test(by) ? COLLECTING.bun : ["--expose-gc"];
    for (const [program, [what, expected]] of Object.entries(PROGRAMS).filter(([name]) => name !== LEFT_OUT)) {
      const { code, signal, out, err } = await ended([...command, ...flags], program, app, PATIENCE_MS);
      const isRight = code === 0 && err === "" && isDeepStrictEqual(JSON.parse(out || "null"), expected);
      if (!isRight) failed += 1;
      console.log(`${isRight ? "passed" : "FAILED"}: ${what}`);
      if (!isRight) console.log(`${program} ended with ${signal ?? code}\n${out}\n${err}`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  if (failed > 0) throw new StepError(`${failed} programs failed on ${target}`);
}

if (isMain(import.meta.url)) await script(main);
