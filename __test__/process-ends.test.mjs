// However a process ends amid deliveries, it ends at once, with the code that it should, and without a crash.
// `npm run process-ends` repeats this with 1,000 feeds.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ENDS, end } from "./support/process-ends.mjs";
import { startTickingServer } from "./support/ticking-server.mjs";

describe("a process that follows runs and serves viewers ends well", () => {
  let server;
  before(async () => {
    server = await startTickingServer();
  });
  after(() => server.stop());

  for (const name of Object.keys(ENDS)) {
    it(name, async () => {
      const { wrong } = await end(name, { url: server.url, feeds: 100, viewers: 20 });
      assert.deepEqual(wrong, []);
    });
  }
});
