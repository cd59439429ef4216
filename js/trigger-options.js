"use strict";

/** The options of a trigger, as the server takes them. */

const { ArgumentError } = require("./errors.js");
const { deploymentOf, versionOf } = require("./deployment.js");
const { present } = require("./options.js");

/**
 * What is the same for one trigger and for an item of a batch. What the user did not say is
 * undefined, and so not sent.
 *
 * @param {import("./call.js").OneCall} call
 * @param {any} options
 */
function commonOptions(call, options) {
  const given = present(call.name, options);
  return {
    queue: given.queue ? { name: queueName(call, given.queue) } : undefined,
    concurrency: concurrency(call, given.concurrency),
    concurrencyKey: given.concurrencyKey,
    delay: given.delay,
    ttl: given.ttl,
    tags: given.tags,
    maxAttempts: given.maxAttempts,
    metadata: given.metadata,
    maxDuration: given.maxDuration,
    idempotencyKeyTTL: given.idempotencyKeyTTL,
    machine: given.machine,
    priority: given.priority,
    region: given.region,
    lockToVersion: versionOf(given.version, call.resolved),
    // Here `null` says something: none at all.
    externalDeploymentId: deploymentOf(options?.externalDeploymentId, call.resolved),
    debounce: given.debounce,
  };
}

function queueName(call, queue) {
  if (typeof queue === "string") return queue;
  throw new ArgumentError(
    "ERR_INVALID_OPTIONS",
    `${call.name}(): queue must be the name of a queue, not ${typeof queue}: pass queue.name`,
  );
}

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
