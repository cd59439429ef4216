// The targets that read one stream of a run.

import assert from "node:assert/strict";
import { streams } from "trigger-native";
import { Chunks } from "./chunks.mjs";
import { reader } from "./deferred.mjs";

function stream(version) {
  return {
    name: `stream ${version}`,
    async start(world) {
      const { server } = world;
      const id = await server.makeRun({ status: "EXECUTING", streamsVersion: version, realtimeStreams: ["ai"] });
      const chunks = new Chunks(server, id);
      await chunks.write();
      const subscription = await world.as(() => streams.read(id, "ai", world.watch));
      const { begun, done } = reader(async (begin) => {
        for await (const chunk of subscription) {
          chunks.take(chunk);
          begin();
          if (chunks.isDone) break;
        }
        assert.ok(chunks.isDone, "it ended before everything was delivered");
      });
      return {
        begun,
        done,
        change: () => chunks.write(),
        finish: () => chunks.finish(),
        check: () => chunks.check(),
        async close() {
          subscription.close();
          await done.catch(() => {});
          assert.equal(subscription.stats().state, "ended");
        },
      };
    },
  };
}

export const streamV1 = stream("v1");
export const streamV2 = stream("v2");
