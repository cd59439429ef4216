// `trigger-native/react` in Chromium: components that name an id, and show what others follow by it.

import assert from "node:assert/strict";
import { it } from "node:test";
import { describeReactPages } from "./support/react-page.mjs";

await describeReactPages("ids of trigger-native/react", 4, (pages) => {
  it("show what others follow by the same one, its streams beside those who follow the run alone, and another run at once", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
      const Run = ({ id }) => h("i", null, hooks.useRealtimeRun(id, { id: "x" }).run?.status);
      const Streams = ({ id }) => {
        const { parts } = hooks.useRealtimeStream(id, "ai", { id: "x" });
        return h("i", null, hooks.useRealtimeRunWithStreams(id, { id: "x" }).streams.ai, parts);
      };
      const Watch = () => {
        const { run, streams } = hooks.useRealtimeRunWithStreams(undefined, { id: "x" });
        const { parts } = hooks.useRealtimeStream(undefined, "ai", { id: "x" });
        return h("b", null, `${run?.id} ${run?.status} ${streams.ai} ${parts}`);
      };
      const root = rootOf();
      const render = (id) =>
        root.render([h(Streams, { key: 1, id }), id === "run_1" && h(Run, { key: 2, id }), h(Watch, { key: 3 })]);
      const watched = () => document.querySelector("b")?.textContent;
      const isRun = ({ run }) => run;
      const isStream = ({ stream }) => stream;
      const parts = [{ id: "1", chunk: 1, timestamp: 0 }];
      render("run_1");
      await until(() => live()[0]?.wants.length === 2);
      await tell(["row", isRun, row("run_1", { realtimeStreams: ["ai"] })], ["chunk", isStream, { at: "1", parts }]);
      await until(() => watched() === "run_1 EXECUTING 1 1");
      await tell(["change", isRun, { key: "run_1", at: "2", set: { updatedAt: 3, status: "WAITING" } }]);
      await until(() => watched().startsWith("run_1 WAITING"));
      const before = watched();
      render("run_2");
      await until(() => live()[0]?.wants.some(({ run }) => run === "run_2"));
      return [before, watched()];
    });
    assert.deepEqual([shown, said], [["run_1 WAITING 1 1", "undefined undefined undefined "], []]);
  });

  it("show no stream as that of another key, and no list of tags as a batch", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until, wait }) => {
      const options = { id: "x" };
      const Page = ({ run, batch }) => {
        const logs = hooks.useRealtimeStream("run_1", "logs", options).parts;
        const ai = hooks.useRealtimeStream(run, "ai", options).parts;
        const tagged = hooks.useRealtimeRunsWithTag("a", options).runs;
        const { runs } = hooks.useRealtimeBatch(batch, options);
        return h("p", null, [logs, ai, ...[tagged, runs].map((list) => list.map(({ id }) => id))].join(" "));
      };
      const Watch = () => h("b", null, hooks.useRealtimeStream(undefined, "logs", options).parts);
      rootOf().render([h(Page, { key: 1 }), h(Watch, { key: 2 })]);
      await until(() => live()[0]?.wants.length === 2);
      const isList = ({ tags }) => tags;
      await tell(["row", isList, row("run_2")], ["ready", isList]);
      await tell(["chunk", ({ stream }) => stream, { at: "1", parts: [{ id: "1", chunk: "line", timestamp: 0 }] }]);
      await until(() => document.body.textContent.startsWith("line") && document.body.textContent.endsWith("line"));
      await wait(50);
      return document.body.textContent;
    });
    assert.deepEqual([shown, said], ["line  run_2 line", []]);
  });

  it("show what is followed yet, and of a run no less because another follower of it begins, fails or leaves", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until, wait }) => {
      const Run = ({ id, without }) => {
        const { run, error } = hooks.useRealtimeRun(id, { id: "x", skipColumns: without });
        return h("i", null, `${run?.id} ${error?.message},`);
      };
      const Watch = () => {
        const { run, error } = hooks.useRealtimeRun(undefined, { id: "x" });
        return h("b", null, `${run?.id} ${error?.message}`);
      };
      const watched = () => document.querySelector("b").textContent;
      const followers = () => [...document.querySelectorAll("i")].map(({ textContent }) => textContent).join("");
      const root = rootOf();
      const render = (...more) => root.render([h(Run, { key: 1, id: "run_1" }), ...more, h(Watch, { key: "watch" })]);
      const seen = [];
      render();
      await until(() => live()[0]?.wants.length === 1);
      await tell(["row", ({ run }) => run, row("run_1")]);
      await until(() => followers() === "run_1 undefined,");
      // The same run, without a column.
      const isOther = ({ skipColumns }) => skipColumns;
      render(h(Run, { key: 2, id: "run_1", without: ["payload"] }));
      await until(() => live()[0]?.wants.some(isOther));
      seen.push(watched());
      await tell(["error", isOther, { status: 403, message: "no", retry: false }]);
      await until(() => followers() === "run_1 undefined,undefined no,");
      seen.push(watched());
      render();
      await until(() => followers() === "run_1 undefined,");
      await wait(50);
      seen.push(watched());
      // Another run.
      render(h(Run, { key: 3, id: "run_2" }));
      await until(() => live()[0]?.wants.some(({ run }) => run === "run_2"));
      await tell(["row", ({ run }) => run === "run_2", row("run_2")]);
      await until(() => watched() === "run_2 undefined");
      render();
      await until(() => followers() === "run_1 undefined,");
      await wait(50);
      return [...seen, watched()];
    });
    assert.deepEqual([shown, said], [["run_1 undefined", "run_1 no", "run_1 undefined", "run_1 undefined"], []]);
  });

  it("show what others follow, among hundreds of them", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, row, until }) => {
      const Run = ({ id }) => h("i", null, hooks.useRealtimeRun(id, { id: `of ${id}` }).run?.id);
      const Watch = ({ id }) => h("b", null, hooks.useRealtimeRun(undefined, { id: `of ${id}` }).run?.id);
      const runs = (count) => Array.from({ length: count }, (_, at) => `run_${at}`);
      const followed = (count) => runs(count).map((id) => h(Run, { key: id, id }));
      const root = rootOf();
      root.render(followed(250));
      await until(() => live().flatMap(({ wants }) => wants).length === 250);
      for (const { controller, wants } of live()) {
        const events = wants.map(({ id, run }) => `event: row\ndata: ${JSON.stringify([id, row(run)])}\n\n`);
        controller.enqueue(new TextEncoder().encode(events.join("")));
      }
      await until(() => document.body.textContent === runs(250).join(""));
      // A while after, there are more.
      const { now } = Date;
      Date.now = () => now() + 60_000;
      root.render(followed(270));
      await until(() => document.querySelectorAll("i").length === 270);
      root.render([...followed(270), ...runs(250).map((id) => h(Watch, { key: `watch ${id}`, id }))]);
      await until(() => document.querySelectorAll("b").length === 250);
      return [...document.querySelectorAll("b")].filter(({ textContent }) => textContent === "").length;
    });
    assert.deepEqual([shown, said], [0, []]);
  });
});
