// `trigger-native/react` in Chromium: views and tokens that components share.

import assert from "node:assert/strict";
import { it } from "node:test";
import { describeReactPages } from "./support/react-page.mjs";

await describeReactPages("shared views of trigger-native/react", 15, (pages) => {
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

  it("add each part once to a view that components with tokens, columns or relays of their own name", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
      const told = [];
      const One = ({ name, token, ...more }) => {
        const { parts } = hooks.useRealtimeStream("run_1", "ai", {
          accessToken: token,
          id: "chat",
          onData: (chunk) => told.push(name + chunk),
          ...more,
        });
        const { streams } = hooks.useRealtimeRunWithStreams("run_1", { accessToken: token, id: "run", ...more });
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
      // Another token for all that comes, and the same relay by another name.
      const second = h(One, { key: 2, name: "b", token: "second", baseURL: "https://app.example/api/trigger/" });
      root.render([h(One, { key: 1, name: "a", token: "second" }), second]);
      await until(() => texts()[1] === "1 1");
      await tell(["chunk", isStream, part(2)]);
      await until(() => texts().every((text) => text !== "1 1"));
      const tokens = live().flatMap(({ wants }) => wants.map(({ token }) => token));
      // The first one leaves: what it began goes on for the other one.
      root.render([second]);
      await until(() => texts().length === 1);
      await tell(["chunk", isStream, part(3)]);
      await until(() => texts()[0] !== "1,2 1,2");
      const before = texts();
      // With other columns it is another want, which is told all of its own.
      const third = h(One, { key: 3, name: "c", token: "second", skipColumns: ["payload"] });
      root.render([second, third]);
      const isThird = ({ run, skipColumns }) => run && skipColumns;
      await until(() => live()[0]?.wants.some(isThird));
      await tell(["row", isThird, row("run_1")]);
      await until(() => texts()[1] === "1,2,3 undefined");
      return { told, before, tokens };
    });
    assert.deepEqual(
      [shown, said],
      [{ told: ["a1", "a2", "b2", "b3"], before: ["1,2,3 1,2,3"], tokens: ["first", "first"] }, []],
    );
  });

  it("show nothing of one user to another, and nothing of one list as another", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
      const One = ({ id, share, tag, skipColumns }) => {
        const { run } = hooks.useRealtimeRun("run_1", { id, share });
        const { runs } = hooks.useRealtimeRunsWithTag(tag, { id, share, skipColumns });
        const { parts } = hooks.useRealtimeStream("run_1", "ai", { id, share });
        return h("i", null, `${run?.id} ${runs.map(({ id }) => id)} ${parts}`);
      };
      const texts = () => [...document.querySelectorAll("i")].map(({ textContent }) => textContent);
      const root = rootOf();
      const first = [h(One, { key: 1, share: "one", tag: "a" }), h(One, { key: 2, id: "x", share: "one", tag: "a" })];
      root.render(first);
      await until(() => live()[0]?.wants.length === 3);
      const wants = { run: ({ run }) => run, tags: ({ tags }) => tags, stream: ({ stream }) => stream };
      const parts = [{ id: "1", chunk: "p", timestamp: 0 }];
      await tell(["row", wants.run, row("run_1")], ["row", wants.tags, row("run_a")], ["ready", wants.tags]);
      await tell(["chunk", wants.stream, { at: "1", parts }]);
      await until(() => texts().every((text) => text === "run_1 run_a p"));
      // Another list under the same id, and the same one without a column.
      root.render([
        ...first,
        h(One, { key: 3, id: "x", share: "one", tag: "b" }),
        h(One, { key: 4, id: "x", share: "one", tag: "a", skipColumns: ["payload"] }),
      ]);
      await until(() => texts().length === 4 && live()[0]?.wants.length === 5);
      await tell(["row", ({ tags }) => tags?.[0] === "b", row("run_b")], ["ready", ({ tags }) => tags?.[0] === "b"]);
      await until(() => texts()[2] === "run_1 run_b p");
      const lists = texts();
      // The user signs out, and another one in.
      root.render([h(One, { key: 1, share: "two", tag: "a" }), h(One, { key: 2, id: "x", share: "two", tag: "a" })]);
      await until(() => texts().length === 2);
      await until(() => live().some(({ wants }) => wants.length === 3));
      const places = live().flatMap(({ wants }) => wants.map(({ at }) => at ?? null));
      return { lists, places, after: texts() };
    });
    const lists = ["run_1 run_a p", "run_1 run_a p", "run_1 run_b p", "run_1  p"];
    const after = ["undefined  ", "undefined  "];
    assert.deepEqual([shown, said], [{ lists, places: [[], [], null], after }, []]);
  });

  it("show the failure of a stream while another one goes on, and give each component what waits before it goes", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
      const got = [];
      const data = [];
      const Streams = () => {
        const { streams, error } = hooks.useRealtimeRunWithStreams("run_1");
        return h("i", null, `${Object.entries(streams)} ${error?.message}`);
      };
      const Stream = ({ name }) => {
        const onParts = (parts) => got.push(...parts.map(({ chunk }) => name + chunk));
        const options = { id: "c", throttleInMs: 1e9, onParts, onData: (chunk) => data.push(chunk) };
        return h("b", null, hooks.useRealtimeStream("run_1", "c", options).parts);
      };
      const root = rootOf();
      const both = [h(Stream, { key: 2, name: "a" }), h(Stream, { key: 3, name: "b" })];
      root.render([h(Streams, { key: 1 }), ...both]);
      const of =
        (key) =>
        ({ stream }) =>
          stream?.key === key;
      const isRun = ({ run }) => run;
      await until(() => live()[0]?.wants.length === 2);
      await tell(["row", isRun, row("run_1", { realtimeStreams: ["a"] })]);
      await until(() => live()[0]?.wants.some(of("a")));
      await tell(["error", of("a"), { status: 403, message: "refused", retry: false }]);
      await until(() => document.querySelector("i").textContent === " refused");
      await tell(["change", isRun, { key: "run_1", at: "2", set: { realtimeStreams: ["a", "b"], updatedAt: 3 } }]);
      await until(() => live()[0]?.wants.some(of("b")));
      const part = (chunk) => ({ at: `${chunk}`, parts: [{ id: `${chunk}`, chunk, timestamp: 0 }] });
      await tell(["chunk", of("b"), part(1)]);
      await until(() => document.querySelector("i").textContent === "b,1 refused");
      for (const chunk of [1, 2]) await tell(["chunk", of("c"), part(chunk)]);
      await until(() => got.length === 2 && data.length === 4);
      // The first one goes: what waits is told to both.
      root.render([h(Streams, { key: 1 }), both[1]]);
      await until(() => document.querySelectorAll("b").length === 1);
      return got;
    });
    assert.deepEqual([shown, said], [["a1", "b1", "a2", "b2"], []]);
  });

  it("follow with a good token at once, however many others were refused", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, answers, until, asks }) => {
      answers.push(({ wants, resolve }) => {
        if (!wants[0] || wants.some(({ token }) => token === "good")) return false;
        resolve(Response.json({ error: "no" }, { status: 401 }));
        return true;
      });
      const Run = ({ token }) => {
        const { run, error } = hooks.useRealtimeRun("run_1", { id: "run", accessToken: token });
        return h("i", null, error?.status ?? run?.status);
      };
      const root = rootOf();
      const tokens = ["a", "b", "c"].flatMap((token) => [token, token, token]);
      const render = () => root.render(tokens.map((token, key) => h(Run, { key, token })));
      render();
      await until(() => document.body.textContent === "401".repeat(9));
      const refused = asks.length;
      tokens[4] = "good";
      render();
      await until(() => live()[0]?.wants.some(({ token }) => token === "good"));
      await tell(["row", ({ run }) => run, row("run_1")]);
      await until(() => document.body.textContent === "EXECUTING".repeat(9));
      return refused;
    });
    assert.ok(shown <= 8, `${shown} requests`);
    assert.ok(
      said.every((text) => text.includes("401")),
      said.join(),
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

  for (const kind of ["stream", "list", "run with its streams"]) {
    it(`show a ${kind} as often as a component wants it that is there, once one is gone that wanted it seldom`, async () => {
      const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until, wait }, of) => {
        const One = ({ ms }) => {
          const options = { id: "x", throttleInMs: ms };
          const { parts } = hooks.useRealtimeStream(of === "stream" ? "run_1" : undefined, "ai", options);
          const withStreams = of === "run with its streams" ? "run_1" : undefined;
          const { streams } = hooks.useRealtimeRunWithStreams(withStreams, options);
          const { runs } = hooks.useRealtimeRunsWithTag(of === "list" ? "a" : "", options);
          return h("i", null, parts, streams.ai, ...runs.map(({ id }) => id));
        };
        const root = rootOf();
        const second = h(One, { key: 2, ms: 16 });
        root.render([h(One, { key: 1, ms: 1e9 }), second]);
        await until(() => live()[0]?.wants.length === 1);
        const isRun = ({ run }) => run;
        const isList = ({ tags }) => tags;
        const say = (n) =>
          of === "list"
            ? tell(["row", isList, row(`${n}`, { createdAt: n })], ["ready", isList])
            : tell(["chunk", ({ stream }) => stream, { at: `${n}`, parts: [{ id: `${n}`, chunk: n, timestamp: 0 }] }]);
        if (of === "run with its streams") {
          await tell(["row", isRun, row("run_1", { realtimeStreams: ["ai"] })]);
          await until(() => live()[0]?.wants.length === 2);
        }
        await say(1);
        await until(() => document.body.textContent === "11");
        await say(2);
        await wait(50);
        root.render([second]);
        await until(() => document.body.textContent === "12");
        for (const n of [3, 4]) {
          await say(n);
          await until(() => document.body.textContent.endsWith(`${n}`), `${n} in time`);
        }
        return document.body.textContent;
      }, kind);
      assert.deepEqual([shown, said], ["1234", []]);
    });
  }

  it("go on with a stream that a component left which wanted it for a time alone", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, until, wait }) => {
      const Stream = (more) => h("i", null, hooks.useRealtimeStream("run_1", "ai", { id: "chat", ...more }).parts);
      const root = rootOf();
      const second = h(Stream, { key: 2 });
      root.render([h(Stream, { key: 1, timeoutInSeconds: 1 }), second]);
      await until(() => live()[0]?.wants.length === 1);
      const isStream = ({ stream }) => stream;
      const part = (n) => ({ at: `${n}`, parts: [{ id: `${n}`, chunk: n, timestamp: 0 }] });
      await tell(["chunk", isStream, part(1)]);
      await until(() => document.body.textContent === "11");
      root.render([second]);
      await until(() => document.body.textContent === "1");
      await wait(1200);
      const places = live().flatMap(({ wants }) => wants.map(({ at }) => at));
      await tell(["chunk", isStream, part(2)]);
      await until(() => document.body.textContent === "12");
      return places;
    });
    assert.deepEqual([shown, said], [["1"], []]);
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
    assert.ok(shown.asks >= 2 && shown.asks < 20 && shown.renders < 40, JSON.stringify(shown));
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
      await until(() => document.body.textContent === "run_arun_b");
      return [...document.querySelectorAll("i")].map(({ title, textContent }) => [title, textContent]);
    });
    assert.deepEqual(
      [shown, said],
      [
        [
          ["run_a", "run_a"],
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
