/**
 * What of the recordings is replayed to neither client, and why. All the rest is:
 * `calls-recordings.test.mjs` fails on an exchange that no suite replays and that is not here, and on
 * one that is here and replayed.
 */

/** By the number of the exchange in its recording. */
const LEFT_OUT = [
  {
    why: "a route or a method that neither client has a call for",
    exchanges: {
      "calls-batch": [31, 35],
      "calls-public-tokens": [42, 44],
      "calls-runs": [53, 54],
      "calls-trigger": [32],
      "calls-wait": [27, 29, 30],
      "errors-auth": [22, 28],
      "run-snapshot": [7, 9, 10],
      "trigger-and-tokens": [4],
    },
  },
  {
    why: "a body, a path or a lack of a key that neither client sends",
    exchanges: {
      "calls-batch": [32, 33, 34],
      "calls-trigger": [30, 33],
      "one-time-tokens": [15],
      "one-time-tokens-corrected-server": [15],
      "run-packet-types": [23],
    },
  },
  {
    why: "the recorder shortened the request",
    exchanges: { "calls-trigger": [28], "calls-wait": [35] },
  },
  {
    why: "a public token that visibly may not: the server is not asked (ERR_MISSING_SCOPE)",
    exchanges: { "one-time-tokens": [14], "one-time-tokens-corrected-server": [14], "trigger-and-tokens": [8] },
  },
  {
    why: "a task writes its streams and reads its input: that is no part of this package",
    exchanges: { "stream-write-v1": [1, 2, 3, 4, 6, 7, 8], "stream-write-v2": [1, 2, 3, 4, 6, 8] },
  },
  {
    why: "the feed of a whole environment, or of tags given twice: neither client asks for it",
    exchanges: { "environment-feed": [1, 2, 5, 7, 8, 9, 10, 11, 13, 14, 16, 17, 18, 19] },
  },
  {
    why: "a client of before: it is answered with other headers (docs/server-protocol.md 1)",
    exchanges: { "electric-passthrough-scripted": [8, 9], "run-live-raw": [7], "run-snapshot": [4] },
  },
];

const byPlace = new Map(
  LEFT_OUT.flatMap(({ why, exchanges }) =>
    Object.entries(exchanges).flatMap(([name, numbers]) => numbers.map((n) => [place(name, n), why])),
  ),
);

/** Names an exchange: the recording, with or without `.json`, and the number in it. */
export function place(recording, n) {
  return `${recording.replace(/\.json$/, "")} #${n}`;
}

/** Why an exchange is left out, if it is one of the list. */
export function listedReason(recording, n) {
  return byPlace.get(place(recording, n));
}

/** Every place in the list. */
export const listed = [...byPlace.keys()];

/**
 * Why an exchange is left out by what it is.
 *
 * @param {import('./recordings.mjs').Exchange} exchange
 */
export function plainReason({ method, response }) {
  if (method === "OPTIONS") return "a browser's preflight";
  if (response === null) return "the recorded client left before there was an answer";
  return undefined;
}
