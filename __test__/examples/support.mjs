// An example as a user has it: its files in a folder of their own, far from this checkout, with the packed package
// installed from its tarball.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../scripts/lib/port.mjs";
import { root } from "../../scripts/lib/run.mjs";
import { ownTarget } from "../../scripts/pack.mjs";
import { packBoth } from "../support/packages.mjs";

/** What npm downloaded, so that a second run downloads nothing. */
const cache = path.join(root, "target", "examples-cache");

/** @param {string} file */
const json = async (file) => JSON.parse(await readFile(file, "utf8"));

/** What npm takes over from a manifest into a lock file. */
const LOCKED = [
  ...["version", "bin", "os", "cpu", "libc"],
  ...["dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta"],
];

const QUIET = { NEXT_TELEMETRY_DISABLED: "1", NO_COLOR: "1", npm_config_update_notifier: "false" };

/**
 * Copies an example to a temporary folder and installs what it depends on.
 *
 * @param {string} name its folder under `examples/`
 * @param {string} [variant] a folder in it, with manifests that take the place of its own
 * @returns {Promise<{ dir: string, remove(): Promise<void> }>}
 */
export async function installed(name, variant) {
  const dir = await mkdtemp(path.join(os.tmpdir(), `trigger-native-${name}-`));
  const filter = (/** @type {string} */ file) =>
    !/[\\/](node_modules|\.next|\.nuxt|\.output|\.svelte-kit|build|\.react-router)$/.test(file);
  await cp(path.join(root, "examples", name), dir, { recursive: true, filter });
  if (variant) await cp(path.join(root, "examples", name, variant), dir, { recursive: true });
  await installPacked(dir);
  return { dir, remove: () => rm(dir, { recursive: true, force: true, maxRetries: 5 }) };
}

/**
 * Installs what the example's lock file says, and the packed packages. The lock file cannot name what is not published yet:
 * it is completed here, as npm would, so that no registry is asked for names that nobody owns yet.
 *
 * @param {string} dir
 */
async function installPacked(dir) {
  const packed = await packBoth();
  const file = path.join(dir, "package-lock.json");
  const lock = await json(file);
  lock.packages[""] = await json(path.join(dir, "package.json"));

  /** As npm resolves a tarball: beside the lock file. @param {any} manifest @param {string} [tarball] @param {object} [more] */
  async function add(manifest, tarball, more) {
    const entry = Object.fromEntries(LOCKED.map((name) => [name, manifest[name]]));
    lock.packages[`node_modules/${manifest.name}`] = { ...entry, ...more };
    if (!tarball) return;
    const resolved = path.posix.join(".packed", path.basename(tarball));
    await copyFile(tarball, path.join(dir, resolved));
    lock.packages[`node_modules/${manifest.name}`].resolved = `file:${resolved}`;
  }

  await mkdir(path.join(dir, ".packed"));
  await add(await json(path.join(packed.root.folder, "package.json")), packed.root.file);
  for (const target of await readdir(path.join(root, "npm"))) {
    const manifest = await json(path.join(root, "npm", target, "package.json"));
    await add(manifest, target === ownTarget() ? packed.platform.file : undefined, { optional: true });
  }
  await writeFile(file, JSON.stringify(lock));
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--cache", cache];
  await run("npm", ["ci", ...flags], { cwd: dir });
}

/**
 * Runs a program to its end.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: Record<string, string> }} options
 * @returns {Promise<string>} its standard output. A failure's message ends with all it printed.
 */
export async function run(command, args, { cwd, env = {} }) {
  const { code, stdout, text } = await attempt(command, args, { cwd, env });
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} failed (${code}):\n${text.slice(-8000)}`);
  return stdout;
}

/** The same for what may fail. @param {Parameters<typeof run>} given */
export async function attempt(...[command, args, { cwd, env = {} }]) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...QUIET, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    stdout += chunk;
    text += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, "close");
  return { code, stdout, text };
}

/**
 * Starts a server on a free port of 127.0.0.1 and waits until it answers.
 *
 * @param {readonly string[]} args of `node`
 * @param {{ cwd: string, env?: Record<string, string>, node?: string }} options
 */
export async function serve(args, { cwd, env = {}, node = process.execPath }) {
  const port = await freePort();
  const preload = new URL("./with-parent.mjs", import.meta.url).href;
  const child = spawn(node, ["--import", preload, ...args], {
    cwd,
    env: {
      ...process.env,
      ...QUIET,
      NODE_ENV: "production",
      ...env,
      PORT: String(port),
      HOST: "127.0.0.1",
      HOSTNAME: "127.0.0.1",
    },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const ended = once(child, "close");
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
  }
  const url = `http://127.0.0.1:${port}`;
  const server = {
    url,
    /** All it printed so far. */
    text: () => text,
    /** Ends it as a host does. One that does not go by itself is ended, and the test with it. */
    async stop() {
      child.kill("SIGTERM");
      const late = AbortSignal.timeout(20_000);
      late.addEventListener("abort", () => child.kill("SIGKILL"));
      const [, signal] = await ended;
      assert.notEqual(signal, "SIGKILL", `the server does not end when it is told to:\n${text}`);
    },
  };
  // A server that ends has failed; one that is slow is given time: the machine may be busy.
  for (const began = Date.now(); ; await sleep(100)) {
    if (child.exitCode !== null) throw new Error(`the server ended (${child.exitCode}):\n${text}`);
    const answer = await fetch(url).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer) return server;
    if (Date.now() - began > 60_000) {
      await server.stop();
      throw new Error(`the server does not answer:\n${text}`);
    }
  }
}
