// `trigger-native/react` where there is no page: what a server renders, what is sent, how updates are spaced.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { describe, mock, test } from "node:test";
import { parsePacket } from "@trigger.dev/core/v3";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import superjson from "superjson";
import * as hooks from "trigger-native/react";

import { tokenOf } from "../browser/react/access.mjs";
import { throttle } from "../browser/react/following.mjs";
import { request } from "../browser/react/request.mjs";
import { SharedFollow } from "../browser/react/shared-follow.mjs";
import { stringify } from "../browser/react/super-json.mjs";
import { root } from "../scripts/lib/run.mjs";

const { toPacket } = createRequire(import.meta.url)("../js/calls/payload.js");
const { TriggerAuthContext } = hooks;

describe("on a server", () => {
  /** What a hook gives while a server renders. */
  const rendered = (use, value) => {
    let given;
    function Component() {
      given = use();
      return createElement("p", null, "rendered");
    }
    const fetched = mock.method(globalThis, "fetch", () => {
      throw new Error("a server asked for something");
    });
    try {
      const html = renderToString(createElement(TriggerAuthContext.Provider, { value }, createElement(Component)));
      assert.equal(html, "<p>rendered</p>");
      assert.equal(fetched.mock.callCount(), 0);
    } finally {
      fetched.mock.restore();
    }
    return Object.fromEntries(Object.entries(given).filter(([, part]) => typeof part !== "function"));
  };
  const run = { run: undefined, error: undefined };
  const call = { isLoading: false, error: undefined };
  const cases = {
    useRealtimeRun: [() => hooks.useRealtimeRun("run_1", { id: "kept" }), run],
    useRealtimeRunWithStreams: [() => hooks.useRealtimeRunWithStreams("run_1"), { ...run, streams: {} }],
    useRealtimeRunsWithTag: [() => hooks.useRealtimeRunsWithTag(["a"]), { runs: [], error: undefined }],
    useRealtimeBatch: [() => hooks.useRealtimeBatch("batch_1"), { runs: [], error: undefined }],
    useRealtimeStream: [
      () => hooks.useRealtimeStream("run_1", "ai"),
      { parts: [], lastEventId: undefined, error: undefined },
    ],
    useTaskTrigger: [() => hooks.useTaskTrigger("echo"), { ...call, handle: undefined }],
    useRealtimeTaskTrigger: [() => hooks.useRealtimeTaskTrigger("echo"), { ...call, ...run, handle: undefined }],
    useRealtimeTaskTriggerWithStreams: [
      () => hooks.useRealtimeTaskTriggerWithStreams("echo"),
      { ...call, ...run, streams: {}, handle: undefined },
    ],
    useRun: [() => hooks.useRun("run_1"), { ...run, isLoading: true, isValidating: true, isError: false }],
    useWaitToken: [() => hooks.useWaitToken("waitpoint_1"), { ...call, isCompleted: false, isReady: true }],
    useInputStreamSend: [() => hooks.useInputStreamSend("approval", "run_1"), { ...call, isReady: true }],
    useTriggerAuthContext: [() => hooks.useTriggerAuthContext(), { accessToken: "token" }],
    useTriggerAuthContextOptional: [() => hooks.useTriggerAuthContextOptional(), { accessToken: "token" }],
  };

  test("every hook is among these", () => {
    assert.deepEqual(
      Object.keys(cases).sort(),
      Object.keys(hooks)
        .filter((name) => name.startsWith("use"))
        .sort(),
    );
  });

  for (const [name, [use, expected]] of Object.entries(cases)) {
    test(`${name} shows nothing yet and asks for nothing`, () => {
      assert.deepEqual(rendered(use, { accessToken: "token" }), expected);
    });
  }

  test("no hook asks React for anything, since a server may render with another one", () => {
    for (const [name, [use]] of Object.entries(cases)) {
      if (name !== "useTriggerAuthContext") assert.ok(use(), name);
    }
  });

  test("the context is asked for in vain outside a provider, unless it is optional", () => {
    assert.throws(() => rendered(() => hooks.useTriggerAuthContext(), undefined), /no TriggerAuthContext.Provider/);
    assert.deepEqual(
      rendered(() => hooks.useTriggerAuthContextOptional(), undefined),
      {},
    );
  });

  test("a defined stream without a run's id is told so", () => {
    assert.throws(() => rendered(() => hooks.useRealtimeStream({ id: "ai" }, {}), {}), /takes the id of a run/);
  });
});

test('every module that has a hook says "use client" first', () => {
  const folder = path.join(root, "browser", "react");
  const files = [
    path.join(root, "browser", "react.mjs"),
    ...readdirSync(folder).map((name) => path.join(folder, name)),
  ];
  assert.ok(files.length > 10);
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    if (/from "react"|react\.mjs/.test(text) || file.endsWith("react.mjs")) {
      assert.ok(text.startsWith('"use client";\n'), file);
    }
  }
});

