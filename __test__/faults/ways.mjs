// How faults are made: rules of the proxy at a moment, and the check that they struck.

import assert from "node:assert/strict";
import { http1, http2 } from "./front.mjs";

/** The requests of a target that a fault has to strike each: other targets make requests of one kind. */
const KINDS = {
  withStreams: [["/realtime/v1/streams/"], ["/realtime/v1/runs/"]],
  // A relay reads the run's feed beside its stream, which tells when the run is over.
  "page's stream": [["/realtime/v1/streams/"], ["/realtime/v1/runs/"]],
  call: [["POST "], ["GET "]],
};

/** A rule for each kind of the target's requests. */
export const rulesFor = (target, rule) => (KINDS[target.name] ?? [[]]).map((contains) => ({ contains, ...rule }));

/** Fails where the rules hit no request: the fault was not there. */
export async function struck(world, target) {
  const { left } = await world.front.open();
  assert.ok(
    left < world.rules,
    `${left} of ${world.rules} requests of ${target.name} were left out: nothing went wrong`,
  );
}

async function setRules(world, target, count, action) {
  const rules = rulesFor(target, { count, action });
  world.rules = rules.length * count;
  await world.front.rules(...rules);
}

/**
 * An action of the proxy, for so many requests while the target is open.
 *
 * @param {object} action as in `tests/support/fault_proxy/rule.rs`
 * @param {{ count?: number, isKicked?: boolean }} [options] `isKicked` breaks off what is under way first, for actions that
 *   only a new request can meet
 */
export const whileOpen = (action, { count = 3, isKicked = false } = {}) => ({
  async strike(world, target) {
    // Before anything can meet it.
    world.struckAt = performance.now();
    await setRules(world, target, count, action);
    if (isKicked) await world.front.cut();
  },
  check: struck,
});

/** The same for the first requests. */
export const atStart = (action, { count = 3 } = {}) => ({
  early: true,
  async arrange(world, target) {
    world.struckAt = performance.now();
    await setRules(world, target, count, action);
  },
  check: struck,
});

/** A fault over each version of HTTP. `more` may be a function of whether it is HTTP/2. */
export function overBoth(name, more) {
  const of = (isHttp2) => (typeof more === "function" ? more(isHttp2) : more);
  return [
    { name: `${name}, over HTTP/1.1`, front: http1, ...of(false) },
    { name: `${name}, over HTTP/2`, front: http2, ...of(true) },
  ];
}

/** The same reason for several targets. */
export const each = (names, reason) => Object.fromEntries(names.map((name) => [name, reason]));
