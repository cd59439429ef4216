/** `withStreams()`: a run and its streams, merged. Defects 3, 4, 9, 21. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as trigger from "trigger-native";
import { ACCESS_TOKEN, FAILSAFE_MS, QUICK } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { startFaultServer } from "./support/fault-server.mjs";
import { runProgram } from "./support/program.mjs";
import { completed, executing, RUN_ID, row } from "./support/rows.mjs";
import { answersOf, maybe } from "./support/scripted.mjs";
import { DONE, ping, sse, v1, v2 } from "./support/sse.mjs";
import { startStreamClient } from "./support/stream-client.mjs";

const clients = {};
before(async () => {
  [clients.official, clients.ours] = await Promise.all([startStreamClient("official"), startStreamClient("ours")]);
});
after(() => Promise.all(Object.values(clients).map((client) => client.close())));

const AI = { realtimeStreams: "{ai}" };

/** How many values the client has yielded. */
function progress() {
  let count = 0;
  let waiting = [];
  return {
    onValue(now) {
      count = now;
      for (const { least, resolve } of waiting) if (count >= least) resolve();
      waiting = waiting.filter(({ least }) => count < least);
    },
    /** @param {number} least */
    until: (least) => new Promise((resolve) => (count >= least ? resolve() : waiting.push({ least, resolve }))),
  };
}

/** An answer once the client has yielded so many values. */
const onceSeen = (seen, count, answer) => async (connection) => {
  await seen.until(count);
  await answer(connection);
};

/**
 * A server of one run and its streams.
 *
 * @param {object} parts
 * @param {any} parts.snapshot the run's first row
 * @param {any[]} [parts.live] answers of live requests, in order; then held
 * @param {Record<string, any[]>} [parts.streams] answers by key, in order; the last is repeated
 */
function script({ snapshot, live = [], streams = {} }) {
  const lives = answersOf("live", live, answers.hold());
  const lists = new Map(Object.entries(streams).map(([key, list]) => [key, answersOf(key, list)]));
  const answer = (request) => {
    const [, key] = /^\/realtime\/v1\/streams\/[^/]+\/(.+)$/.exec(request.path) ?? [];
    if (key !== undefined) return lists.get(key)?.next() ?? answers.json(404, { error: `no stream ${key}` });
    if (request.live) return lives.next();
    return request.start ? answers.snapshot(snapshot) : answers.hold();
  };
  return Object.assign(answer, { unasked: () => [lives, ...lists.values()].flatMap((list) => list.unasked()) });
}

async function against(parts, use, which = "ours") {
  const answer = script(parts);
  // The official client may leave answers unasked: that is what some tests show.
  const server = await startFaultServer(which === "ours" ? answer : (request) => answer(request));
  try {
    return await use({ baseURL: server.url, accessToken: ACCESS_TOKEN }, server);
  } finally {
    await server.stop();
  }
}

const read = (which, parts, { named, options = {}, seen, ...job } = {}) => {
  const use = async (config, server) => {
    const mine = which === "ours" ? { retry: QUICK, ...options } : options;
    const all = { config, call: "runs.subscribeToRun", args: [RUN_ID], options: mine, parts: named ?? true };
    const result = await clients[which].read({ ...all, timeoutMs: FAILSAFE_MS, ...job }, seen?.onValue);
    return { ...result, requests: server.requests.slice() };
  };
  return against(parts, use, which);
};

/** Parts in short: `run:STATUS`, `key:chunk@STATUS`. */
const short = (values) =>
  values.map(({ type, chunk, status }) => (type === "run" ? `run:${status}` : `${type}:${chunk}@${status}`));

const ofStreams = (values) => values.filter(({ type }) => type !== "run").map(({ type, chunk }) => [type, chunk]);

