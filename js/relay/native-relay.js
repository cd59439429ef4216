"use strict";

/** The native relay of a handler: what it is configured with, and what it refuses. */

/**
 * Opens the relay of a handler.
 *
 * @param {import("./options.js").HandlerOptions} options
 * @param {(text: string) => void} tell gets warnings for the operator
 * @returns {import("../native/addon.js").Relay}
 * @throws {import("../errors/errors.js").ConfigError} without a secret key, or with a base URL that cannot work
 */
function openRelay({ configuration, native: text }, tell) {
  const { clientOf } = require("../config/client.js");
  const { refresherOf, resolveWith } = require("../config/config.js");
  const { ConfigError, fromNative } = require("../errors/errors.js");
  const native = require("../native/native.js");
  const resolved = resolveWith("createRealtimeHandler()", configuration);
  if (refresherOf(resolved) !== undefined) {
    throw new ConfigError(
      "ERR_INVALID_ACCESS_TOKEN",
      "a relay needs the secret key itself, and configure() was given a function for it: set accessToken of createRealtimeHandler()",
    );
  }
  const relay = native.openRelay(clientOf(resolved), text, tell);
  if (typeof relay === "string") throw fromNative(relay);
  return relay;
}

module.exports = { openRelay };
