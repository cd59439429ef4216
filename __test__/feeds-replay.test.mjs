/**
 * Every recorded feed of many runs, replayed to the official client and to ours: the same bytes
 * must give the same runs, whatever the chunks.
 */
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { anySeed } from "./support/chunks.mjs";
import { startOfficial } from "./support/client.mjs";
import { manyRunsCases } from "./support/many.mjs";
import { ours } from "./support/ours.mjs";
import { pace } from "./support/pace.mjs";
import { assertKept, promised } from "./support/promises.mjs";
import { withRecordings } from "./support/recordings.mjs";
import { startReplay } from "./support/replay-server.mjs";

const FAILSAFE_MS = 20_000;

const seed = anySeed();

let official;
before(async () => {
  official = await startOfficial();
});
after(() => official.close());

async function replayTo(client, feedCase, due, chunks, paced) {
  const reader = pace();
  const server = await startReplay(feedCase, { chunks, seed, gate: paced ? reader.gate : undefined });
  try {
    const config = { baseURL: server.url, accessToken: feedCase.accessToken };
    const stop = server.settled({ enough: () => reader.taken >= due(server.model), muteOnRefusal: !paced });
    const spec = { target: feedCase.target, timeoutMs: FAILSAFE_MS };
    const followed = await client.follow(config, spec, { onItem: reader.onItem, stop });
    const { received, unmatched, model, gateTimeouts } = server;
    return { ...followed, received, unmatched, model, gateTimeouts };
  } finally {
    await server.stop();
  }
}

withRecordings("many-runs feed", 41, (recordings, test) => {
  const cases = recordings.flatMap(manyRunsCases);

  test("the recordings hold feeds of tags and of batches", () => {
    assert.ok(cases.some(({ target }) => target.tags));
    assert.ok(cases.some(({ target }) => target.batch));
  });

  for (const chunks of ["recorded", "whole", "byte", "random"]) {
    describe(`recorded runs give the official client's values, chunks: ${chunks}`, { concurrency: 8 }, () => {
      for (const feedCase of cases) {
        test(feedCase.name, async (t) => {
          if (chunks === "random") t.diagnostic(`TEST_SEED=${seed}`);
          const [theirs, mine] = await Promise.all([
            replayTo(official, feedCase, (model) => model.emissions.length, chunks, false),
            replayTo(ours, feedCase, (model) => model.changes.length, chunks, true),
          ]);
          assertKept(mine, promised(theirs, theirs.model, { stopOnCompletion: false }));
          assert.equal(mine.gateTimeouts, 0, "every state was yielded before the next was sent");
          assert.deepEqual(mine.unmatched, [], "asks only for what the official client asks for");
          // 404 with x-should-retry: true is asked again, up to five times in all; the official client gives up
          // without a word (defect 1).
          const again = feedCase.exchanges.at(-1).response?.status === 404 ? 4 : 0;
          assert.ok(mine.received.length <= theirs.received.length + again, "makes no more requests");
        });
      }
    });
  }
});
