// What a process has more of after many cells than before: resources of Node, and memory.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");

/** Cells after which what is kept for each configuration is full: 256 of them are kept. */
const WARM = 300;
/** The fewest cells that say something about growth. */
const ENOUGH = 200;
/** Node's test runner keeps some kilobytes of each test. */
const MAX_BYTES_A_CELL = 12_000;
/** Allocators keep freed memory as they like: only a leak of much is seen here. */
const MAX_RSS_A_CELL = 150_000;

function memory() {
  gc();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, rss };
}

/** What is closed is gone after so long. */
const SETTLE_MS = 10_000;
/** What reads a file and ends by itself, as Node does while it loads modules: no resource that anything could keep. */
const PASSING = /^(FSReq|CloseReq$|FileHandleCloseReq$)/;

/** The resources that are open, counted by kind. */
function resources() {
  const counts = {};
  for (const kind of process.getActiveResourcesInfo()) {
    if (!PASSING.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Watches from now on; `played()` after each cell, `check()` when nothing is open any more. */
export function watchLeaks() {
  const before = resources();
  let cells = 0;
  let warm;
  return {
    played() {
      cells += 1;
      if (cells === WARM) warm = memory();
    },
    async check() {
      // What was closed is there until Node's loop comes round to it.
      const until = performance.now() + SETTLE_MS;
      while (!isDeepStrictEqual(resources(), before) && performance.now() < until) await sleep(20);
      assert.deepEqual(resources(), before, "open resources of Node");
      if (cells < WARM + ENOUGH) return;
      const end = memory();
      const grown = (kind) => Math.round((end[kind] - warm[kind]) / (cells - WARM));
      console.log(`${cells} cells left ${grown("heap")} bytes of heap each and ${grown("rss")} of the process`);
      assert.ok(grown("heap") <= MAX_BYTES_A_CELL, `each cell left ${grown("heap")} bytes of heap`);
      assert.ok(grown("rss") <= MAX_RSS_A_CELL, `each cell left ${grown("rss")} bytes of the process`);
    },
  };
}
