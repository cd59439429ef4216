// The pure parts of the benchmarks, which compute the published figures.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { parse, UsageError } from "../bench/lib/args.mjs";
import { bars, lines } from "../bench/lib/chart.mjs";
import { between } from "../bench/lib/page.mjs";
import { unread } from "../bench/lib/stalled.mjs";
import { exponent, figure, fit, median, percentile } from "../bench/lib/stats.mjs";
import { check, missed, number, table, times, withSpread } from "../bench/lib/text.mjs";
import { trend } from "../bench/lib/trend.mjs";
import { compare } from "../scripts/lib/instructions.mjs";
import { ours as racing } from "../scripts/lib/thread-sanitizer.mjs";
import { ours } from "../scripts/lib/valgrind.mjs";

const CASES = { known: ["mint", "feeds", "crowd"], byDefault: ["mint", "feeds"] };

test("a case that does not exist, or rounds that are none, are refused by name", () => {
  const refused = (...argv) => assert.throws(() => parse(argv, CASES), UsageError);
  refused("--case", "mints");
  refused("--case", "mint,");
  for (const rounds of ["0", "-1", "2.5", "many", "", "1e3"]) refused(`--rounds=${rounds}`);
  refused("--fast");
  refused("--quick", "--write");
  assert.throws(() => parse(["--case", "mints"], CASES), /"mints".*mint, feeds, crowd/);
});

test("without options the short cases are measured five times", () => {
  const { names, rounds } = parse([], CASES);
  assert.deepEqual([names, rounds], [["mint", "feeds"], 5]);
  assert.deepEqual(parse(["--case", "all", "--rounds", "7"], CASES).names, CASES.known);
  assert.equal(parse(["--quick"], CASES).rounds, 1);
});

test("the median is the middle, and a percentile the nearest rank", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.throws(() => median([]));
  const hundred = Array.from({ length: 100 }, (_, place) => 100 - place);
  assert.deepEqual(
    [0.5, 0.99, 1].map((share) => percentile(hundred, share)),
    [50, 99, 100],
  );
  assert.equal(percentile([7], 0.01), 7);
});

test("a sample without its figure is no zero", () => {
  assert.throws(() => figure([{ micros: 1 }, { micros: Number.NaN }], "micros"), /no micros/);
  assert.throws(() => figure([{}], "micros"), /no micros/);
});

test("slopes are those of the line", () => {
  assert.deepEqual(
    fit([
      [0, 1],
      [1, 3],
      [2, 5],
    ]),
    { slope: 2, intercept: 1 },
  );
  assert.ok(
    Math.abs(
      exponent([
        [1, 5],
        [10, 50],
        [100, 500],
      ]) - 1,
    ) < 1e-9,
  );
  assert.ok(
    Math.abs(
      exponent([
        [1, 5],
        [10, 5],
        [100, 5],
      ]),
    ) < 1e-9,
  );
  assert.throws(() =>
    fit([
      [1, 1],
      [1, 2],
    ]),
  );
});

test("a target is met at its bound and missed beyond it", () => {
  assert.equal(check("a", 20, { least: 20, unit: "×" }).met, true);
  assert.equal(check("a", 19.99, { least: 20, unit: "×" }).met, false);
  assert.equal(check("a", 1.5, { most: 1.5, unit: "×" }).met, true);
  assert.equal(check("a", 1.501, { most: 1.5, unit: "×" }).met, false);
  assert.equal(check("a", Number.NaN, { least: 20, unit: "×" }).met, false);
  assert.equal(missed([check("a", 20, { least: 20, unit: "×" })]), "None.");
  assert.match(missed([check("a", 3, { least: 1_000, unit: "×" })]), /\| a \| ≥ 1,000 × \| 3.00 × \|/);
});

test("figures are written with the digits that mean something", () => {
  assert.deepEqual([1234.5, 99.94, 2.345, 0.01234, 50, 0].map(number), ["1,235", "99.9", "2.35", "0.012", "50", "0"]);
  assert.deepEqual([1234, 23.44, 1.4].map(times), ["1,234 ×", "23.4 ×", "1.40 ×"]);
  assert.equal(withSpread({ median: 2.5, lowest: 1.25, highest: 4.5 }), "2.50 (1.25 to 4.50)");
  assert.throws(() => table(["a", "b"], [["1"]]));
});

test("a page keeps everything outside a section", () => {
  const page = "before <!-- bench:a -->old<!-- /bench:a --> after <!-- bench:b --><!-- /bench:b -->";
  const written = between(page, "a", "$& new $1");
  assert.equal(
    written,
    "before <!-- bench:a -->\n$& new $1\n<!-- /bench:a --> after <!-- bench:b --><!-- /bench:b -->",
  );
  assert.equal(between(written, "a", "$& new $1"), written);
  assert.throws(() => between(page, "c", "new"), /no section c/);
});

test("charts hold every value, and no text breaks them", () => {
  const series = ["ours", "<theirs> & co"];
  const svg = bars({ title: 'a "title"', unit: "µs", series, groups: [{ label: "x", values: [3.2, 1700] }] });
  assert.match(svg, /&lt;theirs&gt; &amp; co/);
  assert.match(svg, />3\.2<[\s\S]*>1,700</);
  assert.match(svg, /prefers-color-scheme: dark/);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  const points = [
    [1, 0.5],
    [10, 5],
    [100, 50],
  ];
  for (const logarithmic of [false, true]) {
    const drawn = lines({ title: "t", x: "feeds", y: "µs", series: [{ label: "ours", points }], logarithmic });
    assert.equal(drawn.match(/<circle/g)?.length, 3);
    assert.doesNotMatch(drawn, /NaN|Infinity|undefined/);
  }
});

