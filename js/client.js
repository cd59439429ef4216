"use strict";

/** The native client for the configuration that holds now. */

const { resolve } = require("./config.js");
const errors = require("./errors.js");
const native = require("./native.js");

/** The most clients kept. Servers that switch keys per tenant keep the latest. */
const MOST = 256;

/** @type {Map<string, object>} */
const clients = new Map();
/** @type {object | undefined} */
let lastResolved;
/** @type {object | undefined} */
let lastClient;

/**
 * The client to call with; the same one while the configuration is the same.
 *
 * @returns {object} an opaque handle for the native functions
 * @throws {errors.ConfigError} without a key, or with a base URL, key or branch that cannot work
 */
function currentClient() {
  const resolved = resolve();
  if (resolved === lastResolved && lastClient !== undefined) return lastClient;
  const options = optionsJson(resolved.requestOptions);
  const name = JSON.stringify([resolved.baseURL, resolved.accessToken, resolved.branch, options]);
  let client = clients.get(name);
  if (client === undefined) {
    const made = native.client(resolved.baseURL, resolved.accessToken ?? "", resolved.branch ?? null, options);
    if (typeof made === "string") throw errors.fromNative(JSON.parse(made.slice(1)));
    client = made;
    if (clients.size >= MOST) clients.delete(clients.keys().next().value);
    clients.set(name, client);
  }
  lastResolved = resolved;
  lastClient = client;
  return client;
}

/**
 * Request options as they cross into native code. The signal stays in JavaScript.
 *
 * @param {import("./config.js").RequestOptions & { signal?: AbortSignal } | undefined} options
 */
function optionsJson(options) {
  if (options === undefined) return "{}";
  const { retry, additionalHeaders, timeoutInMs } = options;
  return JSON.stringify({ retry, additionalHeaders, timeoutInMs });
}

module.exports = { currentClient, optionsJson };