describe("withStreams()", { concurrency: 6 }, () => {
  for (const [version, texts] of [
    ["v1", [v1("1-0", 0), v1("2-0", 1)]],
    ["v2", [v2(0, 0), ping(1), v2(1, 1)]],
  ]) {
    test(`defect 4: ${version}: yields the run and its stream as the official client does, and then ends`, async () => {
      const parts = (seen) => ({
        snapshot: executing(AI),
        live: [onceSeen(seen, 3, answers.change(completed(AI), "2_2"))],
        streams: { ai: [sse({ v2: version === "v2", texts, next: "hold" })] },
      });
      const readAs = (which, job) => {
        const seen = progress();
        return read(which, parts(seen), { ...job, seen });
      };
      const mine = await readAs("ours");
      const expected = ["run:EXECUTING", "ai:0@EXECUTING", "ai:1@EXECUTING", "run:COMPLETED"];
      assert.deepEqual(short(mine.values), expected);
      assert.deepEqual([mine.ended, mine.error], [true, null]);
      const theirs = await readAs("official", { timeoutMs: 2_000 });
      assert.deepEqual(theirs.values, mine.values);
      assert.equal(theirs.hung, true, "the official client never ends");
    });
  }

  test("defect 21: what a stream held when the run ended is still read, with the run as it is now", async () => {
    const parts = (seen) => {
      // The run ends while the stream is being read: the first request for it came before.
      let toldAsked;
      const asked = new Promise((resolve) => (toldAsked = resolve));
      const end = answers.change(completed(AI), "2_2");
      const held = onceSeen(seen, 2, sse({ v2: true, texts: [v2(0, "a"), v2(1, "b")], next: "hold" }));
      return {
        snapshot: executing(AI),
        live: [
          async (connection) => {
            await asked;
            await end(connection);
          },
        ],
        streams: {
          ai: [
            (connection) => {
              toldAsked();
              return held(connection);
            },
            sse({ v2: true, texts: [ping(2)], next: "hold" }),
          ],
        },
      };
    };
    const readAs = (which, job) => {
      const seen = progress();
      return read(which, parts(seen), { ...job, seen });
    };
    const mine = await readAs("ours");
    assert.deepEqual(short(mine.values), ["run:EXECUTING", "run:COMPLETED", "ai:a@COMPLETED", "ai:b@COMPLETED"]);
    assert.equal(mine.ended, true);
    const theirs = await readAs("official", { take: 4 });
    const first = ["run:EXECUTING", "run:COMPLETED", "ai:a@EXECUTING", "ai:b@EXECUTING"];
    assert.deepEqual(short(theirs.values), first, "the official client's parts carry the run as it was at first");
  });

  test("a key that is announced only at the end of the run is read from its start", async () => {
    const mine = await read("ours", {
      snapshot: executing(),
      live: [answers.change(completed({ realtimeStreams: "{ai,log}" }), "2_2")],
      streams: {
        ai: [sse({ v2: true, texts: [v2(0, "a"), ping(1)], next: "hold" })],
        log: [sse({ v2: true, texts: [ping(0)], next: "hold" })],
      },
    });
    assert.deepEqual(ofStreams(mine.values), [["ai", "a"]]);
    assert.equal(mine.ended, true);
  });

  test("a stream named by the caller is read while the run does not say it has it", async () => {
    const seen = progress();
    const parts = {
      snapshot: executing(),
      live: [onceSeen(seen, 2, answers.change(completed(), "2_2"))],
      streams: { ai: [sse({ v2: true, texts: [ping(0), v2(0, "a")], next: "hold" })] },
    };
    const mine = await read("ours", parts, { named: { streams: ["ai"] }, seen });
    assert.deepEqual(short(mine.values), ["run:EXECUTING", "ai:a@EXECUTING", "run:COMPLETED"]);
    assert.equal(mine.ended, true);
  });

  test("metadata's $$streams win over the row's own list", async () => {
    const metadata = { metadata: JSON.stringify({ $$streams: ["meta"] }), metadataType: "application/json" };
    const mine = await read("ours", {
      snapshot: completed({ ...metadata, ...AI }),
      streams: { meta: [sse({ v2: true, texts: [v2(0, "m"), ping(1)], next: "hold" })] },
    });
    assert.deepEqual(short(mine.values), ["run:COMPLETED", "meta:m@COMPLETED"]);
    assert.equal(mine.error, null);
  });

  test("an idle stream is opened again while the run lives, and loses nothing", async () => {
    const seen = progress();
    const parts = {
      snapshot: executing(AI),
      live: [onceSeen(seen, 4, answers.change(completed(AI), "2_2"))],
      streams: {
        ai: [
          sse({ v2: true, texts: [v2(0, "a"), DONE] }),
          sse({ v2: true, texts: [v2(1, "b")], next: "reset" }),
          sse({ v2: true, texts: [v2(2, "c")], next: "hold" }),
          sse({ v2: true, texts: [ping(3)], next: "hold" }),
        ],
      },
    };
    const mine = await read("ours", parts, { seen });
    assert.deepEqual(
      ofStreams(mine.values).map(([, chunk]) => chunk),
      ["a", "b", "c"],
    );
    assert.equal(mine.ended, true);
  });

  for (const status of [400, 401, 403, 404, 422]) {
    test(`defect 3: a stream that answers ${status} reaches the reader`, async () => {
      const parts = { snapshot: executing(AI), streams: { ai: [answers.json(status, { error: "refused" })] } };
      const mine = await read("ours", parts);
      assert.deepEqual([mine.error?.name, mine.error?.status, mine.unhandled], ["TriggerApiError", status, []]);
      const theirs = await read("official", parts, { timeoutMs: 1_000 });
      assert.ok(theirs.hung && theirs.unhandled.length > 0, "the official client rejects where nobody can catch it");
    });
  }

  test("a failing run feed reaches the reader, and its streams end", async () => {
    let closed;
    const seen = progress();
    const parts = {
      snapshot: executing(AI),
      live: [onceSeen(seen, 2, answers.json(401, { error: "expired" }))],
      streams: {
        ai: [
          async (connection) => {
            closed = connection.closed;
            await sse({ v2: true, texts: [v2(0, "a")], next: "hold" })(connection);
          },
        ],
      },
    };
    const mine = await read("ours", parts, { seen });
    assert.equal(mine.error?.status, 401);
    assert.deepEqual(ofStreams(mine.values), [["ai", "a"]]);
    await closed;
  });

  test("a key that cannot be one is refused at once", () => {
    trigger.configure({ baseURL: "http://127.0.0.1:9", accessToken: ACCESS_TOKEN });
    const subscribe = () => trigger.runs.subscribeToRun(RUN_ID);
    assert.throws(() => subscribe().withStreams({ streams: ["a/../b"] }), { code: "ERR_INVALID_ID" });
    assert.throws(() => subscribe().withStreams({ streams: "ai" }), { code: "ERR_INVALID_OPTIONS" });
  });
});

