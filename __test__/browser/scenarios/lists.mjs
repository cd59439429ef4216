// Several runs at once: by tag, of a batch.

import { randomUUID } from "node:crypto";

const list = (...runs) => ({ runs: runs.map(([number, status]) => [`<run ${number}>`, status]) });

/** Runs are shown in the order they were made in: each a second after the one before. */
const made = (second) => new Date(Date.now() - 60_000 + second * 1000).toISOString();

export const lists = [
  {
    name: "runs with a tag come and go on, those without do not",
    recording: "browser-hooks-useRealtimeRunsWithTag.json",
    hook: "useRealtimeRunsWithTag",
    async play({ control, open }) {
      const tag = `list-${randomUUID()}`;
      const tab = await open("useRealtimeRunsWithTag", { tag }, control.token([`read:tags:${tag}`]));
      await tab.follows();
      const first = await control.run({ status: "EXECUTING", runTags: [tag], createdAt: made(1) });
      await tab.shows((state) => state.runs.length === 1);
      await control.run({ status: "EXECUTING", runTags: ["another"], createdAt: made(2) });
      await control.complete(first);
      await tab.shows((state) => state.runs[0][1] === "COMPLETED");
      const second = await control.run({ status: "PENDING", runTags: [tag], createdAt: made(3) });
      await tab.shows((state) => state.runs.length === 2);
      await control.change(second, { status: "EXECUTING" });
      await tab.shows((state) => state.runs[1][1] === "EXECUTING");
      await control.complete(second);
      await tab.shows((state) => state.runs[1][1] === "COMPLETED");
      await tab.follows();
      return tab;
    },
    states: () => [
      list(),
      list([1, "EXECUTING"]),
      list([1, "COMPLETED"]),
      list([1, "COMPLETED"], [2, "QUEUED"]),
      list([1, "COMPLETED"], [2, "EXECUTING"]),
      list([1, "COMPLETED"], [2, "COMPLETED"]),
    ],
  },
  {
    name: "of two tags a run has both, and of the time it was made one",
    hook: "useRealtimeRunsWithTag",
    async play({ control, open }) {
      const tags = [`a-${randomUUID()}`, `b-${randomUUID()}`];
      await control.run({ status: "EXECUTING", runTags: [tags[0]] });
      await control.run({ status: "EXECUTING", runTags: tags, createdAt: "2026-01-01T00:00:00.000Z" });
      const id = await control.run({ status: "EXECUTING", runTags: tags, payload: '"not for browsers"' });
      const token = control.token(tags.map((tag) => `read:tags:${tag}`));
      const options = { createdAt: "1h", skipColumns: ["payload"] };
      const tab = await open("useRealtimeRunsWithTag", { tag: tags, options, whole: true }, token);
      await tab.shows((state) => state.runs.length === 1);
      await tab.follows();
      await control.complete(id);
      await tab.shows((state) => state.runs[0].status === "COMPLETED");
      return tab;
    },
    states: () => [
      { runs: [] },
      { runs: [{ id: "<run 1>", status: "EXECUTING", isCompleted: false, tags: ["<tag>", "<tag>"] }] },
      { runs: [{ id: "<run 1>", status: "COMPLETED", isCompleted: true, tags: ["<tag>", "<tag>"] }] },
    ],
    never: "not for browsers",
  },
  {
    name: "a token for another tag shows no runs",
    hook: "useRealtimeRunsWithTag",
    async play({ control, open }) {
      const tag = `list-${randomUUID()}`;
      await control.run({ runTags: [tag] });
      const tab = await open("useRealtimeRunsWithTag", { tag }, control.token(["read:tags:another"]));
      await tab.shows((state) => state.error);
      return tab;
    },
    final: {
      runs: [],
      error: {
        error: "FetchError",
        message:
          'HTTP Error 403 at <api>/realtime/v1/runs?log=full&offset=-1&tags=<tag>: {"error":"Unauthorized","code":"unauthorized","param":"access_token","type":"authorization"}',
        status: 403,
      },
    },
    console: ["Failed to load resource: the server responded with a status of 403 (Forbidden)"],
  },
  {
    name: "the runs of a batch are shown, each as it goes on",
    hook: "useRealtimeBatch",
    async play({ control, open }) {
      const batch = `batch_c${randomUUID().replaceAll("-", "").slice(0, 24)}`;
      await control.call("POST", "/emulator/batches", { id: batch });
      const ids = [];
      for (const second of [1, 2, 3]) {
        ids.push(await control.run({ batch, status: "EXECUTING", createdAt: made(second) }));
      }
      const tab = await open("useRealtimeBatch", { batchId: batch }, control.token([`read:batch:${batch}`]));
      await tab.shows((state) => state.runs.length === 3);
      for (const [index, id] of ids.entries()) {
        await control.complete(id);
        await tab.shows((state, place) => state.runs[place][1] === "COMPLETED", index);
      }
      return tab;
    },
    // How the three of the snapshot come into the document, at once or one by one, is the hook's own affair.
    from: (state) => state.runs.length === 3,
    states: () => [
      list([1, "EXECUTING"], [2, "EXECUTING"], [3, "EXECUTING"]),
      list([1, "COMPLETED"], [2, "EXECUTING"], [3, "EXECUTING"]),
      list([1, "COMPLETED"], [2, "COMPLETED"], [3, "EXECUTING"]),
      list([1, "COMPLETED"], [2, "COMPLETED"], [3, "COMPLETED"]),
    ],
  },
];
