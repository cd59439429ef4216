// The processes of a benchmark: the server, the clients, the lower bound.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { asPublished } from "../../scripts/lib/cargo.mjs";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const target = process.env.CARGO_TARGET_DIR ?? path.join(root, "target");

let profile = "release";

/** A program of the benchmarks, once it is built. @param {string} name */
export const program = (name) => path.join(target, profile, "examples", name);

/** The programs that the cases run. */
const PROGRAMS = ["bench-peer", "bench-bare", "bench-viewers", "bench-browsers", "bench-live-floor"];

/**
 * Compiles programs, without the Node bridge.
 *
 * @param {string[]} [names]
 * @param {{ debug?: boolean }} [options] `debug`: quickly, for a test and not for figures
 */
export function build(names = PROGRAMS, { debug = false } = {}) {
  profile = debug ? "debug" : "release";
  const examples = names.flatMap((name) => ["--example", name]);
  const { args, env } = debug ? { args: [], env: process.env } : asPublished();
  args.push("build", ...(debug ? [] : ["--release"]), "--no-default-features", ...examples);
  const built = spawnSync("cargo", args, { cwd: root, env, stdio: "inherit" });
  if (built.status !== 0) throw new Error("the benchmark's server did not build");
}

/**
 * Starts the server. It ends when its standard input closes, and so when this process ends.
 *
 * @param {number} [callDelayMs] how long a call takes: the network's part
 * @param {number} [port] 0 for any free one
 */
export async function startPeer(callDelayMs = 0, port = 0) {
  const args = [String(callDelayMs), String(port)];
  const peer = spawn(program("bench-peer"), args, { stdio: ["pipe", "pipe", "inherit"] });
  const url = await firstLine(peer, "listening ");
  return {
    url,
    port: Number(new URL(url).port),
    /** Ends it as a crash does. */
    async kill() {
      const closed = once(peer, "close");
      peer.kill("SIGKILL");
      await closed;
    },
    async stop() {
      peer.stdin.end();
      if (peer.exitCode === null) await once(peer, "close");
    },
  };
}

/** The rest of the line with which a program says that it is ready. */
export async function firstLine(child, prefix) {
  let text = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    text += chunk;
    const line = text.split("\n", 1)[0];
    if (text.includes("\n") && line.startsWith(prefix)) return line.slice(prefix.length).trim();
  }
  throw new Error(`${child.spawnfile} ended before it was ready`);
}

/**
 * Runs a program to its end. The JSON of its last line.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, timeoutMs?: number }} [options]
 */
export async function json(command, args, { env, timeoutMs = 180_000 } = {}) {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...clean(process.env), ...env },
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  // "exit" can come before the last of the output.
  const [code, signal] = await once(child, "close");
  clearTimeout(timer);
  const what = [path.basename(command), ...args].join(" ").slice(0, 200);
  if (code !== 0)
    throw new Error(`${what} ended with ${signal ?? `exit code ${code}`}; its last words: ${text.slice(-500)}`);
  try {
    return JSON.parse(text.trim().split("\n").at(-1) ?? "");
  } catch {
    throw new Error(`${what} gave no figures: ${text.slice(0, 200)}`);
  }
}

/** The environment without the variables that configure a client. */
function clean(env) {
  const configured = /^(TRIGGER_|OTEL_|NODE_OPTIONS$|NODE_EXTRA_CA_CERTS$|(https?|all|no)_proxy$)/i;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !configured.test(name)));
}

/** One measurement of a case in a Node process of its own. */
export function child(client, name, args, options) {
  const script = path.join(root, "bench/child.mjs");
  return json(process.execPath, [script, name, client, JSON.stringify(args)], options);
}
