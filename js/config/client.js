"use strict";

/**
 * The native client of a configuration, one per (base URL, key, branch, request options), kept
 * so that a call with an unchanged configuration costs no more than a comparison.
 */

const { fromNative } = require("../errors/errors.js");
const native = require("../native/native.js");

/** The most clients kept. Servers that switch keys per tenant keep the latest. */
const MAX_CLIENTS = 256;

/** @type {Map<string, object>} */
const clients = new Map();
/** By the configuration resolved: the usual case, and no secret is written into a name for it. */
/** @type {WeakMap<object, object>} */
const byResolved = new WeakMap();

/**
 * The client of a configuration; the same one while the configuration is the same.
 *
 * @param {import("./config.js").Resolved} resolved
 * @returns {object} an opaque handle for the native functions
 * @throws {import("../errors/errors.js").ConfigError} without a key, or with a base URL, key or branch that cannot work
 */
function clientOf(resolved) {
  const known = byResolved.get(resolved);
  if (known !== undefined) return known;
  const { retry, additionalHeaders } = resolved.requestOptions ?? {};
  const options = JSON.stringify({ retry, additionalHeaders, streamsVersion: resolved.streamsVersion });
  const name = JSON.stringify([resolved.baseURL, resolved.accessToken, resolved.branch, options]);
  let client = clients.get(name);
  if (client === undefined) {
    const made = native.client(resolved.baseURL, resolved.accessToken ?? "", resolved.branch ?? null, options);
    if (typeof made === "string") throw fromNative(made);
    client = made;
    if (clients.size >= MAX_CLIENTS) clients.delete(clients.keys().next().value);
    clients.set(name, client);
    warnUnchecked(resolved.baseURL);
  }
  byResolved.set(resolved, client);
  return client;
}

let warned = false;

/**
 * Says, once and in Node's own words, that certificates are not looked at: Node says so only of connections it makes.
 *
 * @param {string} baseURL
 */
function warnUnchecked(baseURL) {
  if (warned || process.env.NODE_TLS_REJECT_UNAUTHORIZED !== "0" || !/^https:/i.test(baseURL)) return;
  warned = true;
  process.emitWarning(
    "Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to '0' makes TLS connections and HTTPS requests insecure by disabling certificate verification.",
  );
}

module.exports = { clientOf };
