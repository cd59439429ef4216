// `trigger-native/react` in Chromium: what a click means that also goes on, and the tokens of calls.

import assert from "node:assert/strict";
import { it } from "node:test";
import { describeReactPages } from "./support/react-page.mjs";

await describeReactPages("calls of trigger-native/react", 10, (pages) => {
  for (const strict of [false, true]) {
    it(`send to what was shown when they were called${strict ? ", in strict mode" : ""}`, async () => {
      const { shown, said } = await pages.run(
        async ({ React, h, rootOf, hooks, asks, answers, until, flushSync }, isStrict) => {
          answers.push(({ resolve }) => {
            resolve(Response.json({ success: true, ok: true, id: "run_new" }));
            return true;
          });
          const Approval = () => {
            const [at, setAt] = React.useState("one");
            const token = hooks.useWaitToken(at && `waitpoint_${at}`);
            const input = hooks.useInputStreamSend("chat", at && `run_${at}`);
            const task = hooks.useTaskTrigger(`task-${at}`);
            const call = () => {
              token.complete({ approved: at });
              input.send(at);
              task.submit({ for: at }, { idempotencyKey: "a key" });
            };
            const on = (next) => () => {
              call();
              setAt(next);
            };
            return [h("button", { key: 1, onClick: on("two") }, "next"), h("i", { key: 2, onClick: on(null) }, "none")];
          };
          const root = rootOf();
          root.render(h(isStrict ? React.StrictMode : React.Fragment, null, h(Approval)));
          await until(() => document.querySelector("button"));
          flushSync(() => document.querySelector("button").click());
          await until(() => asks.length === 3);
          // The ids of what comes next are not known yet.
          flushSync(() => document.querySelector("i").click());
          await until(() => asks.length === 6);
          return asks.map(({ url, body }) => [url.replace(/^.*\/(api|realtime)\/v1\//, ""), body]);
        },
        strict,
      );
      const of = (name) => [
        [`waitpoints/tokens/waitpoint_${name}/complete`, { data: { approved: name } }],
        [`streams/run_${name}/input/chat`, { data: name }],
        [`tasks/task-${name}/trigger`, name],
      ];
      const sent = shown.map(([url, body]) => [url, body.payload ? JSON.parse(body.payload).json.for : body]);
      const byUrl = (list) => list.sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual([byUrl(sent), said], [byUrl([...of("one"), ...of("two")]), []]);
    });
  }

  it("send what it was when they were called, whatever becomes of it", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until }) => {
      answers.push(({ resolve }) => {
        resolve(Response.json({ success: true, ok: true, id: "run_new" }));
        return true;
      });
      let calls;
      const Form = () => {
        const { complete } = hooks.useWaitToken("waitpoint_1");
        const { send } = hooks.useInputStreamSend("chat", "run_1");
        const { submit } = hooks.useTaskTrigger("task");
        const trigger = (value) => submit(value, { idempotencyKey: ["a", "key"], metadata: value, tags: value.tags });
        calls = [complete, send, trigger];
        return h("p", null, "there");
      };
      rootOf().render(h(Form));
      await until(() => document.body.textContent === "there");
      const value = { text: "hello", tags: ["one"] };
      for (const call of calls) call(value);
      value.text = "";
      value.tags.push("two");
      await until(() => asks.length === 3);
      return asks.map(({ body }) => JSON.stringify(body));
    });
    assert.deepEqual(said, []);
    for (const body of shown) assert.match(body, /hello/);
    for (const body of shown) assert.doesNotMatch(body, /two|"text":""/);
  });

  it("call with a fresh token of the refresher where there is no other, since one may be good for one call alone", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until }) => {
      let count = 0;
      const used = new Set();
      answers.push(({ headers, resolve }) => {
        const token = headers.get("authorization");
        const isGood = !used.has(token) && token !== "Bearer old";
        used.add(token);
        resolve(isGood ? Response.json({ success: true }) : Response.json({ error: "used" }, { status: 401 }));
        return true;
      });
      let call;
      const Form = ({ accessToken }) => {
        // A render makes another refresher each time.
        const options = { accessToken, refreshAccessToken: async () => `fresh ${++count}` };
        const token = hooks.useWaitToken("waitpoint_1", options);
        call = token.complete;
        return h("p", { title: accessToken }, token.error?.message ?? String(token.isLoading));
      };
      const root = rootOf();
      root.render(h(Form));
      await until(() => document.body.textContent === "false");
      for (const sent of [1, 2, 3]) {
        call("yes");
        await until(() => asks.length >= sent && document.body.textContent === "false");
      }
      // One that is refused is replaced, too.
      root.render(h(Form, { accessToken: "old" }));
      await until(() => document.querySelector("p").title === "old");
      call("yes");
      await until(() => asks.length >= 5 && document.body.textContent === "false");
      return asks.map(({ headers }) => headers.get("authorization").slice(7));
    });
    const fresh = ["fresh 1", "fresh 2", "fresh 3", "old", "fresh 4"];
    assert.deepEqual([shown, said.filter((text) => !text.includes("401"))], [fresh, []]);
  });

  it("poll with one token of a refresher until it is refused, whatever function a render makes of it", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until }) => {
      let count = 0;
      answers.push(({ headers, resolve }) => {
        const isRefused = asks.length > 4 && headers.get("authorization") === "Bearer fresh 1";
        const run = { id: "run_1", status: "EXECUTING", updatedAt: new Date(asks.length).toISOString() };
        resolve(isRefused ? Response.json({ error: "expired" }, { status: 401 }) : Response.json(run));
        return true;
      });
      const Run = () => {
        const { run, error } = hooks.useRun("run_1", {
          refreshInterval: 20,
          refreshAccessToken: async () => `fresh ${++count}`,
        });
        return h("p", null, error?.message ?? run?.status);
      };
      rootOf().render(h(Run));
      await until(() => asks.length >= 8);
      return { count, tokens: [...new Set(asks.map(({ headers }) => headers.get("authorization")))] };
    });
    assert.deepEqual(shown, { count: 2, tokens: ["Bearer fresh 1", "Bearer fresh 2"] });
    assert.ok(
      said.every((text) => text.includes("401")),
      said.join(),
    );
  });

  it("give up on a refresher that hangs, and ask it again with the next call", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until }) => {
      answers.push(({ resolve }) => {
        resolve(Response.json({ success: true }));
        return true;
      });
      // Half a minute is over at once.
      const { setTimeout } = globalThis;
      globalThis.setTimeout = (call, ms, ...more) => setTimeout(call, ms === 30_000 ? 50 : ms, ...more);
      let count = 0;
      const refreshAccessToken = () => (++count === 1 ? new Promise(() => {}) : Promise.resolve("good"));
      let token;
      const Form = () => {
        token = hooks.useWaitToken("waitpoint_1", { refreshAccessToken });
        return h("p", null, `${token.isLoading} ${token.error?.message}`);
      };
      rootOf().render(h(Form));
      await until(() => document.body.textContent === "false undefined");
      token.complete("yes");
      await until(() => document.body.textContent.startsWith("false the function"));
      const failed = document.body.textContent;
      token.complete("yes");
      await until(() => document.body.textContent === "false undefined");
      return [failed, asks.length];
    });
    assert.match(shown[0], /refreshAccessToken.* did not answer within 30 s/);
    assert.deepEqual([shown[1], said], [1, []]);
  });

  it("show the run that they triggered alone, and by its id to others", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, answers, live, tell, row, until }) => {
      answers.push(({ url, resolve }) => {
        if (url.endsWith("/live")) return false;
        resolve(Response.json({ id: "run_new" }));
        return true;
      });
      let submit;
      const Run = ({ run, id }) => h("i", null, hooks.useRealtimeRun(run, { id }).run?.id ?? "none", " ");
      const Form = () => {
        const form = hooks.useRealtimeTaskTrigger("task", { id: "x" });
        submit = form.submit;
        return h("i", null, form.run?.id ?? "none", " ");
      };
      rootOf().render([
        h(Form, { key: 1 }),
        h(Run, { key: 2, run: "run_old", id: "x" }),
        h(Run, { key: 3, id: "run_new" }),
      ]);
      const shown = [];
      for (const id of ["run_old", "run_new"]) {
        if (id === "run_new") submit({});
        const isIt = ({ run }) => run === id;
        await until(() => live()[0]?.wants.some(isIt));
        await tell(["row", isIt, row(id)]);
        await until(() => document.body.textContent.includes(id));
        shown.push(document.body.textContent);
      }
      return shown;
    });
    assert.deepEqual([shown, said], [["none run_old none ", "run_new run_old run_new "], []]);
  });

  it("show nothing of one token, stream or task for the next, and what came of it when it is back", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, answers, until }) => {
      answers.push(({ url, resolve }) => {
        const isRefused = url.includes("/input/");
        resolve(
          Response.json(isRefused ? { error: "over" } : { success: true, id: "run_1" }, {
            status: isRefused ? 400 : 200,
          }),
        );
        return true;
      });
      let calls;
      const Form = ({ of }) => {
        const token = hooks.useWaitToken(`waitpoint_${of}`);
        const input = hooks.useInputStreamSend("chat", `run_${of}`);
        const task = hooks.useTaskTrigger(`task-${of}`);
        calls = [token.complete, input.send, task.submit];
        return h("p", { title: of }, `${token.isCompleted} ${input.error?.message} ${task.handle?.id}`);
      };
      const root = rootOf();
      const texts = [];
      for (const of of ["one", "two", "one"]) {
        root.render(h(Form, { of }));
        await until(() => document.querySelector("p")?.title === of);
        if (texts.length === 0) {
          for (const call of calls) call({});
          await until(() => document.body.textContent === "true over run_1");
        }
        texts.push(document.body.textContent);
      }
      return texts;
    });
    const [one, two] = ["true over run_1", "false undefined undefined"];
    assert.deepEqual([shown, said.filter((text) => !text.includes("400"))], [[one, two, one], []]);
  });

  it("show an error where a refresher fails, whatever it fails with", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, until }) => {
      const reasons = [undefined, "no session", { code: 1 }, new Error("its own")];
      const One = ({ reason }) => {
        const options = { refreshAccessToken: () => Promise.reject(reason) };
        const { run, error, isLoading } = hooks.useRun("run_1", { ...options, share: String(reason) });
        const token = hooks.useWaitToken("waitpoint_1", options);
        const text = token.error ? token.error.message : "none";
        return h("p", { onClick: () => token.complete("yes") }, `${run} ${error?.message} ${isLoading}, ${text}`);
      };
      rootOf().render(reasons.map((reason, key) => h(One, { key, reason })));
      const texts = () => [...document.querySelectorAll("p")].map(({ textContent }) => textContent);
      await until(() => texts().length === reasons.length);
      for (const paragraph of document.querySelectorAll("p")) paragraph.click();
      await until(() => texts().every((text) => text.includes(" false, ") && !text.endsWith("none")));
      return texts();
    });
    const [none, text, object, own] = ["it does not say why", "no session", "[object Object]"]
      .map((why) => `refreshAccessToken failed: ${why}`)
      .concat("its own");
    assert.deepEqual([shown, said], [[none, text, object, own].map((why) => `undefined ${why} false, ${why}`), []]);
  });

  it("poll at their interval, whoever else comes and goes that shows the run", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until, wait }) => {
      answers.push(({ resolve }) => {
        resolve(Response.json({ id: "run_1", status: "EXECUTING" }));
        return true;
      });
      const Run = ({ refreshInterval }) => h("p", null, hooks.useRun("run_1", { refreshInterval }).run?.status);
      const root = rootOf();
      const render = (isThere) =>
        root.render([h(Run, { key: 1, refreshInterval: 200 }), isThere ? h(Run, { key: 2 }) : null]);
      render(false);
      await until(() => document.body.textContent === "EXECUTING");
      for (let turn = 0; turn < 20; turn++) {
        render(turn % 2 === 0);
        await wait(60);
      }
      return asks.length;
    });
    assert.ok(shown >= 4, `${shown}`);
    assert.deepEqual(said, []);
  });
});