test("work that costs more instructions than allowed fails, and so does a gain that is not taken over", () => {
  const baseline = { tolerancePercent: 3, compiler: "", machine: "", instructions: { mint: 1_000, merge: 1_000 } };
  const failures = (counted) => compare(baseline, counted).failures;
  assert.deepEqual(failures({ mint: 1_030, merge: 970 }), []);
  assert.match(failures({ mint: 1_031, merge: 1_000 })[0], /mint costs \+3\.10 %/);
  assert.match(failures({ mint: 1_000, merge: 969 })[0], /merge became cheaper/);
  assert.match(failures({ mint: 1_000 })[0], /merge .* not counted/);
  assert.match(failures({ mint: 1_000, merge: 1_000, other: 1 })[0], /other is not in the baseline/);
});

test("a trend is that of most samples, and its bounds hold nothing for flat noise", () => {
  const rising = Array.from({ length: 40 }, (_, x) => [x, 1_000 + 2 * x + (x % 13 === 0 ? 5_000 : 0)]);
  assert.equal(trend(rising).slope, 2);
  const noise = Array.from({ length: 40 }, (_, x) => [x, 1_000 + ((x * 7_919) % 17)]);
  const { lowest, highest } = trend(noise);
  assert.ok(lowest < 0 && highest > 0, `${lowest} to ${highest}`);
  assert.throws(() => trend([[1, 1]]));
});

test("a stalled run says which side of a connection has what unread", () => {
  const line = (local, remote, state, queues) =>
    `   0: 0100007F:${local} 0100007F:${remote} ${state} ${queues} 00:00000000 00000000     0        0 1 1 0 20 4 30 10 -1`;
  const tcp = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    line("1F90", "0000", "0A", "00000000:00000003"),
    line("1F90", "A000", "01", "00000000:00000010"),
    line("A000", "1F90", "01", "00000000:00000000"),
    line("A001", "1F90", "01", "00000000:00000200"),
    line("1F91", "A002", "01", "00000000:00000200"),
  ].join("\n");
  const { relay, viewers } = unread(tcp, 8_080);
  assert.deepEqual([relay.unread, relay.notAccepted, relay.ports], [1, 3, [0xa000]]);
  assert.deepEqual([viewers.unread, viewers.ports, viewers.states], [1, [0xa001], { open: 2 }]);
});

test("of valgrind's reports those are the addon's that have it among the callers", () => {
  const log = `==7== Memcheck, a memory error detector
==7== Command: node program.cjs
==7==
==7== Invalid read of size 8
==7==    at 0x1: read (vg_replace.c:1)
==7==    by 0x2: poll (in /app/trigger-native.node)
==7==
==7== 16 bytes in 1 blocks are definitely lost in loss record 1 of 2
==7==    at 0x3: malloc (vg_replace.c:2)
==7==    by 0x4: main (node.cc:3)
==7==
==7== 40 bytes in 1 blocks are definitely lost in loss record 2 of 2
==7==    at 0x5: operator new(unsigned long) (vg_replace.c:3)
==7==    by 0x6: napi_create_external (in /usr/bin/node)
==7==    by 0x7: client (in /app/trigger-native.node)
==7==
==7== LEAK SUMMARY:
==7==    definitely lost: 16 bytes in 1 blocks`;
  const { mine, others } = ours(log, "trigger-native.node");
  assert.deepEqual([mine.length, others], [1, 2]);
  assert.match(mine[0], /^Invalid read of size 8/);
});

test("of ThreadSanitizer's reports those are ours in which our code touches the memory, and no last reference is dropped", () => {
  const access = (what, ...frames) =>
    `  ${what} of size 8 by thread T1:\n${frames.map((each, n) => `    #${n} ${each}`).join("\n")}`;
  const report = (...parts) =>
    `==================\nWARNING: ThreadSanitizer: data race (pid=1)\n${parts.join("\n\n")}\n`;
  const library = "core::mem::replace::<u8> /rustc/abc/library/core/src/mem/mod.rs:1:1 (app+0x1)";
  const tokio = "<tokio::sync::Semaphore>::poll /root/.cargo/registry/src/x/tokio-1/src/sync/s.rs:1:1 (app+0x2)";
  const own = "<app::queue::Queue>::push /app/src/queue.rs:1:1 (app+0x3)";
  const drop =
    "<alloc::sync::Arc<app::Row> as core::ops::drop::Drop>::drop /rustc/abc/library/alloc/src/sync.rs:1:1 (app+0x4)";
  const heap = "  Location is heap block of size 8";
  const reports = [
    report(access("Read", library, own), access("Previous write", library, tokio), heap),
    report(access("Read", library, tokio, own), access("Previous write", library, tokio, own), heap),
    report(access("Write", library, drop, own), access("Previous read", own), heap),
    report(access("Write", library, own), access("Previous read", own), "  Location is stack of thread T1."),
  ];
  const { mine, others } = racing(reports.join(""));
  assert.deepEqual([mine.length, others], [1, 3]);
  assert.match(mine[0], /Queue>::push/);
});

describe("the cases of the benchmark", () => {
  const cases = readdirSync(new URL("../bench/cases/", import.meta.url));
  assert.ok(cases.length > 5);
  for (const name of cases) {
    // Each is loaded when it is picked, so that a name that is nowhere exported would be seen no sooner.
    test(`${name} loads`, async () => {
      assert.ok(Object.keys(await import(`../bench/cases/${name}`)).length > 0);
    });
  }
});
