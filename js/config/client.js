"use strict";

/**
 * Native clients, one per base URL, key, branch and request options. They are kept, so that a call with an unchanged
 * configuration costs no more than a look-up.
 */

const { fromNative } = require("../errors/errors.js");
const native = require("../native/native.js");

/** The most clients kept: a server that switches keys per tenant keeps the latest. */
const MAX_CLIENTS = 256;

/** @typedef {import("../native/addon.js").Client} Client */

/** @type {Map<string, Client>} */
const clients = new Map();
/**
 * By the resolved configuration itself: the usual case, which writes no secret into a name.
 *
 * @type {WeakMap<object, Client>}
 */
const byResolved = new WeakMap();

/**
 * The client of a configuration; the same one while the configuration is the same.
 *
 * @param {import("./config.js").Resolved} resolved
 * @returns {Client}
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
    if (clients.size >= MAX_CLIENTS) clients.delete(/** @type {string} */ (clients.keys().next().value));
    clients.set(name, client);
    warnUnchecked(resolved.baseURL);
  }
  byResolved.set(resolved, client);
  return client;
}

let warned = false;

/**
 * Warns once, in Node's own words, that certificates are not verified: Node warns only of connections of its own.
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
