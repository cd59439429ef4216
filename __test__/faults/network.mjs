// Faults of the network, and of what stands on the way.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { http2 } from "./front.mjs";
import { atStart, each, overBoth, whileOpen } from "./ways.mjs";

const broken = (how, fields = {}) => ({ kind: "break", how, ...fields });

/** As long as an idle connection is trusted (docs/transport.md, T15), and a little. */
const PAUSE_MS = 4_300;

/** How long the server is away. */
const AWAY_MS = 300;

/** Attempts of a call that go on for longer than the server is away. */
const PATIENT = { retry: { minTimeoutInMs: AWAY_MS, maxTimeoutInMs: 3_000 } };

/** Silence that is found soon: the options that users have, and a server that holds polls for less. */
const SHORT = {
  server: { holdMs: 500 },
  watch: { silenceTimeoutMs: 1_500 },
  requestOptions: { timeoutInMs: 2_500 },
};

const TIMES_OUT = {
  code: "ERR_TIMEOUT",
  why: "docs/calls.md, Bounds: an attempt has 30 s, and the call fails when its own time is over",
};

const SILENT_RELAY = each(
  ["relay viewer", "page", "page's stream"],
  "tests/relay_silence.rs: viewers_of_a_relay_whose_server_falls_silent_see_the_end",
);

/** The connections of a first reader, idle when the second one comes. */
async function warm(world, target) {
  const first = await target.start(world);
  await first.begun;
  await first.change();
  await first.finish();
  await first.done;
  first.check();
  await first.close();
  assert.ok((await world.front.open()).connections > 0, "a connection is idle");
}

const connections = [
  ...overBoth("nothing goes wrong", {}),
  ...overBoth("refused", {
    strike: ({ front }) => front.down(),
    heal: ({ front }) => front.up(),
    requestOptions: PATIENT,
  }),
  ...overBoth("refused from the start", {
    early: true,
    requestOptions: PATIENT,
    arrange: ({ front }) => front.down(),
    heal: ({ front }) => front.up(),
  }),
  ...overBoth("server restarted in a poll", {
    requestOptions: PATIENT,
    async strike({ front }) {
      await front.end("close");
      await front.down();
      await sleep(AWAY_MS);
    },
    heal: ({ front }) => front.up(),
  }),
  ...overBoth("reset as it is accepted", {
    requestOptions: PATIENT,
    async strike({ front }) {
      await front.accepting("reset");
      await front.end("reset");
    },
    heal: ({ front }) => front.accepting(),
  }),
];

const answers = [
  ["reset before the answer", broken("reset")],
  ["reset before the answer, which the server made", broken("reset", { forward: true })],
  ["closed before the answer", broken("close")],
  ["reset amid the headers", broken("reset", { at: 60 })],
  ["reset amid the body", broken("reset", { at: 700 })],
  ["closed amid the body", broken("close", { at: 700 })],
].flatMap(([name, action]) => [
  ...overBoth(name, whileOpen(action)),
  ...overBoth(`${name}, from the first request on`, atStart(action)),
]);

const silence = [
  ...overBoth("half-open in a poll", {
    ...SHORT,
    // The call of another cell that times out takes this one's connections from it (docs/transport.md, T17): a call meets the
    // silence on whichever connection it goes out.
    strike: (world, target) =>
      target.name === "call"
        ? whileOpen(broken("stall"), { count: 1 }).strike(world, target)
        : world.front.end("stall"),
    ends: { call: TIMES_OUT },
    inRust: SILENT_RELAY,
  }),
  ...overBoth("half-open while idle in the pool", (isHttp2) => ({
    early: true,
    async arrange(world, target) {
      await warm(world, target);
      await world.front.end("stall");
      await sleep(PAUSE_MS);
    },
    skips: isHttp2
      ? {}
      : each(
          ["tag", "batch", "stream v1", "stream v2", "relay viewer", "page", "page's stream"],
          "what is left amid an answer over HTTP/1.1 closes its connection: none is idle",
        ),
  })),
  ...overBoth("a stall before the headers", {
    ...SHORT,
    ...whileOpen(broken("hang", { forward: true }), { count: 1, isKicked: true }),
    ends: { call: TIMES_OUT },
    inRust: SILENT_RELAY,
  }),
  ...overBoth("a stall in the body", {
    ...SHORT,
    ...whileOpen(broken("hang", { at: 20 }), { count: 1 }),
    ends: { call: TIMES_OUT },
    inRust: SILENT_RELAY,
  }),
  ...overBoth("a connection that falls silent amid an answer", {
    ...SHORT,
    ...whileOpen(broken("stall", { at: 100 }), { count: 1 }),
    ends: { call: TIMES_OUT },
    inRust: SILENT_RELAY,
  }),
  ...overBoth("a slow drip", whileOpen({ kind: "drip", bytes: 16, everyMs: 1 }, { count: 2 })),
  ...overBoth("an answer that comes late", whileOpen({ kind: "delay", ms: 400 }, { count: 2 })),
];

const streams2 = [
  ["GOAWAY after an answer", { kind: "goAway" }, { isKicked: true }],
  ["GOAWAY before the request was acted on", broken("goAway"), {}],
  ["RST_STREAM of a server that failed", broken("stream"), {}],
  ["RST_STREAM amid the body", broken("stream", { at: 20 }), {}],
  ["RST_STREAM of a request that is refused", broken("refused"), {}],
  ["SETTINGS that allow one stream", { kind: "settings", streams: 1 }, { isKicked: true }],
].map(([name, action, options]) => ({ name, front: http2, ...whileOpen(action, options) }));

/** @type {import("./contract.mjs").Fault[]} */
export const network = [...connections, ...answers, ...silence, ...streams2];
