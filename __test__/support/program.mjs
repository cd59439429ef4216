/**
 * Runs a small program in a child process and reports how it ended: what a user sees whose script is
 * that program.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "./client.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * @param {string} source CommonJS; `baseURL` and `accessToken` are in scope
 * @param {{ baseURL: string, accessToken?: string, timeoutMs: number, quietMs?: number, env?: Record<string, string> }} options
 *   `quietMs`: how long it may run on after it has printed something, counted anew with each print; `env`: variables besides
 * @returns {Promise<{ code: number | null, hung: boolean, out: string, err: string, ms: number }>} `hung`: it
 *   was still running after one of these times and was killed
 */
export function runProgram(source, { baseURL, accessToken = "tr_dev_peerskeypeerskeypeer", timeoutMs, quietMs, env }) {
  const prelude = `const baseURL = ${JSON.stringify(baseURL)}; const accessToken = ${JSON.stringify(accessToken)};\n`;
  const started = Date.now();
  const child = spawn(process.execPath, ["-e", prelude + source], {
    cwd: ROOT,
    env: { ...cleanEnvironment(), ...env },
  });
  let out = "";
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    err += text;
  });
  return new Promise((resolve, reject) => {
    let hung = false;
    const kill = () => {
      hung = true;
      child.kill("SIGKILL");
    };
    const timer = setTimeout(kill, timeoutMs);
    let quiet;
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
      clearTimeout(quiet);
      if (quietMs !== undefined) quiet = setTimeout(kill, quietMs);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      clearTimeout(quiet);
      resolve({ code, hung, out, err, ms: Date.now() - started });
    });
  });
}
