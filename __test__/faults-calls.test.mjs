/**
 * A trigger that is made again after a fault: how many runs there are then, with an idempotency key and without one, by
 * whether the server saw the request. docs/calls.md, "Retries", says what is promised.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { auth, runs, tasks } from "trigger-native";
import { http1, http2 } from "./faults/front.mjs";
import { KEY, startServer } from "./support/relay.mjs";

const TRIGGER = "POST /api/v1/tasks/{id}/trigger";
const retry = { minTimeoutInMs: 10, maxTimeoutInMs: 50 };
const broken = (fields) => ({ kind: "break", ...fields });

/** Faults of one request, by whether the server has acted on it. */
const unseen = {
  "reset before the server saw it": broken({ how: "reset" }),
  "closed before the server saw it": broken({ how: "close" }),
  "503 of a gateway": { kind: "status", status: 503 },
  "429 of a gateway": { kind: "status", status: 429 },
};
const seen = {
  "reset after the server acted": broken({ how: "reset", forward: true }),
  "reset amid the answer's headers": broken({ how: "reset", at: 60, forward: true }),
  "closed amid the answer": broken({ how: "close", at: 500, forward: true }),
  "504 of a gateway after the server acted": { kind: "status", status: 504, forward: true },
  "gzip without its end": { kind: "encode", encoding: "gzip", cut: 9 },
  "zstd without its end": { kind: "encode", encoding: "zstd", cut: 9 },
};

/** Triggers through a fault of one request; gives the attempts that the server saw, and the runs there are. */
async function triggered(front, action, options, requestOptions = {}) {
  const server = await startServer();
  const proxy = await front(server.url);
  try {
    await proxy.rules({ contains: ["POST "], count: 1, action });
    const call = () => tasks.trigger("faults", {}, { tags: ["faults"], ...options }, { retry, ...requestOptions });
    const outcome = await auth.withAuth({ baseURL: proxy.url, accessToken: KEY }, call).then(
      ({ id }) => ({ id }),
      (error) => ({ error }),
    );
    assert.equal((await proxy.open()).left, 0, "the fault was there");
    const { byRoute } = await server.stats();
    const { data } = await server.call("GET", "/api/v1/runs?filter[tag]=faults");
    return { ...outcome, seen: byRoute[TRIGGER] ?? 0, runs: data.map(({ id }) => id) };
  } finally {
    await proxy.stop();
    await server.stop();
  }
}

for (const [version, front] of [
  ["HTTP/1.1", http1],
  ["HTTP/2", http2],
]) {
  describe(`a trigger over ${version} that is made again`, { concurrency: 4 }, () => {
    for (const [fault, action] of Object.entries({ ...unseen, ...seen })) {
      const acted = fault in seen;

      it(`makes one run with an idempotency key: ${fault}`, async () => {
        const made = await triggered(front, action, { idempotencyKey: "once" });
        assert.deepEqual([made.seen, made.runs], [acted ? 2 : 1, [made.id]]);
      });

      it(`makes ${acted ? "another run" : "one run"} without an idempotency key: ${fault}`, async () => {
        const made = await triggered(front, action, {});
        assert.deepEqual([made.seen, made.runs.length], acted ? [2, 2] : [1, 1]);
        assert.ok(made.runs.includes(made.id));
      });

      it(`is not made again with one attempt: ${fault}`, async () => {
        const made = await triggered(front, action, {}, { retry: { maxAttempts: 1 } });
        assert.ok(made.error, "it fails");
        assert.equal(made.runs.length, acted ? 1 : 0);
      });
    }
  });
}

describe("a run that is read after a fault", () => {
  for (const [fault, action] of Object.entries({ ...unseen, ...seen })) {
    it(`is read all the same: ${fault}`, async () => {
      const server = await startServer();
      const proxy = await http1(server.url);
      try {
        const id = await server.makeRun({});
        await proxy.rules({ contains: ["GET "], count: 2, action });
        const read = await auth.withAuth({ baseURL: proxy.url, accessToken: KEY }, () => runs.retrieve(id, { retry }));
        assert.equal(read.id, id);
        assert.equal((await proxy.open()).left, 0, "the fault was there");
      } finally {
        await proxy.stop();
        await server.stop();
      }
    });
  }
});
