// The fault proxy as a front: `tests/support/fault_proxy`, one process for all cells of a file.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Builds the program and gives its path. */
function build() {
  const output = execFileSync(
    "cargo",
    ["build", "--quiet", "--no-default-features", "--example", "fault-proxy", "--message-format=json"],
    { cwd: fileURLToPath(new URL("../..", import.meta.url)), maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] },
  );
  for (const line of output.toString().split("\n")) {
    const built = line.startsWith("{") ? JSON.parse(line) : {};
    if (built.executable && built.target?.name === "fault-proxy") return built.executable;
  }
  throw new Error("cargo built no example named fault-proxy");
}

/** The program, and a function that gives it commands. */
async function startProgram() {
  const child = spawn(build(), { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const exited = once(child, "exit").then(([code]) => Promise.reject(new Error(`the fault proxy ended: ${code}`)));
  exited.catch(() => {});
  const [first] = await Promise.race([once(lines, "line"), exited]);
  const waiting = new Map();
  lines.on("line", (line) => {
    const { id, error, ...answer } = JSON.parse(line);
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) child.stdout.unref();
    if (error) reject(new Error(error));
    else resolve(answer);
  });
  let last = 0;
  const command = (op, fields = {}) => {
    last += 1;
    const id = last;
    child.stdout.ref();
    const answered = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    child.stdin.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    return Promise.race([answered, exited]);
  };
  // The authority of its certificates, where users put theirs: it is read with the first request of the process.
  const folder = mkdtempSync(join(tmpdir(), "fault-proxy-"));
  process.env.NODE_EXTRA_CA_CERTS = join(folder, "authority.pem");
  writeFileSync(process.env.NODE_EXTRA_CA_CERTS, JSON.parse(first).authority);
  // It ends with this process: an open pipe keeps neither alive.
  for (const handle of [child, child.stdin, child.stdout]) handle.unref();
  process.on("exit", () => rmSync(folder, { recursive: true }));
  return command;
}

const command = await startProgram();

/** @param {boolean} http2 */
const front = (http2) => async (serverUrl) => {
  const { proxy, url } = await command("start", { server: new URL(serverUrl).host, http2 });
  const tell = (op, fields) => command(op, { proxy, ...fields });
  return {
    url,
    http2,
    open: () => tell("open"),
    stop: () => tell("stop"),
    /** Replaces the rules: `tests/support/fault_proxy/rule.rs` lists what they say. */
    rules: (...rules) => tell("rules", { rules }),
    /** What happens to connections as they are accepted; nothing without an argument. */
    accepting: (how) => tell("accepting", { how }),
    /** Ends the connections that are open now, or has them fall silent. */
    end: (how) => tell("end", { how }),
    /** Breaks off the requests that are under way. */
    cut: () => tell("cut"),
    /** Refuses connections, and ends those that are open. */
    down: () => tell("down"),
    up: () => tell("up"),
  };
};

export const http1 = front(false);
export const http2 = front(true);
