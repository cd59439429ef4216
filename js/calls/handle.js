"use strict";

/** The handle of a run, batch or token that a call made: its id, and a public token to follow it with. */

const { TriggerNativeError } = require("../errors/errors.js");

/**
 * The public token of a handle: the server's own, else one signed here from the claims in the response
 * (docs/server-protocol.md 6).
 *
 * @param {import("./call.js").OneCall} call
 * @param {import("./call.js").CallResponse} answer
 * @param {string} id
 * @param {string} scope such as `"read:runs"`
 * @param {string} life unless the caller said when it ends
 * @returns {string}
 */
function handleToken(call, answer, id, scope, life) {
  const given = answer.headers["x-trigger-jwt"];
  if (given) return given;
  try {
    return call.sign(answer.headers["x-trigger-jwt-claims"], [`${scope}:${id}`], life);
  } catch (error) {
    // The run or batch exists, so its id must not be lost with the token.
    if (error instanceof TriggerNativeError) {
      error.message = `${call.name}() made ${id}, but ${error.message}`;
      Object.assign(error, { id });
    }
    throw error;
  }
}

module.exports = { handleToken };
