"use strict";

/**
 * How long a response may be silent, unless an option says so. `Bun.serve` cuts a response that was silent for its
 * `idleTimeout` of 10 s: after 8 to 12 s, since it checks every 4 s.
 */

const isBun = "bun" in process.versions;

/** The silence after which a response of events pings, in milliseconds. */
const HEARTBEAT_MS = isBun ? 7_000 : 15_000;

/** How long a relay holds a poll, give or take 15 percent, in milliseconds; `undefined` leaves it to the relay. */
const HOLD_MS = isBun ? 6_500 : undefined;

module.exports = { HEARTBEAT_MS, HOLD_MS };
