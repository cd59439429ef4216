// `trigger-native/react` in Chromium: users who come and go while a page stays open.

import assert from "node:assert/strict";
import { it } from "node:test";
import { describeReactPages } from "./support/react-page.mjs";

await describeReactPages("users of trigger-native/react", 4, (pages) => {
  it("are shown nothing of another by a hook that waits for a run, or that names an id alone", async () => {
    const { shown, said } = await pages.run(async ({ React, h, rootOf, hooks, live, tell, row, until }) => {
      const One = ({ name, id, share, isThere }) => {
        const { run } = hooks.useRealtimeRun(isThere ? "run_1" : undefined, { id, share });
        const { runs } = hooks.useRealtimeRunsWithTag(isThere ? "a" : "", { id, share });
        const { parts } = hooks.useRealtimeStream(isThere ? "run_1" : undefined, "ai", { id, share });
        const [effect, setEffect] = React.useState();
        React.useEffect(() => setEffect(share), [share]);
        return h("i", { title: effect }, `${name} ${run?.id} ${runs.map(({ id }) => id)} ${parts},`);
      };
      const root = rootOf();
      const render = (share, isThere) =>
        root.render([
          h(One, { key: 1, name: "own", share, isThere }),
          h(One, { key: 2, name: "named", id: "x", share, isThere }),
          h(One, { key: 3, name: "alone", id: "x", share }),
        ]);
      render("one", true);
      await until(() => live()[0]?.wants.length === 3);
      const wants = { run: ({ run }) => run, tags: ({ tags }) => tags, stream: ({ stream }) => stream };
      const parts = [{ id: "1", chunk: "p", timestamp: 0 }];
      await tell(["row", wants.run, row("run_1")], ["row", wants.tags, row("run_a")], ["ready", wants.tags]);
      await tell(["chunk", wants.stream, { at: "1", parts }]);
      await until(
        () => document.body.textContent === ["own", "named", "alone"].map((name) => `${name} run_1 run_a p,`).join(""),
      );
      render("two", false);
      await until(() => [...document.querySelectorAll("i")].every(({ title }) => title === "two"));
      return document.body.textContent;
    });
    assert.deepEqual([shown, said], ["own undefined  ,named undefined  ,alone undefined  ,", []]);
  });

  it("have runs of useRun, and tokens for them, of their own", async () => {
    const { shown } = await pages.run(async ({ h, rootOf, hooks, answers, until }) => {
      answers.push(({ headers, resolve }) => {
        const isOne = headers.get("authorization") === "Bearer of one";
        const [body, status] = isOne ? [{ id: "run_1", status: "EXECUTING" }, 200] : [{ error: "no" }, 403];
        resolve(Response.json(body, { status }));
        return true;
      });
      const seen = [];
      let user = "one";
      const refreshAccessToken = async () => `of ${user}`;
      const Run = ({ share }) => {
        const { run, error } = hooks.useRun("run_1", { share, refreshAccessToken });
        seen.push(`${share} ${run?.status}`);
        return h("p", null, error?.message ?? run?.status);
      };
      const root = rootOf();
      root.render(h(Run, { share: "one" }));
      await until(() => document.body.textContent === "EXECUTING");
      user = "two";
      root.render(h(Run, { share: "two" }));
      await until(() => document.body.textContent === "no");
      return [...new Set(seen)];
    });
    assert.deepEqual(shown, ["one undefined", "one EXECUTING", "two undefined"]);
  });

  it("follow with no token that a refresher gave for another just before", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, until }) => {
      let user = "one";
      let asked = 0;
      const refreshAccessToken = async () => {
        asked++;
        return `of ${user}`;
      };
      const Run = ({ id, share }) => h("i", null, hooks.useRealtimeRun(id, { share, refreshAccessToken }).run?.id);
      const root = rootOf();
      const tokens = [];
      for (user of ["one", "two"]) {
        root.render(["run_1", "run_2"].map((id) => h(Run, { key: id, id, share: user })));
        const isOf = ({ wants }) => wants.length === 2 && wants.every(({ token }) => !tokens.includes(token));
        await until(() => live().some(isOf), `tokens of ${user}`);
        tokens.push(
          ...live()
            .find(isOf)
            .wants.map(({ token }) => token),
        );
      }
      return [tokens, asked];
    });
    assert.deepEqual([shown, said], [[["of one", "of one", "of two", "of two"], 2], []]);
  });

  it("are shown no run that another has triggered, nor what another has completed", async () => {
    const { shown, said } = await pages.run(
      async ({ React, h, rootOf, hooks, answers, live, tell, row, until, wait }) => {
        const held = [];
        answers.push(({ url, resolve }) => {
          if (url.endsWith("/live")) return false;
          const headers = { "x-trigger-jwt": "of one" };
          const answer = () => resolve(Response.json({ success: true, id: "run_1" }, { headers }));
          if (held.isHeld) held.push(answer);
          else answer();
          return true;
        });
        let calls;
        const Form = ({ share }) => {
          const { submit, handle, run } = hooks.useRealtimeTaskTrigger("task", { share });
          const { complete, isCompleted, isLoading } = hooks.useWaitToken("waitpoint_1", { share });
          const [effect, setEffect] = React.useState();
          React.useEffect(() => setEffect(share), [share]);
          calls = { submit, complete };
          return h("p", { title: effect }, `${handle?.id} ${run?.status} ${isCompleted} ${isLoading}`);
        };
        const root = rootOf();
        const render = async (share) => {
          root.render(h(Form, { share }));
          await until(() => document.querySelector("p")?.title === share);
        };
        await render("one");
        calls.submit({});
        calls.complete({});
        await until(() => live()[0]?.wants.length === 1);
        await tell(["row", ({ run }) => run, row("run_1")]);
        await until(() => document.body.textContent === "run_1 EXECUTING true false");
        held.isHeld = true;
        calls.complete({});
        await until(() => held.length === 1);
        await render("two");
        const at = document.body.textContent;
        for (const answer of held) answer();
        await wait(100);
        return [at, document.body.textContent, live().length];
      },
    );
    const nothing = "undefined undefined false false";
    assert.deepEqual([shown, said], [[nothing, nothing, 0], []]);
  });
});
