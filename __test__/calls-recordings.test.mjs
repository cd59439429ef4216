// Every call that was recorded is made again by both packages, against the answers recorded; and
// nothing that was recorded is left without a replay, here or in another suite, but for a reason.

import assert from "node:assert/strict";
import { after, describe } from "node:test";
import { assertSame, assertSameRequests, startBoth } from "./support/calls-both.mjs";
import { answerer, callsOf } from "./support/calls-recorded.mjs";
import { isStreamRead, isTokenCall, runFeedCases } from "./support/cases.mjs";
import { anySeed, random } from "./support/chunks.mjs";
import { listed, listedReason, place, plainReason } from "./support/left-out.mjs";
import { manyRunsCases } from "./support/many.mjs";
import { withRecordings } from "./support/recordings.mjs";
import { recordings } from "./support/wire.mjs";

const KEY = "tr_dev_fakefakefakefakefakef";
const seed = anySeed();

/** The numbers of the exchanges of a recording that the suites of feeds, streams and tokens replay. */
function elsewhere(recording) {
  const feeds = [...runFeedCases(recording), ...manyRunsCases(recording)];
  const followed = new Set(feeds.map(({ runId }) => runId));
  // A feed's stored payloads are fetched as it is followed.
  const isPacket = ({ path }) => path.includes("/packets/") && [...followed].some((id) => id && path.includes(id));
  const others = recording.exchanges.filter(
    (exchange) => exchange.response && (isStreamRead(exchange) || isTokenCall(exchange) || isPacket(exchange)),
  );
  return new Set([...feeds.flatMap(({ exchanges }) => exchanges), ...others].map(({ n }) => n));
}

withRecordings("call", 27, (all, it) => {
  const cases = recordings()
    .map((recording) => ({ recording, calls: callsOf(recording) }))
    .filter(({ calls }) => calls.length > 0);
  const replayed = new Set();

  it("has recorded calls to compare", () => {
    const names = new Set(cases.flatMap(({ calls }) => calls.map(({ name }) => name)));
    for (const name of [
      "tasks.trigger",
      "batch.trigger",
      "runs.retrieve",
      "runs.list",
      "wait.createToken",
      "streams.input.send",
    ]) {
      assert.ok(names.has(name), `${name} among ${[...names].join(", ")}`);
    }
  });

  describe(`our requests and results are the official SDK's (seed ${seed}: repeat with TEST_SEED=${seed})`, {
    concurrency: 1,
  }, () => {
    const both = startBoth();
    after(() => both.close());
    for (const { recording, calls } of cases) {
      it(`${recording.name}: ${calls.length} calls`, async () => {
        const answers = () => answerer(recording, (n) => replayed.add(place(recording.name, n)));
        const made = await both.make(calls, answers);
        assertSame(made, calls, KEY);
        assertSameRequests(made);
        for (const chunks of [{ kind: "byte" }, { kind: "random", next: random(seed) }]) {
          const again = { ...made, ours: await both.ours.make(calls, answers(), { chunks }) };
          assertSame(again, calls, KEY);
          assertSameRequests(again);
        }
      });
    }
  });

  it("leaves out nothing that was recorded, but for a reason", () => {
    const missed = [];
    const known = new Set();
    for (const recording of all) {
      const others = elsewhere(recording);
      for (const exchange of recording.exchanges) {
        const here = place(recording.name, exchange.n);
        known.add(here);
        const isReplayed = replayed.has(here) || others.has(exchange.n);
        const reason = listedReason(recording.name, exchange.n);
        if (isReplayed && reason) missed.push(`${here} is replayed, though: ${reason}`);
        if (isReplayed || reason || plainReason(exchange)) continue;
        missed.push(`${here}: ${exchange.method} ${exchange.path}`);
      }
    }
    assert.deepEqual(missed, []);
    assert.deepEqual(
      listed.filter((one) => !known.has(one)),
      [],
      "what is left out was recorded",
    );
  });
});
