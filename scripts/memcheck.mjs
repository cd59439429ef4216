// `npm run memcheck`: everything that crosses the boundary to native code, under valgrind's memcheck. Fails on a read or write
// of memory that is not the addon's to touch, on a decision by bytes that were never written, and on memory that is lost,
// where a function of the addon is among the callers. What Node does by itself is counted and left alone.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { isMain, root, StepError, script, step } from "./lib/run.mjs";
import { ours } from "./lib/valgrind.mjs";

const PROGRAM = path.join(root, "__test__/support/bridge-program.cjs");

/** Little compiled JavaScript: valgrind translates each piece of it anew. `fetch` needs WebAssembly, which `--jitless` lacks. */
const NODE = ["--no-opt", "--no-sparkplug", "--single-threaded-gc", "--expose-gc"];

/**
 * Builds the addon without optimization: an optimizer may look at a value before it knows that there is one, which valgrind
 * takes for a fault.
 *
 * @param {string} addon its place
 */
async function build(addon) {
  const target = path.join(root, "target");
  await step("the addon, without optimization", "cargo", ["build", "--lib", "--target-dir", target]);
  await copyFile(path.join(target, "debug", "libtrigger_native.so"), addon);
}

async function main() {
  const folder = await mkdtemp(path.join(tmpdir(), "memcheck-"));
  const log = path.join(folder, "valgrind.log");
  const addon = path.join(folder, "trigger-native.node");
  try {
    await build(addon);
    const flags = ["--smc-check=all-non-file", "--num-callers=50", "--error-limit=no", "--leak-check=full"];
    const args = [...flags, "--show-leak-kinds=definite", `--log-file=${log}`, process.execPath, ...NODE, PROGRAM];
    const began = performance.now();
    const child = spawn("valgrind", args, {
      env: { ...process.env, TRIGGER_NATIVE_ADDON: addon },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
    });
    const [code, signal] = await once(child, "close");
    if (code !== 0) throw new StepError(`the program ended with ${signal ?? code} under valgrind`);
    // The program's last words show that all of it ran.
    if (!out.startsWith("[")) throw new StepError(`the program printed ${JSON.stringify(out)}`);
    const { mine, others } = ours(readFileSync(log, "utf8"), "trigger-native.node");
    for (const report of mine) console.log(`${report}\n`);
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(`${mine.length} reports with the addon among the callers, ${others} of Node's own, in ${seconds} s`);
    if (mine.length > 0) throw new StepError("valgrind found faults of the addon");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (isMain(import.meta.url)) await script(main);
