// `trigger-native/react` in Chromium: what components leave behind that leave what they share.

import assert from "node:assert/strict";
import { it } from "node:test";
import { describeReactPages } from "./support/react-page.mjs";

await describeReactPages("leaving what trigger-native/react shares", 3, (pages) => {
  it("follow nothing more once the last one leaves, also where that is what another one is told as it leaves", async () => {
    const { shown, said } = await pages.run(async ({ h, rootOf, hooks, live, tell, until, wait }) => {
      const Stream = ({ stops }) => {
        const { parts, stop } = hooks.useRealtimeStream("run_1", "ai", {
          id: "chat",
          throttleInMs: 1e9,
          onParts: (parts) => stops && parts.at(-1).chunk === 2 && stop(),
        });
        return h("i", null, parts);
      };
      const root = rootOf();
      const second = h(Stream, { key: 2, stops: true });
      root.render([h(Stream, { key: 1 }), second]);
      await until(() => live()[0]?.wants.length === 1);
      for (const chunk of [1, 2]) {
        const parts = [{ id: `${chunk}`, chunk, timestamp: 0 }];
        await tell(["chunk", ({ stream }) => stream, { at: `${chunk}`, parts }]);
        await until(() => document.body.textContent === "11");
      }
      await wait(50);
      // What waits is told to both, and then the second one stops.
      root.render([second]);
      await until(() => document.body.textContent === "12");
      await until(() => live().length === 0, "the end of the request");
      return document.body.textContent;
    });
    assert.deepEqual([shown, said], ["12", []]);
  });

  it("leave a run that was rendered by what the one before told as it was stopped", async () => {
    const { shown, said } = await pages.run(async ({ React, h, rootOf, hooks, live, tell, until, wait, flushSync }) => {
      let stop;
      const Stream = () => {
        const [run, setRun] = React.useState("run_1");
        const onParts = (parts) => parts[0].chunk === 2 && flushSync(() => setRun("run_2"));
        const stream = hooks.useRealtimeStream(run, "ai", { throttleInMs: 1e9, onParts });
        stop = stream.stop;
        return h("i", null, `${run} ${stream.parts}`);
      };
      const root = rootOf();
      root.render(h(Stream));
      await until(() => live()[0]?.wants.length === 1);
      for (const chunk of [1, 2]) {
        const parts = [{ id: `${chunk}`, chunk, timestamp: 0 }];
        await tell(["chunk", ({ stream }) => stream, { at: `${chunk}`, parts }]);
        await until(() => document.body.textContent === "run_1 1");
      }
      await wait(50);
      stop();
      await until(() => live()[0]?.wants[0]?.stream.run === "run_2");
      root.render(null);
      await until(() => live().length === 0, "the end of the request");
      return live().length;
    });
    assert.deepEqual([shown, said], [0, []]);
  });

  it("follow nothing more where the last one leaves at what it is told as another token is tried", async () => {
    const { shown, said } = await pages.run(
      async ({ React, h, rootOf, hooks, asks, live, tell, until, wait, flushSync }) => {
        const root = rootOf();
        const Stream = ({ token }) => {
          const onParts = (parts) => parts[0].chunk === 2 && flushSync(() => root.unmount());
          const options = { accessToken: token, throttleInMs: 1e9, onParts };
          const { parts } = hooks.useRealtimeStream("run_1", "ai", options);
          const [effect, setEffect] = React.useState();
          React.useEffect(() => setEffect(token), [token]);
          return h("p", { title: effect }, parts);
        };
        root.render(h(Stream, { token: "first" }));
        await until(() => live()[0]?.wants.length === 1);
        const isStream = ({ stream }) => stream;
        for (const chunk of [1, 2]) {
          const parts = [{ id: `${chunk}`, chunk, timestamp: 0 }];
          await tell(["chunk", isStream, { at: `${chunk}`, parts }]);
          await until(() => document.body.textContent === "1");
        }
        root.render(h(Stream, { token: "second" }));
        await until(() => document.querySelector("p").title === "second");
        await tell(["error", isStream, { status: 401, message: "expired", retry: false }]);
        await until(() => document.body.textContent === "");
        await wait(300);
        return { open: live().length, tokens: asks.flatMap(({ wants }) => wants.map(({ token }) => token)) };
      },
    );
    assert.deepEqual([shown, said], [{ open: 0, tokens: ["first"] }, []]);
  });
});
