/** Defect 10: what a tag feed costs after tens of thousands of runs that are over. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "./support/client.mjs";
import { doneRow, startFeed, tell } from "./support/many.mjs";

const CHILD = fileURLToPath(new URL("./support/memory-child.mjs", import.meta.url));
const EACH = 200;
const MB = 1_000_000;

/** Bytes held after `count` runs with 1 KB payloads each. */
async function held(which, count) {
  const filler = "x".repeat(1_000);
  const server = await startFeed((n) => {
    if (n * EACH >= count) return undefined;
    return Array.from({ length: EACH }, (_, k) =>
      tell(doneRow(n * EACH + k, { payload: JSON.stringify([n, k, filler]) })),
    );
  });
  try {
    // V8's young generation would grow to 48 MB, whatever is kept, and more so on a busy machine.
    const options = { execArgv: ["--expose-gc", "--max-semi-space-size=2"], env: cleanEnvironment() };
    const child = fork(CHILD, [which, server.url, String(count)], options);
    const exit = once(child, "exit");
    const [told] = await Promise.race([once(child, "message"), exit]);
    await exit;
    assert.equal(typeof told, "object", `the ${which} client's process ended early`);
    return told;
  } finally {
    server.stop();
  }
}

test("defect 10: the official client keeps every finished run", async () => {
  const { heap } = await held("official", 10_000);
  assert.ok(heap > 20 * MB, `${heap / MB} MB for 10,000 runs`);
});

test("defect 10: 33,150 finished runs leave no more than a bounded few", async () => {
  const { heap, rss } = await held("ours", 33_150);
  assert.ok(heap < 10 * MB, `${heap / MB} MB of JavaScript objects`);
  // 33,150 runs of 1 KB are 33 MB of payloads alone, and over 60 MB as rows. What is loaded with the first run is in the
  // figure too.
  assert.ok(rss < 40 * MB, `${rss / MB} MB in all`);
});
