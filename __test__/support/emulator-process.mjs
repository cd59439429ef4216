// Starts the emulator's example binary, for tests that need it without the addon.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
let binary;

/** Builds the example once and returns its path. */
function build() {
  if (binary) return binary;
  const output = execFileSync(
    "cargo",
    ["build", "--quiet", "--no-default-features", "--example", "emulator", "--message-format=json"],
    { cwd: root, maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] },
  );
  for (const line of output.toString().split("\n")) {
    if (!line.startsWith("{")) continue;
    const message = JSON.parse(line);
    if (message.executable && message.target?.name === "emulator") binary = message.executable;
  }
  if (!binary) throw new Error("cargo built no example named emulator");
  return binary;
}

/**
 * Starts an emulator that ends with `stop()`, or with this process.
 *
 * @param {object} options what docs/emulator.md lists
 * @returns {Promise<{ url: string, secretKey: string, call: Function, stop: () => Promise<void> }>}
 */
export async function startEmulatorProcess(options = {}) {
  const child = spawn(build(), ["--options", JSON.stringify(options)], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([
    once(lines, "line"),
    exited.then(([code]) => Promise.reject(new Error(`exit ${code}`))),
  ]);
  const { url, secretKey } = JSON.parse(first[0]);

  /** One call of the emulator's own; resolves to the JSON of a 2xx answer. */
  async function call(method, path, body, key = secretKey) {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  return {
    url,
    secretKey,
    call,
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
