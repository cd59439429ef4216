// `trigger-native/react` in Chromium beyond the usual measure: many components, shared views, keys of any name, many parts.

import assert from "node:assert/strict";
import { it } from "node:test";
import { describeReactPages } from "./support/react-page.mjs";

await describeReactPages("trigger-native/react in a storm", 12, (pages) => {
  it("asks once for each of 300 runs that useRun shows, however often they are rendered", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, asks, answers, until, wait }) => {
      answers.push(({ url, resolve }) => {
        resolve(Response.json({ id: url.split("/").at(-1), status: "COMPLETED" }));
        return true;
      });
      const Run = ({ id }) => h("p", null, hooks.useRun(id).run?.status);
      const all = Array.from({ length: 300 }, (_, at) => `run_${at}`);
      const root = rootOf();
      for (let turn = 0; turn < 3; turn++) {
        root.render(
          h(
            "main",
            { key: "main", title: `${turn}` },
            all.map((id) => h(Run, { key: id, id })),
          ),
        );
        await until(() => document.body.textContent === "COMPLETED".repeat(300));
        await wait(100);
      }
      return asks.length;
    });
    assert.deepEqual([shown, said], [300, []]);
  });

  it("shows each of 300 runs whose hooks name an id, when they are rendered again", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, row, until }) => {
      const Run = ({ id }) => h("p", null, hooks.useRealtimeRun(id, { id: `of ${id}` }).run?.status);
      const all = Array.from({ length: 300 }, (_, at) => `run_${at}`);
      const root = rootOf();
      const render = (title) =>
        root.render(
          h(
            "main",
            { title },
            all.map((id) => h(Run, { key: id, id })),
          ),
        );
      render("1");
      await until(() => live().flatMap(({ wants }) => wants).length === 300);
      for (const ask of live())
        for (const { id, run } of ask.wants)
          ask.controller.enqueue(
            new TextEncoder().encode(`event: row\ndata: ${JSON.stringify([id, row(run, { status: "WAITING" })])}\n\n`),
          );
      await until(() => document.body.textContent === "WAITING".repeat(300));
      render("2");
      await until(() => document.querySelector("main").title === "2");
      return document.body.textContent === "WAITING".repeat(300);
    });
    assert.deepEqual([shown, said], [true, []]);
  });

  it("asks with the token of another component, or of a later render, where one was refused", async () => {
    const { shown } = await pages.run(async ({ React, h, rootOf, hooks, answers, asks, until }) => {
      const held = [];
      const tokens = [];
      answers.push((ask) => {
        const token = ask.headers.get("authorization");
        tokens.push(token);
        const answer = () =>
          ask.resolve(
            token === "Bearer good"
              ? Response.json({ id: "run_1", status: "EXECUTING" })
              : Response.json({ error: "no" }, { status: 401 }),
          );
        if (token === null) held.push(answer);
        else answer();
        return true;
      });
      const Run = ({ token, id = "run_1" }) => {
        const { run, error } = hooks.useRun(id, { accessToken: token });
        const [title, setTitle] = React.useState();
        // After the effects of the hook.
        React.useEffect(() => setTitle(token), [token]);
        return h("p", { title }, run?.status ?? error?.message ?? "none");
      };
      const root = rootOf();
      root.render(h(Run, {}));
      await until(() => asks.length === 1);
      // Its token comes while the request without one is under way.
      root.render(h(Run, { token: "good" }));
      await until(() => document.querySelector("p").title === "good");
      held[0]();
      await until(() => document.body.textContent === "EXECUTING");
      root.render(null);
      await until(() => document.body.textContent === "");
      // One that comes later has the token.
      const other = (token) => h(Run, { key: token, token, id: "run_2" });
      root.render(["bad", "worse", "good"].map(other));
      await until(() => document.body.textContent === "EXECUTING".repeat(3));
      return tokens;
    });
    assert.deepEqual(shown.slice(0, 2), [null, "Bearer good"]);
    assert.ok(shown.length <= 5, `${shown}`);
  });

  for (const strict of [false, true]) {
    it(`adds each part once to a view that two components share${strict ? ", in strict mode" : ""}`, async () => {
      const { shown, said } = await pages.run(async ({ React, h, rootOf, hooks, live, tell, row, until }, isStrict) => {
        const told = { one: [], two: [] };
        const Stream = ({ name }) => {
          const { parts } = hooks.useRealtimeStream("run_1", "ai", {
            id: "chat",
            onData: (chunk) => told[name].push(chunk),
          });
          return h("i", null, parts.join(","));
        };
        const Run = () => h("u", null, hooks.useRealtimeRun("run_1", { id: "both" }).run?.status);
        const Streams = () => {
          const { streams } = hooks.useRealtimeRunWithStreams("run_1", { id: "both" });
          return h("b", null, (streams.ai ?? []).join(","));
        };
        const root = rootOf();
        const render = (...names) =>
          root.render(
            h(
              isStrict ? React.StrictMode : React.Fragment,
              null,
              h(Run, { key: "run" }),
              ...names.flatMap((name) => [h(Stream, { key: `s${name}`, name }), h(Streams, { key: `w${name}`, name })]),
            ),
          );
        render("one", "two");
        const isRun = ({ run }) => run;
        const isStream = ({ stream }) => stream;
        await until(() => live()[0]?.wants.some(isRun) && live()[0]?.wants.some(isStream));
        await tell(["row", isRun, row("run_1", { realtimeStreams: ["ai"] })]);
        const part = (chunk) => ({ id: `${chunk}`, chunk, timestamp: 0 });
        await tell(["chunk", isStream, { at: "2", parts: [part(1), part(2)] }]);
        const texts = (name) => [...document.querySelectorAll(name)].map(({ textContent }) => textContent);
        await until(() => texts("i").every((text) => text === "1,2") && texts("b").every((text) => text === "1,2"));
        // The one that came first leaves: the other one goes on.
        render("two");
        await until(() => texts("i").length === 1);
        await tell(["chunk", isStream, { at: "3", parts: [part(3)] }]);
        await until(() => texts("i")[0] !== "1,2" && texts("b")[0] !== "1,2");
        return { ...told, shown: [...texts("u"), ...texts("i"), ...texts("b")] };
      }, strict);
      assert.deepEqual([shown, said], [{ one: [1, 2], two: [1, 2, 3], shown: ["EXECUTING", "1,2,3", "1,2,3"] }, []]);
    });
  }

  it("shows streams whose keys are names of every object", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until }) => {
      const keys = ["constructor", "__proto__", "toString", "ai"];
      let given;
      const Streams = () => {
        given = hooks.useRealtimeRunWithStreams("run_1").streams;
        return h("b", null, JSON.stringify(Object.entries(given)));
      };
      rootOf().render(h(Streams));
      await until(() => live()[0]?.wants.length === 1);
      await tell(["row", ({ run }) => run, row("run_1", { realtimeStreams: keys })]);
      await until(() => live()[0]?.wants.length === 5);
      const places = live()[0].wants.map(({ at }) => at);
      for (let turn = 0; turn < 2; turn++) {
        const parts = [{ id: "1", chunk: turn, timestamp: 0 }];
        await tell(...keys.map((key) => ["chunk", ({ stream }) => stream?.key === key, { at: "1", parts }]));
        await until(
          () => Object.keys(given).length === 4 && Object.entries(given).every(([, all]) => all.length > turn),
        );
      }
      return { places: places.slice(1), entries: Object.entries(given).sort(), polluted: {}.ai };
    });
    assert.deepEqual(said, []);
    assert.deepEqual(
      shown.entries,
      ["__proto__", "ai", "constructor", "toString"].map((key) => [key, [0, 1]]),
    );
    assert.ok(shown.places.every((place) => place === undefined || place === null));
    assert.equal(shown.polluted, undefined);
  });

  it("tells every part that comes at once, however few are shown, and shows 200,000", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, until }) => {
      const counts = { data: 0, parts: 0 };
      const Stream = ({ maxParts, name }) => {
        const { parts } = hooks.useRealtimeStream("run_1", "ai", {
          ...(maxParts ? { maxParts } : {}),
          ...(maxParts
            ? {
                onData: () => counts.data++,
                onParts: (given) => {
                  counts.parts += given.length;
                },
              }
            : {}),
        });
        return h("p", { id: name }, `${parts.length} ${parts.at(-1)}`);
      };
      rootOf().render([h(Stream, { key: 1, name: "few", maxParts: 1 }), h(Stream, { key: 2, name: "all" })]);
      await until(() => live()[0]?.wants.length === 2);
      const parts = Array.from({ length: 200_000 }, (_, at) => ({ id: `${at}`, chunk: at, timestamp: 0 }));
      for (const { id } of live()[0].wants) await tell(["chunk", (want) => want.id === id, { at: "end", parts }]);
      const text = (id) => document.getElementById(id).textContent;
      await until(() => text("few").endsWith("199999") && text("all").endsWith("199999"));
      return { ...counts, texts: [text("few"), text("all")] };
    });
    assert.deepEqual([shown, said], [{ data: 200_000, parts: 200_000, texts: ["1 199999", "200000 199999"] }, []]);
  });

  it("tells the parts that wait for the next update when it is stopped, as it shows them", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, until, wait }) => {
      const got = [];
      let stop;
      const Stream = () => {
        const stream = hooks.useRealtimeStream("run_1", "ai", {
          throttleInMs: 1e9,
          onParts: (parts) => got.push(...parts.map(({ chunk }) => chunk)),
          onData: (chunk) => chunk === 2 && setTimeout(stop),
        });
        stop = stream.stop;
        return h("p", null, stream.parts.join(","));
      };
      rootOf().render(h(Stream));
      await until(() => live()[0]?.wants.length === 1);
      for (const chunk of [0, 1, 2]) {
        await tell([
          "chunk",
          ({ stream }) => stream,
          { at: `${chunk}`, parts: [{ id: `${chunk}`, chunk, timestamp: 0 }] },
        ]);
        await wait(20);
      }
      await until(() => live().length === 0 && document.body.textContent === "0,1,2");
      return got;
    });
    assert.deepEqual([shown, said], [[0, 1, 2], []]);
  });

  it("shows the end and the error of what is shown seldom when they come, and what waited", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until, wait }) => {
      const options = { throttleInMs: 1e9 };
      const List = () => {
        const { runs, error } = hooks.useRealtimeRunsWithTag("a", options);
        return h("p", null, runs.map(({ id }) => id).join(), error?.message);
      };
      const Stream = ({ id }) => {
        const { parts, error } = hooks.useRealtimeStream(id, "ai", options);
        return h("p", null, parts.join(), error?.message);
      };
      const Streams = () => {
        const { streams, error } = hooks.useRealtimeRunWithStreams("run_3", options);
        return h("p", null, streams.ai?.join(), error?.message);
      };
      const texts = () => Array.from(document.querySelectorAll("p"), ({ textContent }) => textContent).join(" ");
      const [first, second] = ["run_1", "run_2"].map((id) => h(Stream, { key: id, id }));
      rootOf().render([h(List, { key: "list" }), first, second, h(Streams, { key: "streams" })]);
      await until(() => live()[0]?.wants.length === 4);
      await tell(["row", ({ run }) => run, row("run_3", { realtimeStreams: ["ai"] })]);
      await until(() => live()[0]?.wants.length === 5);
      const isList = ({ tags }) => tags;
      const of =
        (id) =>
        ({ stream }) =>
          stream?.run === id;
      for (const n of [1, 2]) {
        const part = { at: `${n}`, parts: [{ id: `${n}`, chunk: n, timestamp: 0 }] };
        await tell(["row", isList, row(`${n}`, { createdAt: n })], ["ready", isList]);
        await tell(...["run_1", "run_2", "run_3"].map((id) => ["chunk", of(id), part]));
        await until(() => texts() === "1 1 1 1");
        await wait(50);
      }
      const error = { status: 404, message: "no", retry: false };
      await tell(["error", isList, error], ["error", of("run_1"), error]);
      await tell(...["run_2", "run_3"].flatMap((id) => ["ready", "end"].map((name) => [name, of(id)])));
      await until(() => texts() === "1,2no 1,2no 1,2 1,2");
      return texts();
    });
    assert.deepEqual([shown, said], ["1,2no 1,2no 1,2 1,2", []]);
  });

  it("tells each component all parts, whatever another one does with those that it was told", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, until }) => {
      const got = [];
      const Stream = ({ name }) => {
        const onParts = (parts) => got.push(...parts.splice(0).map(({ chunk }) => name + chunk));
        return h("i", null, hooks.useRealtimeStream("run_1", "ai", { id: "x", onParts }).parts);
      };
      rootOf().render(["a", "b"].map((name) => h(Stream, { key: name, name })));
      await until(() => live()[0]?.wants.length === 1);
      const parts = [1, 2].map((chunk) => ({ id: `${chunk}`, chunk, timestamp: 0 }));
      await tell(["chunk", ({ stream }) => stream, { at: "2", parts }]);
      await until(() => document.body.textContent === "1212");
      return got;
    });
    assert.deepEqual([shown, said], [["a1", "a2", "b1", "b2"], []]);
  });

  it("calls back no more once a callback has unmounted its component, and throws nothing", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, until, wait, flushSync }) => {
      const got = [];
      const root = rootOf();
      const Stream = () => {
        hooks.useRealtimeStream("run_1", "ai", {
          onData: (chunk) => {
            got.push(chunk);
            if (chunk === 1) flushSync(() => root.unmount());
          },
        });
        return h("p", null, "there");
      };
      root.render(h(Stream));
      await until(() => live()[0]?.wants.length === 1);
      const parts = [0, 1, 2, 3].map((chunk) => ({ id: `${chunk}`, chunk, timestamp: 0 }));
      await tell(["chunk", ({ stream }) => stream, { at: "3", parts }]);
      await until(() => live().length === 0);
      await wait(100);
      return got;
    });
    assert.deepEqual([shown, said], [[0, 1], []]);
  });

  it("go on with what they show, and are told no part again, where the module of their component is loaded anew", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, row, until, reload }) => {
      const got = [];
      const made = (name) => () => {
        const onData = (chunk) => got.push(name + chunk);
        const onComplete = ({ id }) => got.push(name + id);
        const { parts } = hooks.useRealtimeStream("run_1", "ai", { onData });
        const { run } = hooks.useRealtimeRun("run_2", { onComplete });
        return h("i", null, `${name} ${parts} ${run?.status}`);
      };
      const part = (chunk) => ({ at: `${chunk}`, parts: [{ id: `${chunk}`, chunk, timestamp: 0 }] });
      const isStream = ({ stream }) => stream;
      const isRun = ({ run }) => run;
      const first = made("a");
      rootOf().render(h(first));
      await until(() => live()[0]?.wants.length === 2);
      const run = row("run_2", { status: "COMPLETED", isFinished: true });
      await tell(["chunk", isStream, part(1)], ["row", isRun, run], ["end", isRun]);
      await until(() => document.body.textContent === "a 1 COMPLETED" && got.length === 2);
      reload(first, made("b"));
      const seen = document.body.textContent;
      await until(() => live()[0]?.wants.some(({ at }) => at === "1"));
      await tell(["chunk", isStream, part(2)], ["row", isRun, run], ["end", isRun]);
      await until(() => document.body.textContent === "b 1,2 COMPLETED");
      return { seen, got };
    });
    assert.deepEqual([shown, said], [{ seen: "b 1 COMPLETED", got: ["a1", "arun_2", "b2"] }, []]);
  });
});
