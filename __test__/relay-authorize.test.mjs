// The rights that viewers get from the app's own `authorize`.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRealtimeHandler } from "trigger-native";
import { ask, CONFIGURATION, serving, warned } from "./support/relay-face.mjs";

describe("authorize", () => {
  /** The answer, and the warnings of the process, for an `authorize` that does this. */
  async function through(authorize, init) {
    const handler = createRealtimeHandler({ ...CONFIGURATION, authorize });
    const answers = [];
    const warnings = await warned(async () => {
      answers.push(await ask(handler, "/nothing", init));
      const listening = await handler.listen();
      answers.push(await fetch(`${listening.url}/nothing`, { ...init, redirect: "manual" }));
      await serving(handler.node, async (url) => {
        const answer = await fetch(`${url}/nothing`, { ...init, redirect: "manual" });
        answers.push(new Response(await answer.text(), answer));
      });
    });
    await handler.close();
    return { answers, warnings };
  }

  const ways = ["the handler", "listen()", "Node's http"];

  it("lets through whom it grants something", async () => {
    for (const given of [
      { scopes: ["read:runs"] },
      { scopes: { read: { runs: "run_1" } }, skipColumns: ["payload"] },
    ]) {
      const { answers, warnings } = await through(async () => given);
      for (const [at, answer] of answers.entries()) assert.equal(answer.status, 404, ways[at]);
      assert.deepEqual(warnings, []);
    }
  });

  it("refuses whom it grants nothing", async () => {
    for (const given of [null, undefined, false]) {
      const { answers } = await through(() => given);
      for (const [at, answer] of answers.entries()) {
        assert.equal(answer.status, 401, ways[at]);
        assert.equal(answer.headers.get("access-control-allow-origin"), "*");
      }
    }
  });

  it("may answer itself, also by throwing", async () => {
    const answer = () =>
      new Response("elsewhere", { status: 302, headers: { location: "/login", "set-cookie": "a=b" } });
    const thrower = () => {
      throw answer();
    };
    for (const authorize of [answer, thrower]) {
      const { answers } = await through(authorize);
      for (const [at, given] of answers.entries()) {
        assert.equal(given.status, 302, ways[at]);
        assert.equal(given.headers.get("location"), "/login");
        assert.equal(await given.text(), "elsewhere");
      }
    }
  });

  it("lets nobody in with an answer that cannot be read", async () => {
    const handler = createRealtimeHandler({
      ...CONFIGURATION,
      authorize: () => new Response(new ReadableStream({ start: (body) => body.error(new Error("hunter2")) })),
    });
    const { url } = await handler.listen();
    const warnings = await warned(async () => {
      const answer = await fetch(`${url}/realtime/v1/runs/run_1?offset=-1`);
      assert.equal(answer.status, 500);
      assert.ok(!(await answer.text()).includes("hunter2"));
    });
    assert.match(warnings.join(), /hunter2/);
    await handler.close();
  });

  it("tells the process what it threw, and the viewer nothing", async () => {
    const { answers, warnings } = await through(() => {
      throw new Error("password hunter2");
    });
    for (const [at, answer] of answers.entries()) {
      assert.equal(answer.status, 500, ways[at]);
      assert.ok(!(await answer.text()).includes("hunter2"));
    }
    assert.ok(warnings.length === 1 && warnings[0].includes("hunter2"));
  });

  it("is told what it returned wrong", async () => {
    for (const [given, message] of [
      [true, /authorize\(\) gave a boolean/],
      [{ scope: [] }, /unknown option "scope"/],
      [{ scopes: [1] }, /scopes must be an array/],
      [{ scopes: { admin: true } }, /scopes\.admin/],
      [{ id: "" }, /id must be a string that is not empty/],
    ]) {
      const { answers, warnings } = await through(() => given);
      for (const [at, answer] of answers.entries()) assert.equal(answer.status, 500, ways[at]);
      assert.match(warnings.join(), message);
    }
  });

  it("sees method, URL and headers, and is not asked about preflights", async () => {
    const seen = [];
    const init = { method: "POST", headers: { cookie: "session=1" } };
    const authorize = (request) => {
      seen.push([request.method, new URL(request.url).pathname, request.headers.get("cookie")]);
      return null;
    };
    await through(authorize, init);
    assert.deepEqual(seen, Array(3).fill(["POST", "/nothing", "session=1"]));
    const { answers } = await through(authorize, { ...init, method: "OPTIONS" });
    for (const answer of answers) assert.notEqual(answer.status, 401);
    assert.equal(seen.length, 3);
  });

  it("sees a body where the handler was given a web request, and else none", async () => {
    const seen = [];
    const authorize = async (request) => {
      seen.push(await request.clone().text());
      return null;
    };
    await through(authorize, { method: "POST", body: "x" });
    assert.deepEqual(seen, ["x", "", ""]);
  });

  it("may read a copy of the body, and is told when it read the body itself", async () => {
    const init = { method: "POST", body: "x" };
    for (const [read, status] of [
      [(request) => request.clone().text(), 404],
      [(request) => request.text(), 500],
    ]) {
      const handler = createRealtimeHandler({
        ...CONFIGURATION,
        async authorize(request) {
          assert.equal(await read(request), "x");
          return { scopes: ["read:runs"] };
        },
      });
      const answers = [];
      await warned(async () => answers.push(await ask(handler, "/nothing", init)));
      assert.equal(answers[0].status, status);
      await handler.close();
    }
  });
});
