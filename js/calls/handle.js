"use strict";

/** What a call gives to stand for what it made: its id, and a public token to follow it with. */

const { TriggerNativeError } = require("../errors/errors.js");

/**
 * The public token of a handle: the server's own, else one signed here from the claims it gave
 * (docs/server-protocol.md 6).
 *
 * @param {import("./call.js").OneCall} call
 * @param {import("./call.js").Answer} answer
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
    // What was made is not lost with its token.
    if (error instanceof TriggerNativeError) {
      error.message = `${call.name}() made ${id}, but ${error.message}`;
      /** @type {any} */ (error).id = id;
    }
    throw error;
  }
}

module.exports = { handleToken };
