// `npm run bench`: the official SDK and ours, side by side, on this machine.
//
// Every figure comes from child processes that alternate between the clients, against one server
// written in Rust; medians of the rounds, with the spread. `--rounds 5`, `--case mint,cold,feeds`,
// `--write` (puts the tables into docs/performance.md).

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    case: { type: "string", default: "mint,cold,feeds" },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const wanted = new Set(values.case.split(","));
const target = process.env.CARGO_TARGET_DIR ?? path.join(root, "target");
let group = 0;

function build() {
  const built = spawnSync(
    "cargo",
    ["build", "--release", "--no-default-features", "--example", "bench-peer", "--example", "bench-bare"],
    { cwd: root, stdio: "inherit" },
  );
  if (built.status !== 0) throw new Error("the benchmark's server did not build");
}

const example = (name) => path.join(target, "release", "examples", name);

/** The server; it ends when its standard input closes. */
async function startPeer(claimsDelayMs = 0) {
  const peer = spawn(example("bench-peer"), [String(claimsDelayMs)], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await once(peer.stdout.setEncoding("utf8"), "data");
  const stop = () => {
    peer.stdin.end();
    return once(peer, "exit");
  };
  return { url: line.trim().replace("listening ", ""), stop };
}

async function run(command, args) {
  const started = performance.now();
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} exited with ${code}`);
  return { ...JSON.parse(text.trim().split("\n").at(-1)), wallMillis: performance.now() - started };
}

const child = (client, name, args) =>
  run(process.execPath, [path.join(root, "bench/child.mjs"), client, name, JSON.stringify(args)]);

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Alternates the clients over the rounds; the samples of each. */
async function alternate(clients) {
  const samples = Object.fromEntries(Object.keys(clients).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(clients)) samples[name].push(await measure());
  }
  return samples;
}

const figure = (samples, field, digits = 1) => {
  const numbers = samples.map((sample) => sample[field]);
  return {
    median: median(numbers),
    text: `${median(numbers).toFixed(digits)} (${Math.min(...numbers).toFixed(digits)} to ${Math.max(...numbers).toFixed(digits)})`,
  };
};

const times = (ratio) => `${ratio >= 100 ? Math.round(ratio).toLocaleString("en") : ratio.toFixed(1)} ×`;

function table(heads, rows) {
  return [
    `| ${heads.join(" | ")} |`,
    `|${heads.map(() => " --- ").join("|")}|`,
    ...rows.map((row) => `| ${row.join(" | ")} |`),
  ].join("\n");
}

const sections = {
  async mint() {
    const peer = await startPeer();
    const far = await startPeer(20);
    const samples = await alternate({
      ours: () => child("ours", "mint", { url: peer.url, calls: 20_000 }),
      "sdk-local": () => child("sdk-local", "mint", { calls: 3_000 }),
      "fast-jwt": () => child("fast-jwt", "mint", { calls: 10_000 }),
      sdk: () => child("official", "mint", { url: peer.url, calls: 300 }),
      "sdk-20ms": () => child("official", "mint", { url: far.url, calls: 30 }),
    });
    await Promise.all([peer.stop(), far.stop()]);
    const ours = figure(samples.ours, "micros", 2);
    const row = (label, name, target) => {
      const other = figure(samples[name], "micros");
      return [label, other.text, ours.text, times(other.median / ours.median), target];
    };
    return table(
      ["`createPublicToken`, claims known, against", "µs", "ours, µs", "ratio", "target"],
      [
        row("the SDK's signing alone (`generateJWT`, jose)", "sdk-local", "≥ 20 ×"),
        row("fast-jwt with the same claims", "fast-jwt", "≥ 5 ×"),
        row("the SDK end to end, loopback", "sdk", "≥ 500 ×"),
        row("the SDK end to end, 20 ms network", "sdk-20ms", "≥ 1,000 ×"),
      ],
    );
  },

  async cold() {
    const peer = await startPeer();
    const samples = await alternate({
      node: () => child("node", "cold", {}),
      ours: () => child("ours", "cold", { url: peer.url }),
      official: () => child("official", "cold", { url: peer.url }),
    });
    await peer.stop();
    const bare = median(samples.node.map((sample) => sample.rss));
    const over = (list) =>
      figure(
        list.map((sample) => ({ mb: (sample.rss - bare) / 1024 })),
        "mb",
      );
    const row = (label, official, ours, target) => [
      label,
      official.text,
      ours.text,
      times(official.median / ours.median),
      target,
    ];
    return table(
      ["import to first token, claims asked on loopback", "official SDK", "ours", "ratio", "budget"],
      [
        row("time, ms", figure(samples.official, "millis"), figure(samples.ours, "millis"), "≤ 15 ms"),
        row("CPU, ms", figure(samples.official, "cpuMillis"), figure(samples.ours, "cpuMillis"), ""),
        row("peak memory over bare Node, MB", over(samples.official), over(samples.ours), "≤ 8 MB"),
      ],
    );
  },

  async feeds() {
    const peer = await startPeer();
    const rows = [];
    const plans = [
      { feeds: 1, sdk: 3000, ours: 5000, target: "≥ 10 ×" },
      { feeds: 100, sdk: 30, ours: 200, target: "≥ 25 ×" },
      { feeds: 1000, sdk: 4, ours: 30, target: "≥ 20 ×" },
      { feeds: 3000, sdk: 2, ours: 10, target: "≥ 20 ×" },
    ];
    for (const plan of plans) {
      const measure = (client, updates) => async () => {
        const sample = await child(client, "feeds", {
          url: peer.url,
          group: `g${++group}`,
          feeds: plan.feeds,
          updates,
        });
        if (sample.delivered !== sample.expected)
          throw new Error(`${client}: ${sample.delivered} of ${sample.expected} updates came`);
        return sample;
      };
      const bare = async () => {
        const floor = await run(example("bench-bare"), [
          peer.url,
          `g${++group}`,
          String(plan.feeds),
          String(plan.ours),
        ]);
        return { ...floor, micros: floor.cpuMicros / floor.updates };
      };
      const samples = await alternate({
        official: measure("official", plan.sdk),
        ours: measure("ours", plan.ours),
        bare,
      });
      const [official, ours, floor] = ["official", "ours", "bare"].map((name) => figure(samples[name], "micros"));
      rows.push([
        plan.feeds.toLocaleString("en"),
        official.text,
        ours.text,
        times(official.median / ours.median),
        plan.target,
        floor.text,
        `${(ours.median / floor.median).toFixed(2)} ×`,
      ]);
      console.log(`feeds ${plan.feeds}: official ${official.text}, ours ${ours.text}, bare ${floor.text}`);
    }
    await peer.stop();
    return table(
      [
        "live feeds",
        "official SDK, CPU µs an update",
        "ours",
        "ratio",
        "target",
        "bare Rust poll and parse",
        "ours over bare",
      ],
      rows,
    );
  },
};

function machine() {
  return `${os.cpus().length} × ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}, ${rounds} rounds, medians (lowest to highest)`;
}

/** Puts `text` between the markers of a section of docs/performance.md. */
function write(name, text) {
  const file = path.join(root, "docs/performance.md");
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const page = readFileSync(file, "utf8");
  if (!page.includes(open) || !page.includes(close)) throw new Error(`docs/performance.md has no section ${name}`);
  writeFileSync(
    file,
    page.replace(new RegExp(`${open}[^]*?${close}`), () => `${open}\n${text}\n${close}`),
  );
}

build();
for (const name of Object.keys(sections).filter((section) => wanted.has(section))) {
  const text = `${await sections[name]()}\n\n${machine()}.`;
  console.log(`\n${text}\n`);
  if (values.write) write(name, text);
}
