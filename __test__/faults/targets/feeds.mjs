// The targets that follow runs by subscriptions.

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { runs } from "trigger-native";
import { Chunks } from "./chunks.mjs";
import { reader } from "./deferred.mjs";
import { columnsOf, LAST, States } from "./states.mjs";

const stateOf = (run) => ({ number: run.metadata?.number, isFinal: run.isCompleted });

/** Reads a subscription to its end, or until `isOver` where it has none by itself, and gives what a target promises. */
function reading(subscription, { endsItself, take, isBegun, isOver, told, change, finish, check }) {
  const { begun, done } = reader(async (begin) => {
    for await (const item of subscription) {
      take(item);
      if (isBegun()) begin();
      if (!endsItself && isOver()) break;
    }
    assert.ok(isOver(), `it ended before everything was delivered: ${inspect(told(), { depth: 4 })}`);
  });
  return {
    begun,
    done,
    change,
    finish,
    check,
    async close() {
      subscription.close();
      await done.catch(() => {});
      assert.equal(subscription.stats().state, "ended");
    },
  };
}

let groups = 0;

/** The name of runs that are followed together, and by no other reader. */
function nextGroup() {
  groups += 1;
  return `faults${groups}`;
}

/** A target of several runs, or of one. */
function feed(name, count, columnOf, open) {
  const endsItself = name === "run";
  return {
    name,
    async start(world) {
      const { server } = world;
      const group = nextGroup();
      const ids = [];
      for (let n = 0; n < count; n += 1) ids.push(await server.makeRun({ ...columnsOf(0), ...columnOf(group) }));
      const states = new States(ids);
      const change = async (number) => {
        for (const id of ids) await server.change(id, columnsOf(number));
      };
      return reading(await world.as(() => open(ids[0], group, world.watch)), {
        endsItself,
        take: (run) => states.add(run.id, stateOf(run)),
        isBegun: () => states.isBegun,
        isOver: () => states.isOver,
        told: () => states.seen,
        change: () => change(1),
        async finish() {
          await change(2);
          await change(LAST);
        },
        check: () => states.check({ isOver: states.isOver }),
      });
    },
  };
}

export const run = feed(
  "run",
  1,
  () => ({}),
  (id, _, watch) => runs.subscribeToRun(id, watch),
);

export const tag = feed(
  "tag",
  3,
  (group) => ({ runTags: [group] }),
  (_, group, watch) => runs.subscribeToRunsWithTag(group, {}, watch),
);

export const batch = feed(
  "batch",
  3,
  (group) => ({ batch: `batch_${group}` }),
  (_, group, watch) => runs.subscribeToBatch(`batch_${group}`, watch),
);

/** A run, and the stream that it writes. It ends by itself, once the run is over and its stream was read to its end. */
export const withStreams = {
  name: "withStreams",
  async start(world) {
    const { server } = world;
    const id = await server.makeRun({ ...columnsOf(0), streamsVersion: "v2", realtimeStreams: ["ai"] });
    const chunks = new Chunks(server, id);
    await chunks.write();
    const states = new States([id]);
    const subscription = await world.as(() => runs.subscribeToRun(id, world.watch).withStreams({ streams: ["ai"] }));
    return reading(subscription, {
      endsItself: true,
      take: (part) => (part.type === "run" ? states.add(id, stateOf(part.run)) : chunks.take(part.chunk)),
      isBegun: () => states.isBegun && chunks.isBegun,
      isOver: () => states.isOver && chunks.isOver,
      told: () => [states.seen, chunks.taken],
      async change() {
        await server.change(id, columnsOf(1));
        await chunks.write();
      },
      async finish() {
        await chunks.write();
        await server.change(id, columnsOf(LAST));
      },
      check() {
        states.check({ isOver: states.isOver });
        chunks.check();
      },
    });
  },
};
