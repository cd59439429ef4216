// Faults of servers, gateways and caches: answers that are not the API's, or not whole.

import assert from "node:assert/strict";
import { http1 } from "./front.mjs";
import { atStart, each, overBoth, struck, whileOpen } from "./ways.mjs";

const FEEDS = ["run", "tag", "batch", "withStreams", "relay viewer", "page"];
const STREAMS = ["withStreams", "stream v1", "stream v2"];

/** A date has whole seconds: two of them are more than one. */
const dateIn = (seconds) => new Date(Date.now() + seconds * 1_000).toUTCString();

/** How long the server asks to wait, by the header's form; and the least that this is. */
const WAITS = [
  { name: "without Retry-After", value: () => undefined, leastMs: 0 },
  { name: "with Retry-After in seconds", value: () => "1", leastMs: 990 },
  { name: "with Retry-After as a date", value: () => dateIn(2), leastMs: 900 },
  { name: "with a Retry-After that says nothing", value: () => "soon", leastMs: 0 },
];

const CONFLICT = { code: "ERR_CONFLICT", why: "docs/streams.md, S7: a 409 ends a stream" };
const TOO_EARLY = { code: "ERR_API", why: "docs/streams.md S7, docs/calls.md, docs/protocol.md I9: a 425 is final" };
const TOLD_TO_VIEWER = {
  code: "HTTP_425",
  why: "docs/relay-feeds.md, F3: viewers get the refusal that ended the relay's feed",
};

function status(code, wait) {
  const headers = () => (wait.value() === undefined ? [] : [["retry-after", wait.value()]]);
  const action = () => ({ kind: "status", status: code, headers: headers(), body: '{"error":"not now"}' });
  const tooEarly = {
    ...each([...FEEDS, ...STREAMS, "call"], TOO_EARLY),
    ...each(["relay viewer", "page"], TOLD_TO_VIEWER),
  };
  // A relay that loses a stream that was open has its pages ask again, which opens it anew.
  const ends = { 409: each(STREAMS, CONFLICT), 425: tooEarly }[code] ?? {};
  return {
    name: `${code} ${wait.name}`,
    front: http1,
    watch: { retry: { maxDelayMs: 5_000 } },
    requestOptions: { retry: { maxTimeoutInMs: 5_000 } },
    ends,
    // A date is made when it is sent.
    strike: (world, target) => whileOpen(action(), { count: 1, isKicked: true }).strike(world, target),
    async check(world, target) {
      await struck(world, target);
      // What a relay's stream ended with is no answer to its pages, which ask again.
      const isLost = [409, 425].includes(code) && target.name === "page's stream";
      const isImmediate = target.name in ends || isLost || (code === 409 && FEEDS.includes(target.name));
      const took = performance.now() - world.struckAt;
      if (!isImmediate) assert.ok(took >= wait.leastMs, `the server asked to wait, and was asked after ${took} ms`);
    },
  };
}

const statuses = [408, 409, 425, 429, 500, 502, 503, 504].flatMap((code) => WAITS.map((wait) => status(code, wait)));

const HTML = "<!doctype html><title>Bad gateway</title><h1>Bad gateway</h1>";
const html = (code) => ({ kind: "status", status: code, headers: [["content-type", "text/html"]], body: HTML });

const NO_API = {
  code: "ERR_PROTOCOL",
  why: "docs/calls.md, Answers: a response that is not the API's is a ProtocolError",
};

const pages = [502, 503, 504].flatMap((code) => [
  ...overBoth(`a gateway's page, ${code}`, whileOpen(html(code), { isKicked: true })),
]);

/** @type {import("./contract.mjs").Fault[]} */
export const answers = [
  ...statuses,
  ...overBoth("503 to the first requests", atStart({ kind: "status", status: 503 })),
  ...overBoth("429 to the first requests", atStart({ kind: "status", status: 429 })),
  ...pages,
  ...overBoth("a page in place of an answer, 200", {
    ...whileOpen(html(200), { isKicked: true }),
    ends: { call: NO_API },
  }),
  ...overBoth("a body that ends early as if it were whole", {
    ...whileOpen({ kind: "break", how: "end", at: 12 }),
    ends: { call: NO_API },
  }),
  ...["gzip", "zstd"].flatMap((encoding) =>
    overBoth(`${encoding} without its end`, whileOpen({ kind: "encode", encoding, cut: 9 }, { isKicked: true })),
  ),
  ...["the last", "the first"].flatMap((which) =>
    overBoth(`a cache that gives ${which} answer again`, {
      ...whileOpen({ kind: "repeat", first: which === "the first" }),
      skips: {
        ...each(
          ["stream v1", "stream v2", "page's stream"],
          "no cache keeps a stream: it has no end, and says no-store",
        ),
        call: "each call asks for a run of its own, of which no cache has an answer",
      },
    }),
  ),
];
