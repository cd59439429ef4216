// `trigger-native/react` in Chromium: tokens that are refused, of what components show and share.

import assert from "node:assert/strict";
import { it } from "node:test";
import { describeReactPages } from "./support/react-page.mjs";

await describeReactPages("refused tokens of trigger-native/react", 13, (pages) => {
  it("are replaced at once in a list that is seldom shown, and nothing is asked for once its component left", async () => {
    const { shown, said } = await pages.run(async ({ React, h, rootOf, hooks, asks, live, tell, row, until, wait }) => {
      const List = ({ token }) => {
        const { runs, error } = hooks.useRealtimeRunsWithTag("a", { accessToken: token, throttleInMs: 1e9 });
        const [effect, setEffect] = React.useState();
        React.useEffect(() => setEffect(token), [token]);
        return h("p", { title: effect }, runs.map(({ id }) => id).join(), error?.message);
      };
      const root = rootOf();
      const render = async (token) => {
        root.render(h(List, { token }));
        await until(() => document.querySelector("p")?.title === token);
      };
      const isList = ({ tags }) => tags;
      const refuse = () => tell(["error", isList, { status: 401, message: "expired", retry: false }]);
      await render("first");
      await until(() => live()[0]?.wants.length === 1);
      await tell(["row", isList, row("run_a")], ["ready", isList]);
      await until(() => document.body.textContent === "run_a");
      await render("second");
      await refuse();
      await until(() => live()[0]?.wants[0].token === "second", "a request with the second token");
      await render("third");
      await refuse();
      root.render(null);
      await wait(300);
      return { tokens: asks.flatMap(({ wants }) => wants.map(({ token }) => token)), open: live().length };
    });
    assert.deepEqual([shown.open, said], [0, []]);
    assert.deepEqual(shown.tokens.slice(0, 2), ["first", "second"]);
  });

  it("take no run off a list that was shown, however many of them are refused", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
      const List = ({ token }) => {
        const { runs, error } = hooks.useRealtimeRunsWithTag("a", { accessToken: token });
        return h("p", null, `${runs.map(({ id }) => id)} ${error?.message}`);
      };
      const root = rootOf();
      const isList = ({ tags }) => tags;
      const seen = [];
      for (const token of ["first", "second", "third"]) {
        root.render(h(List, { token }));
        await until(() => live()[0]?.wants[0]?.token === token);
        if (token === "first") await tell(["row", isList, row("run_a")], ["ready", isList]);
        await tell(["error", isList, { status: 401, message: `not ${token}`, retry: false }]);
        await until(() => document.body.textContent.endsWith(`not ${token}`));
        seen.push(document.body.textContent);
      }
      return seen;
    });
    assert.deepEqual([shown, said], [["run_a not first", "run_a not second", "run_a not third"], []]);
  });

  it("are not tried again and again where each reads the run and not its streams", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, live, row, until, wait }) => {
      const Run = ({ token }) => {
        const { run, error } = hooks.useRealtimeRunWithStreams("run_1", { id: "x", accessToken: token });
        return h("i", null, `${run?.status} ${error?.message},`);
      };
      rootOf().render(["first", "second"].map((token) => h(Run, { key: token, token })));
      const answered = new Set();
      const answer = () => {
        for (const { controller, wants } of live()) {
          const tell = (name, ...told) =>
            controller.enqueue(new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(told)}\n\n`));
          for (const want of wants) {
            if (answered.has(want.id)) continue;
            answered.add(want.id);
            if (want.run) tell("row", want.id, row("run_1", { realtimeStreams: ["ai"] }));
            else tell("error", want.id, { status: 403, message: "no", retry: false });
          }
        }
        return document.body.textContent === "EXECUTING no,EXECUTING no,";
      };
      await until(answer);
      for (let turn = 0; turn < 100; turn++) {
        await wait(20);
        answer();
      }
      const tokens = asks.flatMap(({ wants }) => wants.filter(({ stream }) => stream).map(({ token }) => token));
      return [...new Set(tokens), tokens.length, document.body.textContent];
    });
    assert.deepEqual([shown, said], [["first", "second", 2, "EXECUTING no,EXECUTING no,"], []]);
  });

  it("of components that are gone keep none that come from the good token that one of them has", async () => {
    const { shown } = await pages.run(async ({ h, rootOf, hooks, answers, live, tell, row, until }) => {
      answers.push(({ wants, resolve }) => {
        if (!wants[0] || wants.some(({ token }) => token === "good")) return false;
        resolve(Response.json({ error: "no" }, { status: 401 }));
        return true;
      });
      const Run = ({ token }) => {
        const { run, error } = hooks.useRealtimeRun("run_1", { id: "x", accessToken: token });
        return h("i", null, error?.status ?? run?.status);
      };
      const root = rootOf();
      root.render(h(Run, { key: "bad", token: "bad" }));
      await until(() => document.body.textContent === "401");
      root.render(null);
      await until(() => document.body.textContent === "");
      root.render(["good", "worse"].map((token) => h(Run, { key: token, token })));
      await until(() => live()[0]?.wants[0]?.token === "good", "a request with the good token");
      await tell(["row", ({ run }) => run, row("run_1")]);
      await until(() => document.body.textContent === "EXECUTING".repeat(2));
      return document.body.textContent;
    });
    assert.equal(shown, "EXECUTINGEXECUTING");
  });

  it("are asked with later and later where each render of useRun has another one", async () => {
    const { shown } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until, wait }) => {
      let isOpen = false;
      answers.push(({ resolve }) => {
        if (isOpen) resolve(Response.json({ id: "run_1", status: "EXECUTING" }));
        else resolve(Response.json({ error: "no" }, { status: 401 }));
        return true;
      });
      let renders = 0;
      const Run = () => {
        const { run, error } = hooks.useRun("run_1", { accessToken: `token ${++renders}` });
        return h("p", null, error?.message ?? run?.status);
      };
      rootOf().render(h(Run));
      await until(() => document.body.textContent === "no");
      await wait(700);
      const count = asks.length;
      isOpen = true;
      await until(() => document.body.textContent === "EXECUTING");
      return { count, renders };
    });
    assert.ok(shown.count >= 2 && shown.count < 20 && shown.renders < 60, JSON.stringify(shown));
  });

  it("have useRun ask once where each render has another one, also of a relay that takes long", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until, wait }) => {
      const { now } = Date;
      let later = 0;
      Date.now = () => now() + later;
      answers.push(({ resolve }) => {
        later += 3000;
        resolve(Response.json({ id: "run_1", status: "EXECUTING" }));
        return true;
      });
      let renders = 0;
      const Run = () => h("p", null, hooks.useRun("run_1", { accessToken: `token ${++renders}` }).run?.status);
      rootOf().render(h(Run));
      await until(() => document.body.textContent === "EXECUTING");
      await wait(200);
      return asks.length;
    });
    assert.deepEqual([shown, said], [1, []]);
  });

  it("are replaced by the refresher of a component that comes after, or that comes to a component", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, live, tell, row, until }) => {
      const refreshAccessToken = async () => "fresh";
      const Run = ({ id, ...more }) => {
        const { run, error } = hooks.useRealtimeRun(id, { id, accessToken: "old", ...more });
        return h("i", null, error?.message ?? run?.status);
      };
      const root = rootOf();
      const ids = ["run_1", "run_2"];
      root.render(ids.map((id) => h(Run, { key: id, id })));
      await until(() => live()[0]?.wants.length === 2);
      await tell(...ids.map((id) => ["error", ({ run }) => run === id, { status: 401, message: "no", retry: false }]));
      await until(() => document.body.textContent === "nono");
      root.render([
        h(Run, { key: "run_1", id: "run_1" }),
        h(Run, { key: "comes", id: "run_1", refreshAccessToken }),
        h(Run, { key: "run_2", id: "run_2", refreshAccessToken }),
      ]);
      const isFresh = ({ token }) => token === "fresh";
      await until(() => live()[0]?.wants.filter(isFresh).length === 2, "fresh tokens");
      await tell(...ids.map((id) => ["row", ({ run }) => run === id, row(id)]));
      await until(() => document.body.textContent === "EXECUTING".repeat(3));
      const tokens = asks.flatMap(({ wants }) => wants.map(({ id, token }) => `${id} ${token}`));
      return new Set(tokens.filter((text) => text.endsWith("old"))).size;
    });
    // Those that were refused before are not asked with again.
    assert.deepEqual([shown, said], [2, []]);
  });

  it("wait for no refresher that hangs once its component left, and are none of the others' when that answers late", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, live, tell, row, until, wait }) => {
      const Run = ({ token, refreshAccessToken }) => {
        const { run, error } = hooks.useRealtimeRun("run_1", { id: "x", accessToken: token, refreshAccessToken });
        return h("i", null, error?.message ?? run?.status);
      };
      let answer;
      const refreshAccessToken = () =>
        new Promise((resolve) => {
          answer = resolve;
        });
      const root = rootOf();
      const second = h(Run, { key: 2, token: "second" });
      root.render([h(Run, { key: 1, token: "first", refreshAccessToken }), second]);
      const isRun = ({ run }) => run;
      await until(() => live()[0]?.wants.length === 1);
      await tell(["error", isRun, { status: 401, message: "expired", retry: false }]);
      await until(() => answer);
      root.render([second]);
      await until(() => live()[0]?.wants[0]?.token === "second", "a request with the second token");
      await tell(["row", isRun, row("run_1")]);
      await until(() => document.body.textContent === "EXECUTING");
      answer("late");
      await wait(50);
      await tell(["error", isRun, { status: 401, message: "expired", retry: false }]);
      await until(() => document.body.textContent === "expired");
      return asks.flatMap(({ wants }) => wants.map(({ token }) => token));
    });
    assert.deepEqual([shown, said], [["first", "second"], []]);
  });

  it("are replaced by the refresher of those who stay once one left whose refresher gave no better one", async () => {
    const { shown } = await pages.run(async ({ h, rootOf, hooks, answers, live, until }) => {
      answers.push(({ wants, resolve }) => {
        if (!wants[0] || wants.some(({ token }) => token === "good")) return false;
        resolve(Response.json({ error: "no" }, { status: 401 }));
        return true;
      });
      const Run = ({ gives }) => {
        const options = { id: "x", accessToken: "old", refreshAccessToken: async () => gives };
        return h("i", null, hooks.useRealtimeRun("run_1", options).error?.status);
      };
      const root = rootOf();
      const second = h(Run, { key: 2, gives: "good" });
      root.render([h(Run, { key: 1, gives: "bad" }), second]);
      await until(() => document.body.textContent === "401401");
      root.render([second]);
      await until(() => live()[0]?.wants[0]?.token === "good", "a request with the good token");
      await until(() => document.body.textContent === "");
      return live().length;
    });
    assert.equal(shown, 1);
  });

  it("are asked with once each, where a component was rendered with the next one before", async () => {
    const { shown } = await pages.run(async ({ React, h, rootOf, hooks, asks, answers, live, tell, until, wait }) => {
      const Run = ({ token }) => {
        const { error } = hooks.useRealtimeRun("run_1", { accessToken: token });
        const [effect, setEffect] = React.useState();
        React.useEffect(() => setEffect(token), [token]);
        return h("p", { title: effect }, error?.status);
      };
      const root = rootOf();
      root.render(h(Run, { token: "first" }));
      await until(() => live()[0]?.wants.length === 1);
      root.render(h(Run, { token: "second" }));
      await until(() => document.querySelector("p").title === "second");
      answers.push(({ resolve }) => {
        resolve(Response.json({ error: "no" }, { status: 401 }));
        return true;
      });
      await tell(["error", ({ run }) => run, { status: 401, message: "expired", retry: false }]);
      await until(() => document.body.textContent === "401");
      await wait(300);
      return asks.flatMap(({ wants }) => wants.map(({ token }) => token));
    });
    assert.deepEqual(shown, ["first", "second"]);
  });

  it("of a component that left with its refresher are followed by what the others have, be it no token", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
      const Run = ({ token, refreshAccessToken }) => {
        const { run, error } = hooks.useRealtimeRun("run_1", { id: "x", accessToken: token, refreshAccessToken });
        return h("i", null, error?.message ?? run?.status);
      };
      const root = rootOf();
      const second = h(Run, { key: 2 });
      root.render([h(Run, { key: 1, token: "first", refreshAccessToken: async () => "fresh" }), second]);
      await until(() => live()[0]?.wants[0]?.token === "first");
      root.render([second]);
      await until(() => document.querySelectorAll("i").length === 1);
      const isRun = ({ run }) => run;
      await tell(["error", isRun, { status: 401, message: "expired", retry: false }]);
      await until(() => live()[0]?.wants[0] && !live()[0].wants[0].token, "a request without a token");
      await tell(["row", isRun, row("run_1")]);
      await until(() => document.body.textContent === "EXECUTING");
      await tell(["error", isRun, { status: 401, message: "expired", retry: false }]);
      await until(() => document.body.textContent === "expired");
      return live().length;
    });
    assert.deepEqual([shown, said], [0, []]);
  });

  it("are replaced by the refresher where the one that the component was rendered with since is refused too", async () => {
    const { shown, said } = await pages.run(async ({ React, h, rootOf, hooks, asks, live, tell, row, until }) => {
      let count = 0;
      const refreshAccessToken = async () => `fresh ${++count}`;
      const Run = ({ token }) => {
        const { run, error } = hooks.useRealtimeRun("run_1", { accessToken: token, refreshAccessToken });
        const [effect, setEffect] = React.useState();
        React.useEffect(() => setEffect(token), [token]);
        return h("p", { title: effect }, error?.message ?? run?.status);
      };
      const root = rootOf();
      const render = async (token) => {
        root.render(h(Run, { token }));
        await until(() => document.querySelector("p")?.title === token);
      };
      const isRun = ({ run }) => run;
      await render("first");
      await until(() => live()[0]?.wants.length === 1);
      await tell(["row", isRun, row("run_1")], ["ready", isRun]);
      await until(() => document.body.textContent === "EXECUTING");
      await render("second");
      for (const next of ["second", "fresh 1"]) {
        await tell(["error", isRun, { status: 401, message: "expired", retry: false }]);
        await until(() => live()[0]?.wants[0]?.token === next, next);
      }
      await tell(["row", isRun, row("run_1")], ["ready", isRun]);
      await until(() => document.body.textContent === "EXECUTING");
      return asks.flatMap(({ wants }) => wants.map(({ token }) => token));
    });
    assert.deepEqual([shown, said], [["first", "second", "fresh 1"], []]);
  });

  it("have useRun ask with those of the others where a refresher fails, or hangs and its component leaves", async () => {
    const { shown } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until }) => {
      answers.push(({ headers, resolve }) => {
        if (headers.get("authorization") !== "Bearer good") resolve(Response.json({ error: "no" }, { status: 401 }));
        else resolve(Response.json({ id: "run_1", status: "EXECUTING" }));
        return true;
      });
      let isAsked = false;
      const refreshers = {
        run_1: () => Promise.reject(new Error("failed")),
        run_2: () => {
          isAsked = true;
          return new Promise(() => {});
        },
      };
      const Run = ({ id, accessToken, refreshAccessToken }) => {
        const { run, error } = hooks.useRun(id, { accessToken, refreshAccessToken });
        return h("i", null, run?.status ?? error?.message);
      };
      const firstOf = (id) => h(Run, { key: id, id, accessToken: "bad", refreshAccessToken: refreshers[id] });
      const others = ["run_1", "run_2"].map((id) => h(Run, { key: `other of ${id}`, id, accessToken: "good" }));
      const root = rootOf();
      root.render([firstOf("run_1"), firstOf("run_2"), ...others]);
      await until(() => isAsked && document.body.textContent === "EXECUTING".repeat(2));
      root.render([firstOf("run_1"), ...others]);
      await until(() => document.body.textContent === "EXECUTING".repeat(3));
      return asks.length;
    });
    assert.equal(shown, 4);
  });
});