describe("a payload", () => {
  class Point {
    at = new Date(3);
    n = 1;
  }
  const shared = { a: 1, at: new Date(0) };
  const circle = { x: 1 };
  circle.self = circle;
  circle.below = { up: circle };
  const values = [
    [1, null, true, -0, Number.NaN, Number.NEGATIVE_INFINITY, 12n, "x", new Date(5), new Date(Number.NaN)],
    { a: undefined, b: [undefined, 1n, 1n], c: [Number.NaN, Number.NaN] },
    new Map([["k", new Set([1, new Date(2)])]]),
    [shared, shared, { deep: shared }],
    [circle, circle],
    circle,
    [new TypeError("x", { cause: new Date(1) }), /a.b/gi, new URL("http://x/y")],
    { "a.b": new Date(1), "c\\d": 1n, "a\\.b": new Map([[{ "x.y": 2n }, shared]]), e: shared },
    [new Uint8Array([1, 2]), new Float64Array([1.5]), new Point(), new DataView(new ArrayBuffer(2))],
    [() => 1, Symbol("x"), Object.create(null), [[]], {}, new Array(2)],
    0,
  ];
  for (const [index, value] of values.entries()) {
    test(`is written as a server writes it that triggers (${index})`, async () => {
      assert.equal(stringify(value), (await toPacket("trigger", value)).data);
    });
  }

  test("is read by the superjson that tasks carry, with its types, whatever its names are", async () => {
    for (const name of ["a", "a.b", "c\\d", "e\\.f", "g\\\\h", "", "0"]) {
      const value = {
        [name]: 1n,
        in: { [name]: new Map([[{ [name]: new Date(1) }, shared]]) },
        twice: [shared, shared],
      };
      const read = await parsePacket({ data: stringify(value), dataType: "application/super+json" });
      assert.deepEqual(read, value, name);
      assert.equal(read.twice[0], read.twice[1]);
    }
  });

  test("with a buffer is read as one, also of what a bundler gives pages for Node's", async () => {
    class Polyfilled extends Uint8Array {
      static isBuffer = (value) => value instanceof Polyfilled;
    }
    for (const bytes of [Buffer.from("hi"), Polyfilled.from([104, 105])]) {
      const read = await parsePacket({ data: stringify({ bytes }), dataType: "application/super+json" });
      assert.deepEqual(read, { bytes: Buffer.from("hi") });
    }
  });

  test("with names that superjson refuses is plain JSON, and what is none is told", async () => {
    for (const name of ["__proto__", "constructor", "prototype"]) {
      const value = Object.defineProperty({ at: new Date(1) }, name, { value: "Ferrari", enumerable: true });
      assert.throws(() => superjson.stringify(value));
      assert.equal(stringify(value), (await toPacket("trigger", value)).data);
      assert.equal(stringify(value), `{"json":{"at":"1970-01-01T00:00:00.001Z","${name}":"Ferrari"}}`);
      assert.throws(() => stringify(Object.assign(value, { n: 1n })), new RegExp(name));
    }
  });
});

test("updates come at once, then spaced, and the last one always", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const seen = [];
  const { push, flush } = throttle(
    (value) => seen.push(value),
    () => 16,
  );
  push(1);
  push(2);
  push(3);
  assert.deepEqual(seen, [1]);
  t.mock.timers.tick(15);
  assert.deepEqual(seen, [1]);
  t.mock.timers.tick(1);
  assert.deepEqual(seen, [1, 3]);
  push(4);
  flush();
  assert.deepEqual(seen, [1, 3, 4]);
  t.mock.timers.tick(100);
  assert.deepEqual(seen, [1, 3, 4]);
  const each = [];
  const unspaced = throttle(
    (value) => each.push(value),
    () => 0,
  );
  for (const value of [1, 2, 3]) unspaced.push(value);
  assert.deepEqual(each, [1, 2, 3]);
});

