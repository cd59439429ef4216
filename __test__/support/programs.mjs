// Programs that do the same in every runtime.

import { spawn } from "node:child_process";
import { cleanEnvironment } from "./environment.mjs";
import { FORGOTTEN, HEARD } from "./forgotten.mjs";

const FOLLOWED = [3, "COMPLETED", "a runtime"];

/** The programs in `__test__/runtimes`: what each does, and what it prints. @type {Record<string, [string, unknown]>} */
export const PROGRAMS = {
  "esm.mjs": ["imports it", [...FOLLOWED, "function", "function", true]],
  "cjs.cjs": ["requires it", FOLLOWED],
  "workers.cjs": [
    "uses it in several threads, one of which is terminated amid a subscription",
    [FOLLOWED, FOLLOWED, FOLLOWED, FOLLOWED, FOLLOWED, [0, 0, 0, 0], FOLLOWED],
  ],
  "reload.cjs": ["loads it anew while it is in use", [FOLLOWED, FOLLOWED, FOLLOWED, FOLLOWED, true]],
  "forgotten.cjs": ["lets what was started go on until it is closed, kept or not", FORGOTTEN],
  "signals.cjs": ["hears what was given in, kept or not", HEARD],
  "released.cjs": ["keeps nothing of what is over", []],
  "bundles.cjs": ["runs two bundles with copies of it, one of which is configured", [FOLLOWED, FOLLOWED, "run_", true]],
};

/** The flags with which a program can collect memory itself, where they are not Node's. @type {Record<string, string[]>} */
export const COLLECTING = { bun: [], deno: ["--v8-flags=--expose-gc"] };

/** How long a program may take: far more than any needs, so that only one that hangs is stopped. */
const PATIENCE_MS = 60_000;

/**
 * How a program ends.
 *
 * @param {string[]} tool
 * @param {string} program
 * @param {string} cwd
 * @param {number} [patience] in milliseconds, after which it is stopped
 * @returns {Promise<{ code: number | null, signal: string | null, out: string, err: string }>}
 */
export function ended([command, ...first], program, cwd, patience = PATIENCE_MS) {
  const child = spawn(command, [...first, program], { cwd, env: { ...cleanEnvironment(), NO_COLOR: "1" } });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    err += text;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), patience);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, out, err });
    });
  });
}
