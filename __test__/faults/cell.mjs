// One cell of the matrix: a fault strikes a target.

import assert from "node:assert/strict";
import { CLOSED_MS, WITHIN_MS } from "./contract.mjs";
import { none, within } from "./waits.mjs";
import { openWorld } from "./world.mjs";

/** A failsafe for what leads up to the fault, and no measurement. */
const FAILSAFE_MS = 30_000;

/**
 * Plays a cell. Gives the front, which may have idle connections for a while: `stop` is the caller's.
 *
 * @param {import("./contract.mjs").Fault} fault
 * @param {import("./contract.mjs").Target} target
 */
export async function play(fault, target) {
  const world = await openWorld(fault);
  let reading;
  try {
    await fault.arrange?.(world, target);
    reading = await within(target.start(world), FAILSAFE_MS, "the start");
    // Each is awaited below, but may fail before.
    reading.done.catch(() => {});
    reading.begun.catch(() => {});
    const ending = fault.ends?.[target.name];
    if (!fault.early) await within(reading.begun, FAILSAFE_MS, "the first value");
    await fault.strike?.(world, target);
    await within(reading.change(), FAILSAFE_MS, "the change");
    await fault.heal?.(world, target);
    await within(reading.finish(), FAILSAFE_MS, "the last change");
    const withinMs = fault.withinMs ?? WITHIN_MS;
    if (ending) {
      const error = await within(reading.done, withinMs, `the error ${ending.code}`).then(
        () => assert.fail(`it ends well, and not with ${ending.code}`),
        (reason) => reason,
      );
      assert.equal(error.code, ending.code, error.stack);
      world.error = error;
    } else {
      await within(reading.done, withinMs, "all that must be delivered");
    }
    reading.check();
    await fault.check?.(world, target);
    await within(reading.close(), FAILSAFE_MS, "the close");
    reading = undefined;
    await none(async () => (await world.front.open()).requests, CLOSED_MS, "requests under way");
    return world.front;
  } catch (error) {
    await reading?.close().catch(() => {});
    await world.front.stop();
    throw error;
  } finally {
    await world.server.stop();
  }
}
