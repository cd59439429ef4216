// `npm run sanitize`: the Rust unit tests of the hub, of listeners, of the relay, of feeds and streams, built with a sanitizer of
// the nightly compiler. `-- --sanitizer thread` finds data races, `address` memory that is not the program's to touch, and what is
// never given back.
//
// The standard library is the one that rustup ships, compiled without a sanitizer. AddressSanitizer needs no more. Of
// ThreadSanitizer's reports those count in which our code touches the memory (`scripts/lib/thread-sanitizer.mjs`).

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { isMain, root, StepError, script, step } from "./lib/run.mjs";
import { ours } from "./lib/thread-sanitizer.mjs";

/** The compiler's flags. `src/lock.rs` takes locks by what is compiled with the sanitizer. @type {Record<string, string[]>} */
const FLAGS = {
  address: ["-Zsanitizer=address"],
  thread: ["-Zsanitizer=thread", "-Cunsafe-allow-abi-mismatch=sanitizer", "--cfg=thread_sanitizer"],
};

/**
 * The tests with threads, and those around them; without those that run one thread at a time, or look at the time that
 * 80,000 items take.
 */
const TESTS = ["hub::", "serve::", "relay::", "stream::", "http::", "waker", "pending_read"];
const LEFT_OUT = ["interleave", "truth", "eighty_thousand"].flatMap((name) => ["--skip", name]);

async function main() {
  const { values } = parseArgs({ options: { sanitizer: { type: "string", default: "thread" } } });
  const flags = FLAGS[values.sanitizer];
  if (!flags) throw new StepError(`there is no sanitizer "${values.sanitizer}": ${Object.keys(FLAGS).join(", ")}`);
  const folder = await mkdtemp(path.join(tmpdir(), "sanitizer-"));
  try {
    const env = {
      ...process.env,
      // A report that does not count must not fail the run, and a failed test must.
      TSAN_OPTIONS: `exitcode=0 history_size=4 log_path=${folder}/report`,
      ASAN_OPTIONS: "detect_leaks=1",
      CARGO_TARGET_DIR: path.join(root, "target", `sanitizer-${values.sanitizer}`),
      RUSTFLAGS: flags.join(" "),
    };
    const target = "x86_64-unknown-linux-gnu";
    const args = [
      "+nightly",
      "test",
      "--no-default-features",
      "--target",
      target,
      "--lib",
      "--",
      ...TESTS,
      ...LEFT_OUT,
    ];
    await step(`tests with the ${values.sanitizer} sanitizer`, "cargo", args, { env });
    const logs = await Promise.all((await readdir(folder)).map((name) => readFile(path.join(folder, name), "utf8")));
    const { mine, others } = ours(logs.join("\n"));
    for (const report of mine) console.log(`${report}\n`);
    console.log(`${mine.length} reports of our code, ${others} of what is compiled without the sanitizer`);
    if (mine.length > 0) throw new StepError("the sanitizer found faults");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (isMain(import.meta.url)) await script(main);
