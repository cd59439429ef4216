// `npm test`: set-up, types, the Rust tests, then the JavaScript tests: the quick ones, then the heavy ones, some of
// them in Chromium. Each must pass for the next to start, and says how long it took. Where the original
// recordings of the real server are beside the checkout, the tests that replay recordings run on those too.
//
// `npm test -- <file or word> …` runs only the JavaScript test files whose path holds one of the words.
// `npm run test:fast` (`--fast`) leaves out what is slow; `--addon` runs the tests that show that the addon works here,
// without set-up (both: `lib/suites.mjs`).

import { readdir } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { ensureChromium } from "./lib/chromium.mjs";
import { javascriptTests } from "./lib/javascript-tests.mjs";
import { filesIn, originalDirectory } from "./lib/recordings.mjs";
import { isMain, root, run, StepError, script, step, timed } from "./lib/run.mjs";
import { ADDON, BROWSER, nameOf, REPLAYS, SLOW } from "./lib/suites.mjs";
import { setup } from "./setup.mjs";
import { checkTypes } from "./types.mjs";

/** Every `*.test.mjs` under `__test__`. Node 20's own runner knows no patterns. */
async function testFiles() {
  const entries = await readdir(path.join(root, "__test__"), { recursive: true });
  return entries
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => path.join("__test__", name))
    .sort();
}

/** How the names of Rust tests begin that replay recordings (`tests/wire_support`). */
const RECORDED = "every_recorded_";

/**
 * The Rust tests whose names hold `filter`, by cargo-nextest where it is installed.
 *
 * @param {string[]} filter
 */
async function rustTests(...filter) {
  const nextest = await run("cargo", ["nextest", "--version"], { quiet: true });
  const rest = ["--no-default-features", ...filter];
  if (nextest !== 0) return step("Rust tests (cargo test)", "cargo", ["test", ...rest]);
  // nextest runs no documentation tests: cargo does.
  if (filter.length === 0) {
    await step("Rust documentation tests", "cargo", ["test", "--no-default-features", "--doc", "--quiet"]);
  }
  return step("Rust tests (cargo nextest)", "cargo", ["nextest", "run", ...rest]);
}

/** The tests that replay recordings, on the originals. @param {string[]} files */
async function originals(files) {
  process.env.TRIGGER_NATIVE_WIRE = originalDirectory;
  try {
    await rustTests(RECORDED);
    await javascriptTests(files.filter((file) => REPLAYS.includes(nameOf(file))));
  } finally {
    delete process.env.TRIGGER_NATIVE_WIRE;
  }
}

function rustUnitTests() {
  return step("cargo test --lib", "cargo", ["test", "--no-default-features", "--lib", "--quiet"]);
}

/** @param {string} label @param {() => Promise<void>} work */
async function phase(label, work) {
  const ended = timed(label);
  await work();
  ended();
}

/** What a person runs while working: the Rust unit tests and the JavaScript tests that do not take long. */
async function fast() {
  await phase("set-up", setup);
  await phase("Rust unit tests", rustUnitTests);
  await javascriptTests((await testFiles()).filter((file) => !(nameOf(file) in SLOW)));
}

if (isMain(import.meta.url)) {
  await script(async () => {
    const words = process.argv.slice(2);
    const files = await testFiles();
    if (words[0] === "--fast") return fast();
    if (words[0] === "--addon") return javascriptTests(files.filter((file) => ADDON.includes(nameOf(file))));
    const chosen = words.length === 0 ? files : files.filter((name) => words.some((word) => name.includes(word)));
    if (chosen.length === 0) throw new StepError(`no test file under __test__ matches: ${words.join(" ")}`);
    await phase("set-up", setup);
    if (chosen.some((file) => BROWSER.includes(nameOf(file)))) await ensureChromium();
    if (words.length === 0) {
      await phase("types", checkTypes);
      await phase("Rust tests", () => rustTests());
      if (filesIn(originalDirectory).length > 0) await phase("recordings as recorded", () => originals(files));
    }
    await javascriptTests(chosen);
  });
}
