/** What `__test__/runtimes/forgotten.cjs` prints, in every runtime. */
export const FORGOTTEN = [
  [200, 200, 200, 200],
  {
    parts: "done",
    poll: "COMPLETED",
    relayed: [200, true],
    response: true,
    stream: "after",
    subscription: "COMPLETED",
    "web stream": "done",
  },
];

/** What `__test__/runtimes/signals.cjs` prints, in every runtime. */
export const HEARD = {
  "a client's own run": "ended",
  "a held poll until its request is over": 499,
  "a response until its request is over": true,
  "a run until a composite signal": "ended",
  "a run until a time": "ended",
  "a stream until a composite signal": "ended",
  "a tag until a composite signal": "ended",
  "parts until a composite signal": "ended",
  before: ["a run until a time"],
};