describe("the token of what is followed", () => {
  /** What a component follows. */
  const sharedBy = (member) => {
    const shared = new SharedFollow(() => () => {});
    shared.join(member);
    return shared;
  };

  test("is a text without a refresher, which is not asked for another one", () => {
    assert.equal(tokenOf(sharedBy({ current: { access: { accessToken: "a" } } })), "a");
    assert.equal(tokenOf(sharedBy({ current: { access: {} } })), undefined);
  });

  test("is the hook's own first, then one it was rendered with since, then a fresh one", async () => {
    let count = 0;
    const refreshAccessToken = async () => `fresh ${++count}`;
    const member = { current: { access: { accessToken: "a", refreshAccessToken } } };
    const token = tokenOf(sharedBy(member));
    assert.equal(await token(), "a");
    member.current = { access: { accessToken: "b", refreshAccessToken } };
    assert.equal(await token(), "b");
    assert.equal(await token(), "fresh 1");
    // Who comes a moment later takes the one that was given just now.
    const other = tokenOf(sharedBy({ current: { access: { refreshAccessToken } } }));
    assert.deepEqual([await other(), await Promise.all([token(), other()])], ["fresh 1", ["fresh 2", "fresh 2"]]);
  });

  test("is a fresh one each time also where the refresher has its component rendered with what it gives", async () => {
    let count = 0;
    const access = {
      accessToken: "a",
      refreshAccessToken: async () => {
        access.accessToken = `fresh ${++count}`;
        return access.accessToken;
      },
    };
    const token = tokenOf(sharedBy({ current: { access } }));
    const given = [];
    for (let turn = 0; turn < 4; turn++) given.push(await token());
    assert.deepEqual(given, ["a", "fresh 1", "fresh 2", "fresh 3"]);
  });
});

describe("a call", () => {
  /** Answers each request with the next of these, and gives what `request` made of the last. */
  const answered = async (answers, retry = { minTimeoutInMs: 1 }, init = {}) => {
    const requests = [];
    const server = createServer((incoming, response) => {
      requests.push(incoming);
      const [status, body, headers] = answers[Math.min(requests.length, answers.length) - 1];
      if (status === 0) incoming.socket.destroy();
      else response.writeHead(status, headers).end(body);
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const access = { baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: "token", ...init };
    access.requestOptions = { retry, ...init.requestOptions };
    try {
      return { requests, given: await request(access, "/a", "a", init.body).catch((error) => error) };
    } finally {
      server.closeAllConnections();
      server.close();
    }
  };

  test("is made again after what passes, with the same idempotency key", async () => {
    const { requests, given } = await answered([
      [503, ""],
      [0],
      [429, "", { "x-ratelimit-reset": "1" }],
      [200, '{"a":1}'],
    ]);
    assert.deepEqual(given.data, { a: 1 });
    assert.equal(requests.length, 4);
    assert.equal(new Set(requests.map(({ headers }) => headers["x-trigger-request-idempotency-key"])).size, 1);
  });

  test("is not made again after what stays, and as often as the retry options say", async () => {
    for (const [answer, count] of [
      [[403, '{"error":"Unauthorized","code":"c"}'], 1],
      [[500, "", { "x-should-retry": "false" }], 1],
      [[404, "{}", { "x-should-retry": "true" }], 2],
      [[500, ""], 2],
      [[0], 2],
    ]) {
      const { requests, given } = await answered([answer], { maxAttempts: 2, minTimeoutInMs: 1 });
      assert.equal(requests.length, count, String(answer));
      assert.equal(given.name, "TriggerApiError");
    }
  });

  test("that is refused has the server's words, and says so where no relay answers", async () => {
    const { given } = await answered([[403, '{"error":"Unauthorized","code":"unauthorized","hint":"a scope"}']]);
    assert.deepEqual([given.message, given.status, given.code], ["Unauthorized", 403, "unauthorized"]);
    assert.equal(given.hint, "a scope");
    assert.ok(!JSON.stringify(given).includes("token"));
    for (const answer of ["<html>", "null", "{}", "[]", '"a"', '{"error":"no such route"}']) {
      const { given } = await answered([[200, answer]]);
      assert.match(given.message, /is baseURL the mount point of a relay/);
    }
    const bare = await answered([[404, "no such page"]]);
    assert.equal(bare.given.message, "404 no such page");
    const page = await answered([[404, "\n<!DOCTYPE html><html><body>no such page</body></html>"]]);
    assert.equal(page.given.message, "404 with a page: is baseURL the mount point of a relay?");
    const long = await answered([[404, "long ".repeat(1000)]]);
    assert.equal(long.given.message.length, "404 ".length + 501);
  });

  test("has the headers of the options, but for those that are the call's own", async () => {
    const additionalHeaders = { "x-team": "a", authorization: "Bearer other", "x-trigger-source": "mine" };
    const init = { previewBranch: "b", requestOptions: { additionalHeaders }, body: { c: 1 } };
    const { requests } = await answered([[200, '{"a":1}']], {}, init);
    const { method, headers } = requests[0];
    assert.deepEqual(
      [method, headers["x-team"], headers.authorization, headers["x-trigger-source"], headers["x-trigger-branch"]],
      ["POST", "a", "Bearer token", "mine", "b"],
    );
  });
});
