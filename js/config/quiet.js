"use strict";

/**
 * How long answers stay quiet unless an option says so. `Bun.serve` cuts what was quiet for its `idleTimeout`, which is
 * 10 s: after 8 to 12, for it looks every 4 s.
 */

const isBun = "bun" in process.versions;

/** Silence of a response of events after which it pings, in milliseconds. */
const HEARTBEAT_MS = isBun ? 7_000 : 15_000;

/** How long a relay holds a poll, give or take 15 percent, in milliseconds; `undefined` leaves it to the relay. */
const HOLD_MS = isBun ? 6_500 : undefined;

module.exports = { HEARTBEAT_MS, HOLD_MS };
