/** Runs with their streams as server-sent events: what a browser behind a route handler would see. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { configure, runs } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
import { all, back, events, names } from "./support/events.mjs";

describe("runs and their streams as a response", () => {
  /** @type {Awaited<ReturnType<typeof startEmulator>>} */
  let emulator;
  after(() => emulator.stop());
  before(async () => {
    const write = (key, chunks, every) => ({ stream: { key, chunks, every } });
    emulator = await startEmulator({
      tasks: {
        quick: { queued: 0, steps: [write("ai", ["a", "b", "c"]), write("log", [1, 2]), { output: "over" }] },
        slow: {
          queued: 0,
          steps: [
            write("ai", ["a", "b", "c", "d"], 60),
            { metadata: { n: 1 } },
            write("log", [1, 2, 3], 60),
            { output: 1 },
          ],
        },
      },
    });
  });

  async function trigger(version, task, tag) {
    configure({ baseURL: emulator.url, accessToken: emulator.secretKey });
    const response = await fetch(`${emulator.url}/api/v1/tasks/${task}/trigger`, {
      method: "POST",
      headers: { authorization: `Bearer ${emulator.secretKey}`, "x-trigger-realtime-streams-version": version },
      body: JSON.stringify({ options: { tags: tag ? [tag] : [] } }),
    });
    return (await response.json()).id;
  }

  const KEYS = { streams: ["ai", "log"] };
  /** What a page has of each stream: `{ "run/key": [chunk, …] }`. */
  const pageOf = (list, page = {}) => {
    for (const { event, data } of list) {
      const { type, chunk, runId } = event === "chunk" || event === "restart" ? JSON.parse(data) : {};
      const name = `${runId}/${type}`;
      if (event === "restart") delete page[name];
      if (event === "chunk") page[name] = [...(page[name] ?? []), chunk];
    }
    return page;
  };

  for (const version of ["v1", "v2"]) {
    test(`are runs, chunks and an end; a browser that comes back after any of them gets the rest once (${version})`, async () => {
      const id = await trigger(version, "quick");
      for await (const run of runs.subscribeToRun(id)) assert.ok(run.id);
      const first = await all(runs.subscribeToRun(id).withStreams(KEYS).toResponse());
      assert.equal(first[0].event, "run");
      assert.equal(JSON.parse(first[0].data).isFinished, true);
      assert.equal(first.at(-1).event, "end");
      const whole = { [`${id}/ai`]: ["a", "b", "c"], [`${id}/log`]: [1, 2] };
      assert.deepEqual(pageOf(first), whole);
      assert.ok(first.every((each) => each.id.length < 200));
      const visit = async (event, index) => {
        const rest = await all(runs.subscribeToRun(id).withStreams(KEYS).toResponse(back(event.id)));
        assert.equal(rest[0].event, "run", "the present state");
        const page = pageOf(rest, pageOf(first.slice(0, index + 1)));
        assert.deepEqual(page, whole, `after ${event.id}`);
      };
      // At once: without a marker, a v1 stream takes two seconds to be known as drained.
      await Promise.all(first.slice(0, -1).map(visit));
      const response = runs
        .subscribeToRun(id)
        .withStreams(KEYS)
        .toResponse(back(first.at(-1).id));
      assert.equal(response.status, 204);
    });

    test(`lose and repeat nothing for a browser that comes and goes while many runs write (${version})`, async () => {
      const tag = `come-and-go-${version}`;
      const ids = await Promise.all(Array.from({ length: 4 }, () => trigger(version, "slow", tag)));
      const page = {};
      const finished = new Set();
      let last;
      let visits = 0;
      const isWhole = () =>
        ids.every((id) => page[`${id}/ai`]?.length >= 4 && page[`${id}/log`]?.length >= 3) &&
        finished.size === ids.length;
      while (!isWhole() && visits < 500) {
        visits += 1;
        const response = runs.subscribeToRunsWithTag(tag).withStreams(KEYS).toResponse(back(last));
        let seen = 0;
        for await (const each of events(response)) {
          last = each.id ?? last;
          assert.notEqual(each.event, "error", each.data);
          pageOf([each], page);
          if (each.event === "run" && JSON.parse(each.data).isFinished) finished.add(JSON.parse(each.data).id);
          if (each.event === "chunk") seen += 1;
          // It leaves after one chunk, then after two, and so on.
          if (seen > visits % 4 || isWhole()) break;
        }
      }
      for (const id of ids) {
        assert.deepEqual(
          [page[`${id}/ai`], page[`${id}/log`]],
          [
            ["a", "b", "c", "d"],
            [1, 2, 3],
          ],
        );
      }
      assert.ok(visits > 4, `${visits} visits`);
      // Once more, after everything: finished runs that were sent, and their streams, are not sent again.
      const controller = new AbortController();
      const again = runs.subscribeToRunsWithTag(tag, undefined, { signal: controller.signal });
      setTimeout(() => controller.abort(), 500);
      assert.deepEqual(
        names(await all(again.withStreams(KEYS).toResponse(back(last)))).filter((name) => name !== "run"),
        [],
      );
    });
  }

  test("say what went wrong with a stream", async () => {
    const id = await trigger("v2", "quick");
    configure({ baseURL: emulator.url, accessToken: `${emulator.secretKey}no` });
    const list = await all(runs.subscribeToRun(id).withStreams(KEYS).toResponse());
    assert.deepEqual([names(list), JSON.parse(list[0].data).status], [["error"], 401]);
  });

  test("end when the client leaves", async () => {
    const id = await trigger("v2", "slow");
    const subscription = runs.subscribeToRun(id);
    const reader = subscription.withStreams(KEYS).toResponse().body.getReader();
    await reader.read();
    await reader.read();
    await reader.cancel();
    assert.equal((await subscription.next()).done, true);
  });

  test("cannot be asked for after parts were read whose places nobody kept", async () => {
    const id = await trigger("v2", "quick");
    const parts = runs.subscribeToRun(id).withStreams();
    const iterator = parts.values({ preventCancel: true });
    await iterator.next();
    await iterator.return();
    assert.throws(() => parts.toResponse(), { code: "ERR_ALREADY_READ" });
    parts.close();
  });
});
