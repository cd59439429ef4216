// `npm run supply`: where the parts come from and what may be in them: the crates' licences, versions and sources
// (deny.toml), and the packages of the lock file. `-- --online` also asks RustSec for advisories and npm's registry for the
// signatures of what it serves.

import { readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { cargoTool } from "./lib/cargo-tools.mjs";
import { lockFaults } from "./lib/lock.mjs";
import { isMain, npm, root, StepError, script, step } from "./lib/run.mjs";

if (isMain(import.meta.url)) {
  await script(async () => {
    const isOnline = process.argv.includes("--online");
    const faults = lockFaults(JSON.parse(await readFile(path.join(root, "package-lock.json"), "utf8")));
    if (faults.length > 0) throw new StepError(faults.join("\n"));
    const [command, first] = await cargoTool("cargo-deny");
    // A build fetches its own platform's crates alone; the licences of all of them are read.
    await step("cargo fetch", "cargo", ["fetch", "--locked"]);
    const checks = ["licenses", "bans", "sources", ...(isOnline ? ["advisories"] : [])];
    const args = [...first, "--locked", ...(isOnline ? [] : ["--offline"]), "check", ...checks];
    await step(`cargo deny check ${checks.join(" ")}`, command, args);
    if (isOnline) await npm("npm audit signatures", ["audit", "signatures"]);
  });
}