test("withStreams() is given once, and may be asked for again after it was refused", () => {
  trigger.configure({ baseURL: "http://127.0.0.1:9", accessToken: ACCESS_TOKEN });
  for (const subscription of [trigger.runs.subscribeToRun(RUN_ID), trigger.runs.subscribeToRunsWithTag("a")]) {
    assert.throws(() => subscription.withStreams({ streams: ["a/../b"] }), { code: "ERR_INVALID_ID" });
    const parts = subscription.withStreams();
    assert.throws(() => subscription.withStreams(), { name: "TriggerNativeError", code: "ERR_ALREADY_READ" });
    parts.close();
    assert.throws(() => subscription.withStreams(), { code: "ERR_ALREADY_READ" });
  }
});

describe("leaving withStreams()", { concurrency: 4 }, () => {
  const ways = {
    break: async (parts) => {
      for await (const part of parts) if (part.type === "ai") break;
    },
    abort: async (parts, _subscription, controller) => {
      for await (const part of parts) if (part.type === "ai") controller.abort();
    },
    "close()": async (parts) => {
      for await (const part of parts) if (part.type === "ai") parts.close();
    },
    "the subscription's close()": async (parts, subscription) => {
      for await (const part of parts) if (part.type === "ai") subscription.close();
    },
    "a reader's cancel()": async (parts) => {
      const reader = parts.getReader();
      while ((await reader.read()).value.type !== "ai");
      await reader.cancel();
    },
  };
  for (const [how, leave] of Object.entries(ways)) {
    test(`${how} ends the run's feed and its streams`, async () => {
      const closed = [];
      const held = (answer) => async (connection) => {
        closed.push(connection.closed);
        await answer(connection);
      };
      await against(
        {
          snapshot: executing(AI),
          live: [held(answers.hold())],
          streams: { ai: [held(sse({ v2: true, texts: [v2(0, "a")], next: "hold" }))] },
        },
        async (config, server) => {
          trigger.configure(config);
          const controller = new AbortController();
          const subscription = trigger.runs.subscribeToRun(RUN_ID, { signal: controller.signal, retry: QUICK });
          await server.until(() => true);
          await leave(subscription.withStreams(), subscription, controller);
          await Promise.all(closed);
          assert.ok(closed.length >= 1);
        },
      );
    });
  }

  test("defect 17: an aborted signal sends nothing", async () => {
    await against({ snapshot: row() }, async (config, server) => {
      trigger.configure(config);
      const subscription = trigger.runs.subscribeToRun(RUN_ID, { signal: AbortSignal.abort() });
      for await (const part of subscription.withStreams()) assert.fail(`yielded ${part.type}`);
      assert.equal(server.requests.length, 0);
    });
  });
});

describe("a script that reads streams", { concurrency: 4 }, () => {
  const prelude =
    "const { configure, runs, streams } = require('trigger-native'); configure({ baseURL, accessToken });";
  const parts = {
    snapshot: completed(AI),
    // A program that ends before it reads may have sent its request, or not.
    streams: { ai: [maybe(sse({ v2: true, texts: [v2(0, "a"), ping(1)], next: "hold" }))] },
  };
  const runs = {
    "reads to the end": [
      `for await (const part of runs.subscribeToRun("${RUN_ID}").withStreams()) console.log(part.type);`,
      "run\nai\n",
    ],
    "breaks off": [
      `for await (const value of await streams.read("${RUN_ID}", "ai")) { console.log(value); break; }`,
      "a\n",
    ],
    "never reads": [`await streams.read("${RUN_ID}", "ai", { from: "latest" }); console.log("left");`, "left\n"],
  };
  for (const [what, [body, out]] of Object.entries(runs)) {
    test(`${what}: ends by itself with exit code 0`, async () => {
      await against(parts, async ({ baseURL }) => {
        const ended = await runProgram(`${prelude} (async () => { ${body} })();`, { baseURL, timeoutMs: FAILSAFE_MS });
        assert.deepEqual(
          { code: ended.code, hung: ended.hung, out: ended.out, err: ended.err },
          { code: 0, hung: false, out, err: "" },
        );
      });
    });
  }
});
