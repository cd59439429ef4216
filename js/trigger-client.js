"use strict";

/**
 * Several keys in one process, also at the same time: the calls of a client see its own configuration, without that of
 * `configure()` or of other clients.
 */

const api = require("./api.js");
const { clientScope } = require("./config/config.js");
const { ConfigError } = require("./errors/errors.js");
const { withScope } = require("./config/scope.js");

/**
 * `any`: the types of a namespace's functions are those in `types/`.
 *
 * @typedef {{ [name: string]: ((...given: any[]) => unknown) | Namespace }} Namespace
 */

class TriggerClient {
  /** @param {(import("./config/config.js").Configuration & { inheritContext?: boolean }) | null} [configuration] */
  constructor(configuration) {
    const scope = clientScope(configuration ?? {});
    this.tasks = bind(scope, api.tasks);
    this.runs = bind(scope, api.runs);
    const { trigger, triggerByTask, retrieve } = api.batch;
    this.batch = bind(scope, { trigger, triggerByTask, retrieve });
    const { createPublicToken, createTriggerPublicToken, createBatchTriggerPublicToken } = api.auth;
    this.auth = bind(scope, { createPublicToken, createTriggerPublicToken, createBatchTriggerPublicToken });
  }
}

// Namespaces that only the official client has throw an error that says so, instead of being undefined.
for (const name of ["deployments", "envvars", "prompts", "queues", "schedules"]) {
  Object.defineProperty(TriggerClient.prototype, name, {
    get() {
      throw new ConfigError(
        "ERR_NOT_HERE",
        `TriggerClient.${name} manages a project, which trigger-native does not: use the TriggerClient of @trigger.dev/sdk for it`,
      );
    },
  });
}

/**
 * The functions of a namespace, each called in `scope`.
 *
 * @param {ReturnType<typeof clientScope>} scope
 * @param {Namespace} namespace
 * @returns {Namespace}
 */
function bind(scope, namespace) {
  /** @type {Namespace} */
  const bound = {};
  for (const [name, value] of Object.entries(namespace)) {
    bound[name] =
      typeof value === "function"
        ? (/** @type {unknown[]} */ ...given) => withScope(scope, () => value(...given))
        : bind(scope, value);
  }
  return bound;
}

module.exports = { TriggerClient };
