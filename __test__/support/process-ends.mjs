// The ways in which a process ends that follows runs and serves viewers, and what each must look like from outside.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "./client.mjs";

const PROGRAM = fileURLToPath(new URL("./ends-program.cjs", import.meta.url));

/** How long the opening may take: a failsafe, since a busy machine opens thousands of connections slowly. */
const OPENING_MS = 120_000;

/** How long an end may take once it has begun. A process that hangs never ends. */
const ENDING_MS = 30_000;

/**
 * By the mode of `ends-program.cjs`: the signal that is sent, the exit code or signal that is expected, the last line, and
 * what standard error says.
 *
 * @type {Record<string, { mode?: string, send?: NodeJS.Signals, ends: number | string, over?: string, says?: RegExp }>}
 */
export const ENDS = {
  exit: { ends: 3 },
  "exit in a loop": { ends: 4 },
  "natural end": { ends: 0, over: "over" },
  SIGTERM: { mode: "signal", send: "SIGTERM", ends: "SIGTERM" },
  SIGINT: { mode: "signal", send: "SIGINT", ends: "SIGINT" },
  "handled signal": { send: "SIGTERM", ends: 0, over: "over" },
  "uncaught exception": { ends: 1, says: /Error: of the program's own/ },
  "unhandled rejection": { ends: 1, says: /Error: of the program's own/ },
  "workers terminated": { ends: 0, over: "over 1 1 1" },
  "workers exit": { ends: 0, over: "over 6 6 6" },
  "workers fail": { ends: 0, over: "over 1 1 1" },
  "exit beside workers": { ends: 5 },
  reload: { ends: 0, over: "over" },
  fork: { ends: 0, over: "over 7 SIGTERM" },
  cluster: { ends: 0, over: "over 0 SIGTERM" },
};

/**
 * Runs one program to its end.
 *
 * @param {string} name of {@link ENDS}
 * @param {{ url: string, feeds: number, viewers: number }} options
 * @returns {Promise<{ wrong: string[], endingMs: number }>} what was not as expected
 */
export async function end(name, { url, feeds, viewers }) {
  const { mode = name, send, ends, over, says } = ENDS[name];
  const args = ["--expose-gc", PROGRAM, mode, url, String(feeds), String(viewers)];
  const child = spawn(process.execPath, args, { env: cleanEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
  let [out, err, hung, began] = ["", "", "", 0];
  const kill = (/** @type {string} */ when) => () => {
    hung = when;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(kill("never ready"), OPENING_MS);
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text;
    if (began || !out.includes("ready\n")) return;
    began = performance.now();
    clearTimeout(timer);
    timer = setTimeout(kill("never ended"), ENDING_MS);
    if (send) child.kill(send);
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    err += text;
  });
  const [code, signal] = await once(child, "close");
  clearTimeout(timer);
  const wrong = [];
  if (hung) wrong.push(hung);
  if ((signal ?? code) !== ends) wrong.push(`ended with ${signal ?? code}, not ${ends}`);
  if (out !== `ready\n${over ? `${over}\n` : ""}`) wrong.push(`printed ${JSON.stringify(out)}`);
  if (says ? !says.test(err) : err !== "") wrong.push(`said ${JSON.stringify(err.slice(0, 2_000))}`);
  if (/panicked|SIGSEGV|FATAL|double free|corrupt/.test(err)) wrong.push("crashed");
  return { wrong, endingMs: began ? performance.now() - began : 0 };
}
