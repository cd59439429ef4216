// What the same work costs with the official SDK: measured, on an emulator of its own.

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { openServer } from "./server.mjs";

/** How long the official client may go on after ours is done, in milliseconds. */
const PATIENCE_MS = 15_000;

/**
 * Starts the official SDK on the same task, beside the demo.
 *
 * @param {{ task: string, payload: unknown, mode: string }} work
 * @returns {Promise<{ finish(): Promise<{ requests: Record<string, number>, ended: boolean } | undefined>,
 *   stop(): Promise<void> }>}
 *   `finish` waits for it, not for ever, and says what it cost; `undefined` when it could not run. `stop` ends it and its
 *   emulator, whatever happened, and must be called.
 */
export async function startOfficial(work) {
  const server = await openServer(undefined);
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("./official.mjs", import.meta.url)), JSON.stringify({ ...work, url: server.url })],
    // The key goes the way keys go: arguments can be read by every user of the machine.
    { stdio: "ignore", env: { ...withoutTrigger(process.env), TRIGGER_SECRET_KEY: server.key } },
  );
  /** @type {Promise<number | null>} */
  const exit = new Promise((resolve) => {
    child.on("error", () => resolve(-1));
    child.on("close", resolve);
  });
  return {
    async finish() {
      const late = new AbortController();
      const code = await Promise.race([exit, timeout(PATIENCE_MS, late.signal)]);
      late.abort();
      if (typeof code === "number" && code !== 0) return undefined;
      return { requests: await server.requests(), ended: code === 0 };
    },
    async stop() {
      child.kill("SIGKILL");
      await exit;
      await server.stop();
    },
  };
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv} Without the settings of the user's own project.
 */
function withoutTrigger(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("TRIGGER_")));
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<undefined>}
 */
function timeout(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, undefined);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  });
}

/**
 * Both costs as a table, by route.
 *
 * @param {Record<string, number>} ours
 * @param {Record<string, number>} theirs
 */
export function table(ours, theirs) {
  const routes = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort();
  const rows = [
    ["", "ours", "official"],
    ...routes.map((route) => [route, String(ours[route] ?? 0), String(theirs[route] ?? 0)]),
    ["in all", String(total(ours)), String(total(theirs))],
  ];
  const width = Math.max(...rows.map(([route]) => route.length));
  return rows
    .map(([route, first, second]) => `${route.padEnd(width)}  ${first.padStart(5)}  ${second.padStart(8)}`)
    .join("\n");
}

/**
 * Both costs without a counting server: ours from the calls of the demo, the official SDK's from its known behaviour.
 *
 * @param {{ feed: number, tokens: number, calls: number, signs: boolean }} work `feed`: requests of ours for the feed;
 *   `signs`: whether the key signs its tokens, and only asks for the claims
 */
export function computed({ feed, tokens, calls, signs }) {
  return { ours: feed + calls + (signs ? 1 : tokens), official: feed + 1 + calls + tokens };
}

/** @param {Record<string, number>} requests */
export function total(requests) {
  return Object.values(requests).reduce((sum, count) => sum + count, 0);
}
