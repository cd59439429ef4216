/**
 * Every recorded feed of one run, replayed to the official client and to ours: the same bytes must
 * give the same runs, or differ exactly as defects.md promises.
 */
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { runFeedCases } from "./support/cases.mjs";
import { anySeed } from "./support/chunks.mjs";
import { startOfficial } from "./support/client.mjs";
import { KNOWN } from "./support/model.mjs";
import { ours } from "./support/ours.mjs";
import { pace } from "./support/pace.mjs";
import { assertCoalesced, assertEnd, assertKept, promised } from "./support/promises.mjs";
import { withRecordings } from "./support/recordings.mjs";
import { startReplay } from "./support/replay-server.mjs";

const FAILSAFE_MS = 20_000;

const seed = anySeed();
const CHUNKS = ["recorded", "whole", "byte", "random"];

let official;
before(async () => {
  official = await startOfficial();
});
after(() => official.close());

/**
 * @param {(model: import('./support/model.mjs').FeedModel) => number} due how many rows it must yield
 * @param {boolean} [paced] the server waits for the reader, so that no state can be coalesced
 */
async function replayTo(client, feedCase, due, { chunks = "recorded", options = {}, paced = false } = {}) {
  const reader = pace();
  const server = await startReplay(feedCase, { chunks, seed, gate: paced ? reader.gate : undefined });
  try {
    const config = { baseURL: server.url, accessToken: feedCase.accessToken };
    const skipColumns = feedCase.skipColumns.length > 0 ? feedCase.skipColumns : undefined;
    const spec = { target: feedCase.runId, options: { skipColumns, ...options }, timeoutMs: FAILSAFE_MS };
    const stop = server.settled({
      enough: () => reader.taken >= due(server.model),
      muteOnRefusal: client.which === "official",
    });
    const followed = await client.follow(config, spec, { onItem: reader.onItem, stop });
    const { received, unmatched, model, gateTimeouts } = server;
    return { ...followed, received, unmatched, model, gateTimeouts };
  } finally {
    await server.stop();
  }
}

const QUICK = { minDelayMs: 1, maxDelayMs: 20 };

function replayToOfficial(feedCase, how) {
  return replayTo(official, feedCase, (model) => model.emissions.length, how);
}

function replayToOurs(feedCase, { options, paced = true, ...how } = {}) {
  const due = (model) => (paced ? model.changes.length : 0);
  return replayTo(ours, feedCase, due, { ...how, paced, options: { ...options, retry: QUICK } });
}

/** Both clients on the recording as it is: looked at by several tests. */
const asRecorded = new Map();
function bothAsRecorded(feedCase) {
  if (!asRecorded.has(feedCase)) {
    asRecorded.set(feedCase, Promise.all([replayToOfficial(feedCase), replayToOurs(feedCase)]));
  }
  return asRecorded.get(feedCase);
}

/** What a recorded official client printed, as the statuses in it. */
function notedStatuses(notes) {
  const words = notes.join("\n").match(/\b[A-Z]+(_[A-Z]+)*\b/g) ?? [];
  const shown = new Set([...KNOWN, "QUEUED", "WAITING", "COMPLETED", "FAILED"]);
  return words.filter((word) => shown.has(word));
}

function isSubsequence(part, whole) {
  let at = 0;
  for (const each of whole) if (each === part[at]) at += 1;
  return at === part.length;
}

withRecordings("run feed", 523, (recordings, test) => {
  const cases = recordings.flatMap(runFeedCases);

  test("the recordings hold run feeds", () => {
    assert.ok(cases.length > 0);
  });

  for (const chunks of CHUNKS) {
    describe(`a recorded run gives the official client's values, chunks: ${chunks}`, { concurrency: 12 }, () => {
      for (const feedCase of cases) {
        test(feedCase.name, async (t) => {
          if (chunks === "random") t.diagnostic(`TEST_SEED=${seed}`);
          const [theirs, mine] = await (chunks === "recorded"
            ? bothAsRecorded(feedCase)
            : Promise.all([replayToOfficial(feedCase, { chunks }), replayToOurs(feedCase, { chunks })]));
          assertKept(mine, promised(theirs, theirs.model));
          assert.equal(mine.gateTimeouts, 0, "every state was yielded before the next was sent");
          assert.deepEqual(mine.unmatched, [], "asks only for what the official client asks for");
          assert.ok(mine.received.length <= theirs.received.length, "makes no more requests");
        });
      }
    });
  }

  describe("a reader that the wire does not wait for", { concurrency: 12 }, () => {
    for (const feedCase of cases) {
      test(`sees states of the run in order, and the last: ${feedCase.name}`, async () => {
        const unpaced = await replayToOurs(feedCase, { paced: false });
        const [, paced] = await bothAsRecorded(feedCase);
        assertCoalesced(unpaced.items, paced.items);
        assert.deepEqual([unpaced.ended, unpaced.hung, unpaced.error], [paced.ended, paced.hung, paced.error]);
      });
    }
  });

  describe("with stopOnCompletion: false a finished run stays subscribed", { concurrency: 12 }, () => {
    const options = { stopOnCompletion: false };
    for (const feedCase of cases) {
      test(feedCase.name, async () => {
        const [theirs, mine] = await Promise.all([
          replayToOfficial(feedCase, { options }),
          replayToOurs(feedCase, { options }),
        ]);
        const expected = promised(theirs, theirs.model, options);
        assertKept(mine, expected);
        assertEnd(mine, expected);
      });
    }
  });

  describe("what the recorded client noted", { concurrency: 12 }, () => {
    // Only a client that follows feeds notes what it was given; raw requests are noted as text.
    for (const feedCase of cases.filter(({ exchanges }) => exchanges[0].query.get("log") === "full")) {
      const noted = notedStatuses(feedCase.recording.notes);
      if (noted.length === 0) continue;
      test(`is what we yield: ${feedCase.name}`, async () => {
        const [, { items }] = await bothAsRecorded(feedCase);
        const seen = items.map((run) => run.status).filter((status, index, all) => status !== all[index - 1]);
        assert.ok(isSubsequence(seen, noted), `${seen} in ${noted}`);
      });
    }
  });

  describe("requests", { concurrency: 12 }, () => {
    for (const feedCase of cases) {
      test(`carry what a server needs: ${feedCase.name}`, async () => {
        const [theirs, mine] = await bothAsRecorded(feedCase);
        const model = theirs.received.find(({ stored }) => !stored);
        for (const { headers, stored, url } of mine.received) {
          if (stored) {
            // docs/server-protocol.md 4: a presigned URL never sees the key.
            assert.equal(headers.authorization, undefined);
            continue;
          }
          assert.equal(headers.authorization, `Bearer ${feedCase.accessToken}`);
          assert.ok(headers["trigger-version"], "trigger-version");
          if (!url.startsWith("/realtime/")) continue;
          for (const name of ["x-trigger-electric-version", "x-trigger-api-version"]) {
            assert.equal(headers[name], model.headers[name], name);
          }
          assert.equal(new URL(url, "http://peer.invalid").searchParams.get("log"), "full");
        }
        const storedPaths = ({ received }) =>
          [...new Set(received.filter(({ stored }) => stored).map(({ url }) => url))].sort();
        assert.deepEqual(
          storedPaths(mine).map((url) => url.split("?")[0]),
          storedPaths(theirs).map((url) => url.split("?")[0]),
          "fetches the same stored packets",
        );
      });
    }
  });
});
