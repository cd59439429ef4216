/** Servers and networks that misbehave without being wrong: a run is followed to its end through them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { ACCESS_TOKEN, against, QUICK, statuses } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { feedScript, startFaultServer } from "./support/fault-server.mjs";
import { load, ours } from "./support/ours.mjs";
import { completed, executing, insert, RUN_ID, row, update, upToDate } from "./support/rows.mjs";

const followed = (script, spec = {}) => against(script, ours, { ...spec, options: { retry: QUICK, ...spec.options } });
const finished = [insert(completed()), upToDate()];

describe("a run is followed to its end through", { concurrency: 8 }, () => {
  const starts = {
    "a snapshot one byte at a time, headers included": answers.trickle(answers.messageBytes(finished), {
      size: 1,
      everyMs: 0,
    }),
    "a snapshot in parts of 100 bytes": answers.trickle(answers.messageBytes(finished), { size: 100 }),
    "a wrong content type": answers.messages(finished, { "content-type": "text/plain" }),
    "header names in another case": (connection) =>
      connection.write(
        answers
          .messageBytes(finished)
          .toString()
          .replaceAll("electric-", "Electric-")
          .replace("content-type", "Content-Type"),
      ),
    "an unknown control and unknown headers": answers.messages([
      { headers: { control: "snapshot-end", xmin: "1" } },
      ...finished.slice(0, 1),
      { headers: { control: "from-the-future" } },
      upToDate(),
    ]),
    "a large row": answers.snapshot(completed({ payload: JSON.stringify({ text: "x".repeat(4_000_000) }) })),
  };
  for (const [name, start] of Object.entries(starts)) {
    test(name, async () => {
      const mine = await followed(feedScript({ start: [start] }));
      assert.equal(mine.error, null);
      assert.deepEqual(statuses(mine), ["COMPLETED"]);
      assert.equal(mine.ended, true);
      assert.equal(mine.requests.length, 1);
    });
  }

  test("a body that unpacks to more than anyone can want is given up", async () => {
    const mine = await followed(feedScript({ start: [answers.gzipBomb(65)] }));
    assert.match(mine.error?.code ?? "", /^ERR_/);
    assert.ok(mine.requests.length <= 30);
  });

  const bumps = {
    "a 500": answers.json(500, { error: "oops" }),
    "a 502 of a proxy": answers.html(502),
    "a 429": answers.json(429, { error: "Too many concurrent requests" }),
    "a 408": answers.json(408, {}),
    "a connection reset before an answer": (connection) => connection.reset(),
    "a connection closed before an answer": (connection) => connection.close(),
    "one web page": answers.html(200),
    "one cut JSON": answers.cutJson(executing(), { offset: "2_2", cursor: "2" }),
    "an answer that says nothing is new": answers.nothingNew("1_1"),
    "a 204 of an old server": answers.noContent({ offset: "1_1", cursor: "1" }),
  };
  for (const [name, bump] of Object.entries(bumps)) {
    test(`${name} between two polls`, async () => {
      const mine = await followed(
        feedScript({ start: [answers.snapshot(row())], live: [bump, bump, answers.change(completed(), "3_3")] }),
      );
      assert.equal(mine.error, null);
      assert.deepEqual(statuses(mine), ["QUEUED", "COMPLETED"]);
      assert.equal(mine.ended, true);
    });
  }

  test("a snapshot in several answers, up to date only in the last", async () => {
    const script = (request) => {
      const pages = {
        "-1": answers.messages([insert(row())], { offset: "0_0" }),
        "0_0": answers.messages([update({ status: "EXECUTING" })], { offset: "0_1" }),
        "0_1": answers.messages([upToDate()], { offset: "0_inf" }),
        "0_inf": answers.messages([update({ status: "COMPLETED_SUCCESSFULLY" }), upToDate()], {
          offset: "9_9",
          cursor: "9",
        }),
      };
      return pages[request.query.get("offset")];
    };
    const mine = await followed(script);
    assert.deepEqual(statuses(mine), ["EXECUTING", "COMPLETED"]);
    assert.deepEqual(
      mine.requests.map(({ live }) => live),
      [false, false, false, true],
    );
    assert.deepEqual(mine.items[1].payload, { a: 1 }, "columns that did not change are kept");
  });
});

/** Servers, or proxies on the way, that send back what they were sent. */
const echoes = {
  "refused-as-text": ({ headers }) => answers.text(403, `you sent ${headers.authorization}`),
  "refused-as-json": ({ headers }) => answers.json(401, { error: `no: ${headers.authorization}`, sent: headers }),
  "refused-in-a-header": ({ headers }) => answers.json(400, { error: "no" }, { "x-sent": headers.authorization }),
  "accepted-as-text": ({ headers }) => answers.text(200, headers.authorization),
  "accepted-as-json": ({ headers }) => answers.messages(headers.authorization),
};

