// `trigger-native/react` in Chromium: what a click means when it also goes on, and views and tokens that components share.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { withChromium } from "./support/browser.mjs";
import { reactPages } from "./support/react-page.mjs";

await withChromium(12, (launch) => {
  describe("hooks of trigger-native/react", { timeout: 120_000 }, () => {
    let browser;
    let pages;
    before(async () => {
      browser = await launch();
      pages = await reactPages(browser);
    });
    after(() => browser?.close());

    for (const strict of [false, true]) {
      it(`send to what was shown when they were called${strict ? ", in strict mode" : ""}`, async () => {
        const { shown, said } = await pages.run(
          async ({ React, h, rootOf, hooks, asks, answers, until, flushSync }, isStrict) => {
            answers.push(({ resolve }) => {
              resolve(Response.json({ success: true, id: "run_new" }));
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
              return [
                h("button", { key: 1, onClick: on("two") }, "next"),
                h("i", { key: 2, onClick: on(null) }, "none"),
              ];
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
          resolve(Response.json({ success: true, id: "run_new" }));
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

    it("call with the token of a refresher where there is no other, asked once until it is refused", async () => {
      const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until }) => {
        let count = 0;
        const refreshAccessToken = async () => `fresh ${++count}`;
        answers.push(({ headers, resolve }) => {
          const isGood = headers.get("authorization") === "Bearer fresh 2" || asks.length < 3;
          resolve(isGood ? Response.json({ success: true }) : Response.json({ error: "expired" }, { status: 401 }));
          return true;
        });
        let token;
        const Form = () => {
          token = hooks.useWaitToken("waitpoint_1", { refreshAccessToken });
          return h("p", null, token.error?.message ?? String(token.isLoading));
        };
        rootOf().render(h(Form));
        await until(() => document.body.textContent === "false");
        for (const sent of [1, 2, 4]) {
          token.complete("yes");
          await until(() => asks.length >= sent && document.body.textContent === "false");
        }
        return asks.map(({ headers }) => headers.get("authorization"));
      });
      const fresh = (n) => `Bearer fresh ${n}`;
      // The third was refused, and made again.
      assert.deepEqual(
        [shown, said.filter((text) => !text.includes("401"))],
        [[fresh(1), fresh(1), fresh(1), fresh(2)], []],
      );
    });

    it("ask the relay at the origin where baseURL is /, from whatever page", async () => {
      const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, until }) => {
        history.replaceState(null, "", "/dashboard/7");
        const Run = () => h("p", null, hooks.useRealtimeRun("run_1", { baseURL: "/" }).run?.status);
        rootOf().render(h(Run));
        await until(() => live().length === 1);
        return live()[0].url;
      });
      assert.deepEqual([shown, said], ["https://app.example/relay/v1/live", []]);
    });

    it("add each part once to a shared view whose components have tokens or columns of their own", async () => {
      const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
        const told = [];
        const One = ({ name, token, skipColumns }) => {
          const { parts } = hooks.useRealtimeStream("run_1", "ai", {
            accessToken: token,
            id: "chat",
            onData: (chunk) => told.push(name + chunk),
          });
          const { streams } = hooks.useRealtimeRunWithStreams("run_1", { accessToken: token, id: "run", skipColumns });
          return h("i", null, `${parts} ${streams.ai}`);
        };
        const isStream = ({ stream }) => stream;
        const root = rootOf();
        root.render([h(One, { key: 1, name: "a", token: "first" })]);
        await until(() => live()[0]?.wants.length === 2);
        await tell(["row", ({ run }) => run, row("run_1", { realtimeStreams: ["ai"] })]);
        await until(() => live()[0]?.wants.filter(isStream).length === 1);
        const part = (chunk) => ({ at: `${chunk}`, parts: [{ id: `${chunk}`, chunk, timestamp: 0 }] });
        const texts = () => [...document.querySelectorAll("i")].map(({ textContent }) => textContent);
        await tell(["chunk", isStream, part(1)]);
        await until(() => texts()[0] === "1 1");
        // Another token for all that comes, and other columns.
        root.render([
          h(One, { key: 1, name: "a", token: "second" }),
          h(One, { key: 2, name: "b", token: "second", skipColumns: ["payload"] }),
        ]);
        await until(() => live()[0]?.wants.filter(({ run }) => run).length === 2);
        await until(() => texts()[1] === "1 1");
        await tell(["chunk", isStream, part(2)]);
        await until(() => texts().every((text) => text !== "1 1"));
        const tokens = live()[0].wants.map(({ token }) => token);
        // The first one leaves: what it began goes on for the other one.
        root.render([h(One, { key: 2, name: "b", token: "second", skipColumns: ["payload"] })]);
        await until(() => live()[0]?.wants.length === 2);
        await tell(["chunk", isStream, part(3)]);
        await until(() => texts()[0] !== "1,2 1,2");
        return { told, texts: texts(), tokens };
      });
      assert.deepEqual(
        [shown, said],
        [{ told: ["a1", "a2", "b2", "b3"], texts: ["1,2,3 1,2,3"], tokens: ["first", "first", "second"] }, []],
      );
    });

    it("ask the refresher of a component that is there, and keep as many parts as it shows", async () => {
      const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, until }) => {
        const asked = [];
        const One = ({ name, ...more }) => {
          const refreshAccessToken = async () => {
            asked.push(name);
            return `fresh of ${name}`;
          };
          const options = { id: "chat", accessToken: "old", refreshAccessToken, ...more };
          const { parts, error } = hooks.useRealtimeStream("run_1", "ai", options);
          return h("i", null, `${error?.message ?? parts}`);
        };
        const root = rootOf();
        const second = h(One, { key: 2, name: "second" });
        root.render([h(One, { key: 1, name: "first", maxParts: 1 }), second]);
        await until(() => live()[0]?.wants.length === 1);
        root.render([second]);
        await until(() => document.querySelectorAll("i").length === 1);
        const isStream = ({ stream }) => stream;
        await tell(["error", isStream, { status: 401, message: "expired", retry: false }]);
        await until(() => live()[0]?.wants[0]?.token === "fresh of second");
        const parts = [1, 2, 3].map((chunk) => ({ id: `${chunk}`, chunk, timestamp: 0 }));
        await tell(["chunk", isStream, { at: "3", parts }]);
        await until(() => document.body.textContent === "1,2,3");
        return asked;
      });
      assert.deepEqual([shown, said], [["second"], []]);
    });

    it("go on with a token that was rendered in time, without an error in between", async () => {
      const { shown, said } = await pages.run(async ({ React, h, rootOf, hooks, live, tell, row, until }) => {
        const errors = [];
        const Run = ({ token }) => {
          const { run, error } = hooks.useRealtimeRun("run_1", { accessToken: token });
          if (error) errors.push(error.message);
          const [effect, setEffect] = React.useState();
          React.useEffect(() => setEffect(token), [token]);
          return h("p", { title: effect }, run?.status);
        };
        const root = rootOf();
        root.render(h(Run, { token: "first" }));
        const isRun = ({ run }) => run;
        await until(() => live()[0]?.wants.length === 1);
        await tell(["row", isRun, row("run_1")]);
        await until(() => document.body.textContent === "EXECUTING");
        root.render(h(Run, { token: "second" }));
        await until(() => document.querySelector("p").title === "second");
        await tell(["error", isRun, { status: 401, message: "expired", retry: false }]);
        await until(() => live()[0]?.wants[0]?.token === "second");
        await tell(["row", isRun, { ...row("run_1", { status: "COMPLETED", updatedAt: 3 }) }]);
        await until(() => document.body.textContent === "COMPLETED");
        return errors;
      });
      assert.deepEqual([shown, said], [[], []]);
    });

    it("ask later and later where each render has another token, and show the refusal", async () => {
      const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until, wait }) => {
        answers.push(({ resolve }) => {
          resolve(Response.json({ error: "no" }, { status: 401 }));
          return true;
        });
        let renders = 0;
        const Run = () => {
          const { error } = hooks.useRealtimeRun("run_1", { accessToken: `token ${++renders}` });
          return h("p", null, error?.message ?? "none");
        };
        rootOf().render(h(Run));
        await until(() => document.body.textContent.includes("answered 401"));
        await wait(700);
        return { asks: asks.length, renders, text: document.body.textContent };
      });
      assert.match(shown.text, /answered 401/);
      assert.ok(shown.asks >= 2 && shown.asks < 12 && shown.renders < 40, JSON.stringify(shown));
      assert.ok(
        said.every((text) => text.includes("401")),
        said.join(),
      );
    });

    it("tell the end of each run once, also of one that is shown again", async () => {
      const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
        const ends = [];
        const Run = ({ id }) => {
          const { run } = hooks.useRealtimeRun(id, { onComplete: ({ id }) => ends.push(id) });
          return h("p", null, `${run?.id} ${run?.status}`);
        };
        const root = rootOf();
        for (const id of ["run_a", "run_b", "run_a"]) {
          root.render(h(Run, { id }));
          const isIt = ({ run }) => run === id;
          await until(() => live()[0]?.wants.some(isIt));
          const end = { ...row(id, { status: "COMPLETED", isFinished: true, updatedAt: 9 }) };
          await tell(["row", isIt, end], ["ready", isIt], ["end", isIt]);
          await until(() => document.body.textContent === `${id} COMPLETED`);
        }
        return ends;
      });
      assert.deepEqual([shown, said], [["run_a", "run_b"], []]);
    });

    it("of one id that are given two runs never show one run as the other", async () => {
      const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until, wait }) => {
        const Run = ({ id }) => {
          const { run } = hooks.useRealtimeRun(id, { id: "same" });
          return h("i", { title: id }, run?.id ?? "none");
        };
        rootOf().render([h(Run, { key: 1, id: "run_a" }), h(Run, { key: 2, id: "run_b" })]);
        await until(() => live()[0]?.wants.length === 2);
        for (const id of ["run_b", "run_a"]) {
          await tell(["row", ({ run }) => run === id, row(id)]);
          await wait(30);
        }
        await until(() => document.body.textContent !== "nonenone");
        return [...document.querySelectorAll("i")].map(({ title, textContent }) => [title, textContent]);
      });
      assert.deepEqual(
        [shown, said],
        [
          [
            ["run_a", "none"],
            ["run_b", "run_b"],
          ],
          [],
        ],
      );
    });

    it("take null for an option that is not given", async () => {
      const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
        const Run = ({ id }) => h("i", null, hooks.useRealtimeRun(id, { id: null }).run?.id);
        const Stream = () =>
          h("i", null, hooks.useRealtimeStream("run_a", "ai", { id: null, lastEventId: null, maxParts: null }).parts);
        rootOf().render([h(Run, { key: 1, id: "run_a" }), h(Run, { key: 2, id: "run_b" }), h(Stream, { key: 3 })]);
        await until(() => live()[0]?.wants.length === 3);
        const wants = live()[0].wants;
        for (const id of ["run_b", "run_a"]) await tell(["row", ({ run }) => run === id, row(id)]);
        await tell(["chunk", ({ stream }) => stream, { at: "1", parts: [{ id: "1", chunk: "part", timestamp: 0 }] }]);
        await until(() => document.body.textContent === "run_arun_bpart");
        return wants.find(({ stream }) => stream).at ?? null;
      });
      assert.deepEqual([shown, said], [null, []]);
    });
  });
});
