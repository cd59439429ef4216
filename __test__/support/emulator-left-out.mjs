/**
 * What of the recordings the emulator's answers are not compared with, and why. All the rest is:
 * `emulator-recordings.test.mjs` fails on an exchange that is not compared and not here, and on one that is here and
 * compared.
 */

/** By the number of the exchange in its recording. */
const LEFT_OUT = [
  {
    why: "the client left a snapshot before the server had begun to answer",
    exchanges: {
      "browser-hooks-useRealtimeRun-expiredtoken": [5],
      "browser-hooks-useRealtimeRun-skip": [5],
      "browser-hooks-useRealtimeRun-stay": [4],
      "browser-hooks-useRealtimeRunsWithTag-createdAt": [4],
      "calls-public-tokens": [18],
      "full-batch": [4],
      "full-run-cancelled": [3],
      "full-run-delayed": [3],
      "full-run-failed": [3],
      "full-run-lifecycle": [3],
      "full-run-wait-token": [12, 17],
      "full-streams-v2": [3],
      "run-failed-sdk": [3],
      "run-live-sdk": [2],
      "run-packet-types": [5, 8, 19],
      "trigger-and-tokens": [11],
      "with-streams-sdk": [2, 7],
    },
  },
  {
    why: "the client left a stream before the server had begun to answer",
    exchanges: { "full-streams-v2": [7, 8] },
  },
  {
    why: "the server's one-time check is at fault there (docs/server-protocol.md 3); the corrected server's answers are compared",
    exchanges: {
      "browser-hooks-useTaskTrigger-onetime": [4],
      "one-time-tokens": [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 29, 30, 34],
    },
  },
  {
    why: "the recorder shortened the request",
    exchanges: { "calls-batch": [27], "calls-trigger": [6, 9, 28], "calls-wait": [35] },
  },
  {
    why: "a route that the emulator does not have: no client of today calls it",
    exchanges: { "calls-batch": [35], "calls-public-tokens": [44], "trigger-and-tokens": [4] },
  },
  {
    why: "its run would be one more of the environment whose feed is compared: that replay makes it as it was told",
    exchanges: { "environment-feed": [3, 4, 6, 12, 15] },
  },
  {
    why: "the answer of an object store, not of the server",
    exchanges: { "calls-runs": [11] },
  },
  {
    why: "the recorded server finds nothing between two times; the emulator does (docs/emulator.md)",
    exchanges: { "calls-runs": [47] },
  },
  {
    why: "the recorded server is older than this route",
    exchanges: { "run-packet-types": [12, 15] },
  },
];

/** Recordings that are left out whole, by name. */
const WHOLE = new Map([
  ["electric-passthrough-scripted", "a server with the Electric backend: the emulator answers as the native one"],
]);

const byPlace = new Map(
  LEFT_OUT.flatMap(({ why, exchanges }) =>
    Object.entries(exchanges).flatMap(([name, numbers]) => numbers.map((n) => [`${name} #${n}`, why])),
  ),
);

/** Why an exchange is left out, if it is. `recording` is its file's name, with or without `.json`. */
export function leftOut(recording, n) {
  const name = recording.replace(/\.json$/, "");
  return WHOLE.get(name) ?? byPlace.get(`${name} #${n}`);
}

/** Every place that is listed by number, as `name #n`. */
export const listedPlaces = [...byPlace.keys()];
