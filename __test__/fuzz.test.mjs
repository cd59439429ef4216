/** The fuzzing is set up whole: every target has what it needs, a run is read as it was, and a difference is found. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, test } from "node:test";
import { choices } from "../scripts/lib/differential/random.mjs";
import { caseOf, compare, difference, minimized, startOurs } from "../scripts/lib/differential/run.mjs";
import { officialStream } from "../scripts/lib/differential/streams.mjs";
import { seedNames } from "../scripts/lib/fuzz-seeds.mjs";
import { asTable, summary } from "../scripts/lib/fuzz-table.mjs";
import { root } from "../scripts/lib/run.mjs";

const read = (/** @type {string[]} */ ...parts) => readFileSync(path.join(root, ...parts), "utf8");

describe("the fuzz targets", () => {
  const targets = readdirSync(path.join(root, "fuzz", "fuzz_targets")).map((name) => name.replace(/\.rs$/, ""));

  test("are in the manifest, the script and the core, each with seeds", () => {
    assert.ok(targets.length >= 9);
    const manifest = read("fuzz", "Cargo.toml");
    const script = read("scripts", "fuzz.mjs");
    for (const target of targets) {
      assert.match(read("fuzz", "fuzz_targets", `${target}.rs`), new RegExp(`target!\\(${target}, `));
      assert.ok(manifest.includes(`path = "fuzz_targets/${target}.rs"`), target);
      const words = new RegExp(`^ {2}${target}: "(\\w+)",$`, "m").exec(script)?.[1];
      assert.ok(existsSync(path.join(root, "fuzz", "dictionaries", `${words}.dict`)), target);
      assert.match(read("fuzz", "properties", "tests.rs"), new RegExp(`holds\\("${target}", ${target}\\)`));
    }
    assert.deepEqual(
      seedNames()
        .map(({ target }) => target)
        .sort(),
      targets.sort(),
    );
  });

  test("have the seeds that the recordings give", () => {
    for (const { target, held, expected, intact } of seedNames()) {
      assert.deepEqual(held, expected, `${target}: npm run fuzz -- --seeds`);
      assert.ok(intact, target);
    }
  });
});

describe("a run of libFuzzer", () => {
  const said = [
    "#2\tINITED cov: 100 ft: 101 corp: 1/1b exec/s: 0 rss: 30Mb",
    "#4096\tREDUCE cov: 1234 ft: 2000 corp: 20/1Kb exec/s: 2048 rss: 31Mb",
    "stat::number_of_executed_units: 5000",
    "stat::average_exec_per_sec:     2500",
  ].join("\n");

  test("is a row of the table", () => {
    const outcome = summary("sse", said, 0, []);
    assert.deepEqual(outcome, {
      target: "sse",
      executions: 5_000,
      perSecond: 2_500,
      coverage: 1_234,
      failure: undefined,
    });
    assert.match(asTable([outcome]), /^\| sse \| 5,000 \| 2,500 \| 1,234 \| 0 \|$/m);
  });

  test("that found something has failed, and names the input", () => {
    const crash = summary("sse", `${said}\nthread panicked at src/sse/model.rs:7:1:\n`, 77, ["crash-1"]);
    assert.match(crash.failure, /model\.rs:7.*fuzz\/artifacts\/sse\/crash-1/);
    assert.match(summary("sse", said, 0, ["slow-unit-1"]).failure, /slow-unit-1/);
    assert.match(asTable([crash]), /\| 1 \|$/m);
  });

  test("that executed nothing has failed", () => {
    assert.equal(summary("sse", "", 0, []).failure, "nothing was executed");
  });
});

describe("the published clients and ours", () => {
  const program = path.join(root, "target", "debug", "examples", "differential");
  before(() => {
    const args = ["build", "--quiet", "--no-default-features", "--example", "differential"];
    execFileSync("cargo", args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  });

  test("see the same in feeds and streams", async () => {
    const { compared, failure } = await compare({ program, seconds: 60, seed: 1, cases: 150 });
    assert.equal(failure, undefined);
    assert.ok(compared.shape > 30 && compared.stream > 30, JSON.stringify(compared));
  });

  test("a value that one of them loses is found, in a smaller case", async () => {
    const ours = startOurs(program);
    const forgetful = {
      ...ours,
      ask: async (/** @type {string} */ line) => {
        const seen = await ours.ask(line);
        if (seen.values) seen.values = seen.values.slice(0, -1);
        if (seen.states) seen.states = seen.states.map((rows) => Object.fromEntries(Object.entries(rows).slice(1)));
        return seen;
      },
    };
    try {
      const found = { shape: 0, stream: 0 };
      for (let seed = 1; Math.min(found.shape, found.stream) < 2; seed++) {
        const one = caseOf(seed);
        if (!(await difference(forgetful, one))) continue;
        const smallest = await minimized(forgetful, one);
        assert.ok(JSON.stringify(smallest).length <= JSON.stringify(one).length);
        assert.equal(await difference(ours, smallest), undefined);
        found[one.kind]++;
      }
    } finally {
      ours.stop();
    }
  });

  test("a feed holds only what a database can, texts that are cut among it", () => {
    // In the first of these a text ends amid a pair of surrogates.
    for (const seed of [102_305_674, ...Array.from({ length: 500 }, (_, at) => at)]) {
      const one = caseOf(seed);
      if (one.kind !== "shape") continue;
      for (const { value = {} } of one.generations.flat().flatMap(({ messages }) => messages))
        for (const text of Object.values(value)) assert.ok(text === null || text.isWellFormed(), `seed ${seed}`);
    }
  });

  test("a case is the same whenever its seed is, and the published reader reads it", async () => {
    assert.deepEqual(caseOf(7), caseOf(7));
    const one = { kind: "stream", v2: false, parts: ['id: 1-0\ndata: {"a":1}\n\n', "id: 1-0\ndata: x\n\n"], cuts: 1 };
    const { parts } = await officialStream(one, [Buffer.from(one.parts.join(""))]);
    assert.deepEqual(
      parts.map((part) => part.chunk),
      [{ a: 1 }, "x"],
    );
    assert.ok(choices(1).below(10) < 10);
  });
});
