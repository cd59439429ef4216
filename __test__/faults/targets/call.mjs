// The target that makes calls: before the fault, while it is there, and after it.

import assert from "node:assert/strict";
import { runs, tasks } from "trigger-native";
import { deferred } from "./deferred.mjs";

let readers = 0;

export const call = {
  name: "call",
  async start(world) {
    const { server, requestOptions } = world;
    readers += 1;
    const name = `faults-${readers}`;
    const ids = [];
    let begunCalls = 0;
    const trigger = async () => {
      const options = { idempotencyKey: `${name}-${begunCalls}`, tags: [name] };
      begunCalls += 1;
      const { id } = await world.as(() => tasks.trigger("faults", { number: ids.length }, options, requestOptions));
      ids.push(id);
      const found = await world.as(() => runs.retrieve(id, requestOptions));
      assert.equal(found.id, id);
    };
    const done = deferred();
    const begun = trigger();
    let calls = begun;
    // A call that fails is the end: the ones after it are not made.
    const next = () => {
      calls = calls.then(trigger);
      calls.catch(done.reject);
    };
    calls.catch(done.reject);
    return {
      begun,
      done: done.promise,
      // It is under way while the fault is healed.
      change: async () => next(),
      async finish() {
        next();
        calls.then(done.resolve, () => {});
      },
      check() {
        assert.equal(new Set(ids).size, ids.length, "each trigger has a run of its own");
      },
      async close() {
        await calls.catch(() => {});
        const { data } = await server.call("GET", `/api/v1/runs?filter[tag]=${name}`);
        // A trigger whose call failed may have made a run; one that is made again makes no other.
        const made = data.map(({ id }) => id);
        assert.ok(made.length <= begunCalls, `${made.length} runs of ${begunCalls} triggers`);
        for (const id of ids) assert.ok(made.includes(id));
      },
    };
  },
};
