"use strict";

/** The options of a trigger, as the server takes them. */

const { ArgumentError } = require("./errors.js");
const { deploymentOf, versionOf } = require("./deployment.js");

/**
 * What is the same for one trigger and for an item of a batch. What the user did not say is
 * undefined, and so not sent.
 *
 * @param {import("./call.js").OneCall} call
 * @param {any} options
 */
function commonOptions(call, options) {
  if (options !== undefined && (typeof options !== "object" || options === null || Array.isArray(options))) {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `${call.name}(): the options must be an object`);
  }
  return {
    queue: options?.queue ? { name: queueName(call, options.queue) } : undefined,
    concurrency: concurrency(call, options?.concurrency),
    concurrencyKey: options?.concurrencyKey,
    delay: options?.delay,
    ttl: options?.ttl,
    tags: options?.tags,
    maxAttempts: options?.maxAttempts,
    metadata: options?.metadata,
    maxDuration: options?.maxDuration,
    idempotencyKeyTTL: options?.idempotencyKeyTTL,
    machine: options?.machine,
    priority: options?.priority,
    region: options?.region,
    lockToVersion: versionOf(options?.version, call.resolved),
    externalDeploymentId: deploymentOf(options?.externalDeploymentId, call.resolved),
    debounce: options?.debounce,
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
