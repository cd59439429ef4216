"use strict";

/**
 * The native client of a configuration, one per (base URL, key, branch, request options), kept
 * so that a call with an unchanged configuration costs no more than a comparison.
 */

const native = require("./native.js");
const config = require("./config.js");
const { fromNative } = require("./errors.js");

/** Clients kept; the oldest goes first. Far more than the keys of any one process. */
const KEPT = 256;

const clients = new Map();
/** The configuration resolved last and its client: the usual case. */
let last = null;

/**
 * The client of the configuration in force.
 * @returns {{ handle: any, baseURL: string, accessToken: string }}
 * @throws {import("./errors.js").ConfigError} without a key, or with a base URL that is none
 */
function current() {
  const resolved = config.resolve();
  if (last?.resolved === resolved) return last.client;
  const client = open(resolved);
  last = { resolved, client };
  return client;
}

function open(resolved) {
  const { baseURL, accessToken, branch, requestOptions } = resolved;
  const options = JSON.stringify({
    additionalHeaders: requestOptions?.additionalHeaders,
    retry: requestOptions?.retry,
    streamsVersion: config.streamsVersion(),
  });
  const id = JSON.stringify([baseURL, accessToken, branch, options]);
  let client = clients.get(id);
  if (!client) {
    const handle = native.client(baseURL, accessToken ?? "", branch ?? null, options);
    if (typeof handle === "string") throw fromNative(JSON.parse(handle));
    client = { handle, baseURL, accessToken };
    clients.set(id, client);
    if (clients.size > KEPT) clients.delete(clients.keys().next().value);
  }
  return client;
}

module.exports = { current };