describe("the key stays with its server", { concurrency: 8 }, () => {
  test("a redirect to another origin does not get it", async () => {
    const other = await startFaultServer(() => answers.snapshot(completed()));
    try {
      await followed(() => answers.redirect(`${other.url}/realtime/v1/runs/run_peer0001?offset=-1`), {
        timeoutMs: 3_000,
      });
      for (const { headers } of other.requests) assert.equal(headers.authorization, undefined);
    } finally {
      await other.stop();
    }
  });

  test("it is in nothing an error or a subscription shows", async () => {
    const server = await startFaultServer((request) => failures[request.path.split("/").at(-1)](request));
    const failures = {
      html: () => answers.html(200),
      refused: () => answers.json(401, { error: "no" }),
      reset: () => (connection) => connection.reset(),
      ...echoes,
    };
    try {
      const client = load();
      client.configure({ baseURL: server.url, accessToken: ACCESS_TOKEN });
      for (const target of Object.keys(failures)) {
        const subscription = client.runs.subscribeToRun(target, { retry: { ...QUICK, maxElapsedMs: 200 } });
        const error = await subscription.next().then(assert.fail, (reason) => reason);
        for (const shown of [error, subscription]) {
          assert.doesNotMatch(inspect(shown, { depth: 20, showHidden: true }), /peerskey/);
        }
        assert.doesNotMatch(String(error.stack), /peerskey/);
      }
    } finally {
      await server.stop();
    }
  });

  test("it is in no error of a call, a token or a stream, though the server sends it back", async () => {
    let echo;
    const server = await startFaultServer((request) => echoes[echo](request));
    try {
      const client = load();
      const requestOptions = { retry: { maxAttempts: 1 } };
      const asked = {
        "a call": () => client.runs.retrieve("run_1", requestOptions),
        "a trigger": () => client.tasks.trigger("task", {}, {}, requestOptions),
        "a batch": () => client.batch.trigger([{ id: "task", payload: {} }], {}, requestOptions),
        "a token": () => client.auth.createPublicToken({ scopes: { read: { runs: "run_1" } } }, { timeoutInMs: 900 }),
        "a stream": async () => {
          const stream = await client.streams.read("run_1", "ai", { retry: { ...QUICK, maxElapsedMs: 200 } });
          for await (const _ of stream);
        },
      };
      for (echo of Object.keys(echoes)) {
        for (const [what, ask] of Object.entries(asked)) {
          const asking = client.auth.withAuth({ baseURL: server.url, accessToken: ACCESS_TOKEN }, ask);
          const error = await asking.then(assert.fail, (reason) => reason);
          const shown = [inspect(error, { depth: 20, showHidden: true }), error.stack, JSON.stringify(error)].join();
          assert.doesNotMatch(shown, /peerskey/, `${what}, ${echo}`);
          if (echo.startsWith("refused")) assert.match(shown, /\(secret\)/, `${what}, ${echo}`);
        }
      }
    } finally {
      await server.stop();
    }
  });
});

describe("an end is an end", { concurrency: 8 }, () => {
  const waiting = (live) => feedScript({ start: [answers.snapshot(row())], live: [live] });
  const onServer = async (script, body) => {
    const server = await startFaultServer(script);
    try {
      const client = load();
      client.configure({ baseURL: server.url, accessToken: ACCESS_TOKEN });
      await body(client.runs.subscribeToRun(RUN_ID, { retry: QUICK }), server);
    } finally {
      await server.stop();
    }
  };
  const done = { done: true, value: undefined };

  test("next() stays done after the run's end", () =>
    onServer(feedScript({ start: [answers.snapshot(completed())] }), async (subscription) => {
      assert.equal((await subscription.next()).done, false);
      for (let n = 0; n < 3; n += 1) assert.deepEqual(await subscription.next(), done);
    }));

  test("next() is done after an error, which is told once", () =>
    onServer(feedScript({ start: [answers.json(404, {})] }), async (subscription, server) => {
      await assert.rejects(subscription.next(), { status: 404 });
      assert.deepEqual(await subscription.next(), done);
      assert.equal(server.requests.length, 1);
    }));

  test("overlapping next() calls get one state each, in order", () =>
    onServer(
      feedScript({
        start: [answers.snapshot(row())],
        live: [answers.change(executing(), "2_2"), answers.change(completed(), "3_3")],
      }),
      async (subscription) => {
        const results = await Promise.all(Array.from({ length: 5 }, () => subscription.next()));
        const seen = results.map(({ value }) => value?.status);
        assert.deepEqual(seen.slice(seen.indexOf("COMPLETED")), [
          "COMPLETED",
          ...Array(4 - seen.indexOf("COMPLETED")).fill(undefined),
        ]);
        assert.equal(seen[0], "QUEUED");
      },
    ));

  for (const how of ["close", "return", "dispose"]) {
    test(`${how}() while waiting hangs up the long poll and answers the waiting next()`, async () => {
      let hungUp;
      const held = new Promise((resolve) => {
        hungUp = resolve;
      });
      await onServer(
        waiting((connection) => hungUp({ gone: connection.closed })),
        async (subscription, server) => {
          await subscription.next();
          const pending = subscription.next();
          await server.until((requests) => requests.some(({ live }) => live));
          const ends = {
            close: () => subscription.close(),
            return: () => subscription.return(),
            dispose: () => subscription[Symbol.asyncDispose](),
          };
          await ends[how]();
          assert.deepEqual(await pending, done);
          await Promise.race([held.then(({ gone }) => gone), failsafe()]);
        },
      );
    });
  }
});

/** Rejects after a while, when the promise that is raced against it has not settled. */
function failsafe() {
  return new Promise((_, reject) => setTimeout(reject, 30_000, new Error("the long poll is still there")).unref());
}
