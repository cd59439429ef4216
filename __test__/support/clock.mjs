// A clock that stands still, for two clients at once.
import { mock } from "node:test";

/** Freezes `Date` at `ms` until the test ends. Timers keep running. */
export function freeze(t, ms) {
  mock.timers.enable({ apis: ["Date"], now: ms });
  t.after(() => mock.timers.reset());
  return {
    set: (/** @type {number} */ to) => mock.timers.setTime(to),
    stop: () => mock.timers.reset(),
  };
}
