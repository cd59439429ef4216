// What a process is told of the world: addresses of names, and clocks. `system.c` says how.

import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("system.c", import.meta.url));

/** Why a process cannot be told; undefined where it can. */
export const unavailable = (() => {
  if (process.platform !== "linux" || !process.report.getReport().header.glibcVersionRuntime) return "needs glibc";
  if (spawnSync("cc", ["--version"]).status !== 0) return "needs a C compiler";
})();

let library;

function compiled() {
  if (library) return library;
  const folder = mkdtempSync(path.join(os.tmpdir(), "system-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  library = path.join(folder, "system.so");
  const args = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl"];
  const { status, stderr } = spawnSync("cc", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`system.c does not compile: ${stderr}`);
  return library;
}

let systems = 0;

/** What a process is told, in bytes, and then what it tells, of 8 bytes each. */
const TOLD = 88;
const TELLS = 16;

/** The world of one process: `env` starts it there. */
export function system() {
  const file = path.join(path.dirname(compiled()), `told-${++systems}`);
  const told = { address: "127.0.0.1", wallMs: 0, monotonicMs: 0, lookupMs: 0 };
  writeFileSync(file, Buffer.alloc(TOLD + TELLS));
  const tell = (changed) => {
    Object.assign(told, changed);
    const bytes = Buffer.alloc(TOLD);
    bytes.write(told.address);
    bytes.writeBigInt64LE(BigInt(told.wallMs), 64);
    bytes.writeBigInt64LE(BigInt(told.monotonicMs), 72);
    bytes.writeBigInt64LE(BigInt(told.lookupMs), 80);
    // In place: the process has the file mapped.
    const opened = openSync(file, "r+");
    writeSync(opened, bytes, 0, bytes.length, 0);
    closeSync(opened);
  };
  tell({});
  /** How often names were looked up, and how many look-ups there were at most at the same time. */
  const lookups = () => {
    const bytes = readFileSync(file);
    return { all: Number(bytes.readBigInt64LE(TOLD)), most: Number(bytes.readBigInt64LE(TOLD + 8)) };
  };
  return { env: { LD_PRELOAD: compiled(), TEST_SYSTEM: file }, tell, lookups };
}
