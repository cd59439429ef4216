// One run for 1,000 readers as server-sent events: `toResponse()`, and the handler that a user writes by hand with the
// official SDK. An update is released when every reader has the one before.

import { bars } from "../lib/chart.mjs";
import { control, cpuMicros, latch, load, peakRss, untilHeld } from "../lib/client.mjs";
import { runId } from "../lib/follow.mjs";
import { startPeer } from "../lib/process.mjs";
import { figure } from "../lib/stats.mjs";
import { check, number, table, verdict, withSpread } from "../lib/text.mjs";

/** The response of a route handler that is written by hand with an async iterator. */
function byHand(subscription) {
  const encoder = new TextEncoder();
  const steps = subscription[Symbol.asyncIterator]();
  const body = new ReadableStream({
    async pull(controller) {
      const { done, value } = await steps.next();
      if (done) return controller.close();
      controller.enqueue(encoder.encode(`event: run\ndata: ${JSON.stringify(value)}\n\n`));
    },
    cancel: () => steps.return?.(),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

const RUN_EVENT = new TextEncoder().encode("event: run\n");

/** Whether a chunk of a body holds a run. Comments and the end do not. */
function isRun(chunk) {
  const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return text.subarray(0, 64).includes(RUN_EVENT);
}

/** `shared`: whether all readers share one long poll. */
const serve =
  (client, respond, shared) =>
  async ({ url, group, readers, updates }) => {
    const { runs } = load(client, url);
    const id = runId({ kind: "drive", group, feeds: 0, updates: updates + 1 }, 0);
    const turns = Array.from({ length: updates + 2 }, () => latch(readers));
    const read = async () => {
      let seen = 0;
      for await (const chunk of respond(runs.subscribeToRun(id)).body) {
        if (isRun(chunk)) turns[seen++].arrive();
      }
      return seen;
    };
    const all = Promise.all(Array.from({ length: readers }, read));
    const polls = shared ? 1 : readers;
    await turns[0].opened;
    await untilHeld(url, polls);
    const cpu = cpuMicros();
    for (let version = 1; version <= updates; version++) {
      await control(`${url}/bench/release/${group}/${version}`);
      await turns[version].opened;
    }
    // So many responses, and as many requests.
    await untilHeld(url, polls);
    const spent = cpuMicros() - cpu;
    const asked = (await control(`${url}/bench/stats`)).polls;
    await control(`${url}/bench/release/${group}/all`);
    const delivered = (await all).reduce((sum, seen) => sum + seen - 1, 0);
    if (delivered !== readers * (updates + 1))
      throw new Error(`${delivered} of ${readers * (updates + 1)} updates came`);
    return { micros: spent / (readers * updates), upstream: asked / (updates + 2), peakKb: peakRss() };
  };

export const measure = {
  ours: serve("ours", (subscription) => subscription.toResponse(), true),
  official: serve("official", byHand, false),
};

export async function run(bench) {
  const readers = bench.size(1_000, 50);
  const measured = (client, updates) => async () => {
    // Each client has a server of its own, which counts its requests.
    const peer = await startPeer();
    const sample = await bench.child(client, { url: peer.url, group: bench.group(), readers, updates });
    await peer.stop();
    return sample;
  };
  const samples = await bench.alternate({ official: measured("official", 2), ours: measured("ours", 20) });
  const of = (name, field) => figure(samples[name], field);
  const ratio = check(
    `CPU an update and reader, ${readers.toLocaleString("en")} readers of one run`,
    of("official", "micros").median / of("ours", "micros").median,
    {
      least: 20,
      unit: "×",
    },
  );
  const title = `One run to ${readers.toLocaleString("en")} readers: CPU time of one update for one reader`;
  const groups = [{ label: "toResponse()", values: [of("ours", "micros").median, of("official", "micros").median] }];
  return {
    text: table(
      [`one run, ${readers.toLocaleString("en")} responses`, "official SDK, by hand", "ours", "ratio", "target"],
      [
        [
          "CPU µs an update and reader",
          withSpread(of("official", "micros")),
          withSpread(of("ours", "micros")),
          ratio.text,
          verdict(ratio),
        ],
        [
          "requests to the server, for each long-poll of one feed",
          number(of("official", "upstream").median),
          number(of("ours", "upstream").median),
          "",
          "",
        ],
      ],
    ),
    checks: [ratio],
    charts: {
      response: { title, svg: bars({ title, unit: "µs", series: ["trigger-native", "official SDK"], groups }) },
    },
  };
}
