// `npm test`: set-up, types, the Rust tests, then the JavaScript tests: the quick ones, then the heavy ones, some of
// them in Chromium. Each must pass for the next to start, and says how long it took. Where the original
// recordings of the real server are beside the checkout, the tests that replay recordings run on those too.
//
// `npm test -- <file or word> …` runs only the JavaScript test files whose path holds one of the words. `npm test -- --coverage`
// also prints how many lines of each folder the Rust tests and the quick JavaScript tests ran.
// `npm run test:fast` (`--fast`) leaves out what is slow; `--addon` runs the tests that show that the addon works here,
// without set-up (both: `lib/suites.mjs`).

import { readdir } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { ensureChromium } from "./lib/chromium.mjs";
import { javascriptTests } from "./lib/javascript-tests.mjs";
import { countedRustTests } from "./lib/line-counts.mjs";
import { ensureNginx } from "./lib/nginx.mjs";
import { filesIn, originalDirectory } from "./lib/recordings.mjs";
import { isMain, root, StepError, script, step, timed } from "./lib/run.mjs";
import { documentationTests, rustTests } from "./lib/rust-tests.mjs";
import { ADDON, BROWSER, NGINX, nameOf, REPLAYS, SLOW } from "./lib/suites.mjs";
import { setup } from "./setup.mjs";
import { checkTypes } from "./types.mjs";

/** Every `*.test.mjs` under `__test__`. Node 20's own runner knows no patterns. */
export async function testFiles() {
  const entries = await readdir(path.join(root, "__test__"), { recursive: true });
  return entries
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => path.join("__test__", name))
    .sort();
}

/** How the names of Rust tests begin that replay recordings (`tests/wire_support`). */
const RECORDED = "every_recorded_";

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
    /** @type {import("./lib/line-counts.mjs").Counted | undefined} */
    let counted = process.argv.includes("--coverage") ? [] : undefined;
    const words = process.argv.slice(2).filter((word) => word !== "--coverage");
    const files = await testFiles();
    if (words[0] === "--fast") return fast();
    if (words[0] === "--addon") return javascriptTests(files.filter((file) => ADDON.includes(nameOf(file))));
    const chosen = words.length === 0 ? files : files.filter((name) => words.some((word) => name.includes(word)));
    if (chosen.length === 0) throw new StepError(`no test file under __test__ matches: ${words.join(" ")}`);
    await phase("set-up", setup);
    if (chosen.some((file) => BROWSER.includes(nameOf(file)))) await ensureChromium();
    if (chosen.some((file) => NGINX.includes(nameOf(file)))) await ensureNginx();
    if (words.length === 0) {
      await phase("types", checkTypes);
      await phase("Rust tests", async () => {
        if (!counted) return rustTests();
        await documentationTests();
        counted = await countedRustTests();
      });
      if (filesIn(originalDirectory).length > 0) await phase("recordings as recorded", () => originals(files));
    }
    await javascriptTests(chosen, counted);
  });
}
