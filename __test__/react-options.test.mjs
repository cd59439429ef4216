// `trigger-native/react` in Chromium: what an option means that changes, or that two components give otherwise.

import assert from "node:assert/strict";
import { it } from "node:test";
import { describeReactPages } from "./support/react-page.mjs";

await describeReactPages("options of trigger-native/react", 3, (pages) => {
  it("of two relays have each asked for its own run, on a connection of its own", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, row, until }) => {
      const Run = ({ relay }) => h("p", null, hooks.useRealtimeRun("run_1", { baseURL: relay }).run?.status);
      rootOf().render([h(Run, { key: 1, relay: "/one" }), h(Run, { key: 2, relay: "/two" })]);
      await until(() => live().length === 2);
      const [one, two] = live();
      const tell = ({ controller, wants }, status) =>
        controller.enqueue(
          new TextEncoder().encode(`event: row\ndata: ${JSON.stringify([wants[0].id, row("run_1", { status })])}\n\n`),
        );
      tell(one, "EXECUTING");
      tell(two, "QUEUED");
      await until(() => document.body.textContent === "EXECUTINGQUEUED");
      return live().map(({ url }) => new URL(url).pathname);
    });
    assert.deepEqual([shown, said], [["/one/relay/v1/live", "/two/relay/v1/live"], []]);
  });

  it("that change have a run followed anew, and no longer as before", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, until }) => {
      const Run = (options) => h("p", null, hooks.useRealtimeRun("run_1", options).run?.status);
      const root = rootOf();
      const seen = [];
      for (const options of [{}, { skipColumns: ["payload"] }, { stopOnCompletion: false }, {}]) {
        root.render(h(Run, options));
        await until(() => {
          const [want, ...others] = live().flatMap(({ wants }) => wants);
          const isNew = want && others.length === 0 && !seen.some(([id]) => id === want.id);
          return isNew && seen.push([want.id, want.skipColumns ?? []]);
        });
      }
      return seen.map(([, columns]) => columns);
    });
    assert.deepEqual([shown, said], [[[], ["payload"], [], []], []]);
  });

  it("of useRun give the runs that are related to it, with their times as dates", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, answers, until }) => {
      const createdAt = "2026-01-02T03:04:05.000Z";
      const one = (id) => ({ id, status: "COMPLETED", createdAt });
      answers.push(({ resolve }) => {
        const relatedRuns = { root: one("run_0"), parent: one("run_p"), children: [one("run_2"), one("run_3")] };
        resolve(Response.json({ ...one("run_1"), relatedRuns }));
        return true;
      });
      let given;
      const Run = () => {
        given = hooks.useRun("run_1", { accessToken: "token" }).run ?? given;
        return null;
      };
      rootOf().render(h(Run));
      await until(() => given);
      const { root, parent, children } = given.relatedRuns;
      return [root, parent, ...children].map((run) => [run.id, run.createdAt instanceof Date, +run.createdAt]);
    });
    const at = Date.parse("2026-01-02T03:04:05.000Z");
    const related = ["run_0", "run_p", "run_2", "run_3"].map((id) => [id, true, at]);
    assert.deepEqual([shown, said], [related, []]);
  });
});
