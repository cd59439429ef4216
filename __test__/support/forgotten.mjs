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
