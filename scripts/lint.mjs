// `npm run lint`: formatting, clippy with and without the N-API bridge, biome, types.
// `npm run format` (`--write`): the same formatters, writing.

import process from "node:process";
import { isMain, script, step, tool } from "./lib/run.mjs";
import { ensurePackages } from "./setup.mjs";
import { checkTypes } from "./types.mjs";

const [node, biome] = tool("@biomejs/biome/bin/biome");

async function lint() {
  await step("cargo fmt --check", "cargo", ["fmt", "--check"]);
  await step("cargo fmt --check of fuzz/", "cargo", ["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]);
  await step("biome", node, [biome, "ci", "--colors=off", "--error-on-warnings", "."]);
  for (const features of [["--no-default-features"], []]) {
    const args = ["clippy", ...features, "--all-targets", "--", "-D", "warnings"];
    await step(`cargo ${args.join(" ")}`, "cargo", args);
  }
  await checkTypes();
}

async function format() {
  await step("cargo fmt", "cargo", ["fmt"]);
  await step("cargo fmt of fuzz/", "cargo", ["fmt", "--manifest-path", "fuzz/Cargo.toml"]);
  await step("biome", node, [biome, "check", "--write", "."]);
}

if (isMain(import.meta.url)) {
  await script(async () => {
    await ensurePackages();
    await (process.argv.includes("--write") ? format() : lint());
  });
}
