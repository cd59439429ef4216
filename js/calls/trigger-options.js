"use strict";

/** The options of a trigger, as the server takes them. */

const { ArgumentError } = require("../errors/errors.js");
const { deploymentOf, versionOf } = require("./deployment.js");
const { describe } = require("../config/scopes.js");

/**
 * The options that one trigger and an item of a batch have in common. A missing one is undefined, and so not sent.
 *
 * @param {import("./call.js").OneCall} call
 * @param {unknown} options
 */
function commonOptions(call, options) {
  const given = optionsOf(call, options);
  return {
    queue: given.queue ? { name: queueName(call, given.queue) } : undefined,
    concurrency: concurrency(call, given.concurrency ?? undefined),
    concurrencyKey: given.concurrencyKey ?? undefined,
    delay: given.delay ?? undefined,
    ttl: given.ttl ?? undefined,
    tags: given.tags ?? undefined,
    maxAttempts: given.maxAttempts ?? undefined,
    metadata: given.metadata ?? undefined,
    maxDuration: given.maxDuration ?? undefined,
    idempotencyKeyTTL: given.idempotencyKeyTTL ?? undefined,
    machine: given.machine ?? undefined,
    priority: given.priority ?? undefined,
    region: given.region ?? undefined,
    lockToVersion: versionOf(given.version ?? undefined, call.resolved),
    // Here `null` has a meaning: no deployment at all.
    externalDeploymentId: deploymentOf(given.externalDeploymentId, call.resolved),
    debounce: given.debounce ?? undefined,
  };
}

/**
 * The options, to be read one by one as in the SDK, so that those of a class or by `Object.create()` hold too. `null`
 * is as good as missing: to a server it is a value, and mostly a wrong one.
 *
 * @param {import("./call.js").OneCall} call
 * @param {unknown} options
 * @returns {Record<string, unknown>}
 */
function optionsOf(call, options) {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object" || Array.isArray(options)) {
    throw new ArgumentError(
      "ERR_INVALID_OPTIONS",
      `${call.name}(): the options must be an object, not ${describe(options)}`,
    );
  }
  return /** @type {Record<string, unknown>} */ (options);
}

/** @param {import("./call.js").OneCall} call @param {unknown} queue */
function queueName(call, queue) {
  if (typeof queue === "string") return queue;
  throw new ArgumentError(
    "ERR_INVALID_OPTIONS",
    `${call.name}(): queue must be the name of a queue, not ${typeof queue}: pass queue.name`,
  );
}

/** @param {import("./call.js").OneCall} call @param {unknown} names */
function concurrency(call, names) {
  if (names === undefined) return undefined;
  const limits = Array.isArray(names) ? names : [names];
  const fits = limits.length <= 2 && limits.every((name) => typeof name === "string" && /^[\w-]{1,122}$/.test(name));
  if (fits) return limits;
  throw new ArgumentError(
    "ERR_INVALID_OPTIONS",
    `${call.name}(): concurrency takes at most two names of limits, each of 1 to 122 letters, digits, "_" and "-"`,
  );
}

module.exports = { commonOptions };
