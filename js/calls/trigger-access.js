"use strict";

/**
 * Refuses to trigger with a public token whose scopes do not allow it: the server would answer 403, without the reason.
 */

const { ConfigError } = require("../errors/errors.js");

/**
 * @param {import("./call.js").OneCall} call
 * @param {string | undefined} token the call's
 * @param {"trigger" | "batchTrigger"} action
 * @param {string[]} tasks
 * @throws {ConfigError} `ERR_MISSING_SCOPE`
 */
function checkAccess(call, token, action, tasks) {
  const scopes = publicScopes(token);
  if (scopes === undefined) return;
  for (const task of tasks) {
    if (scopes.some((scope) => allows(scope, action, task))) continue;
    const create = action === "trigger" ? "createTriggerPublicToken" : "createBatchTriggerPublicToken";
    throw new ConfigError(
      "ERR_MISSING_SCOPE",
      `${call.name}(): the access token is a public token that may not trigger "${task}": make one with auth.${create}("${task}"), or use the secret key`,
    );
  }
}

/**
 * The scopes of a public token; undefined for every other key.
 *
 * @param {string | undefined} token
 * @returns {string[] | undefined}
 */
function publicScopes(token) {
  const parts = token?.split(".") ?? [];
  if (parts.length !== 3) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(parts[1], "base64url").toString());
    if (claims?.pub !== true) return undefined;
    return Array.isArray(claims.scopes)
      ? claims.scopes.filter((/** @type {unknown} */ scope) => typeof scope === "string")
      : [];
  } catch {
    return undefined;
  }
}

/**
 * Whether a scope can allow this. Wider than one server reads it (docs/server-protocol.md 3), since versions differ:
 * only a trigger that no server grants is refused here.
 *
 * @param {string} scope
 * @param {"trigger" | "batchTrigger"} action
 * @param {string} task
 */
function allows(scope, action, task) {
  const [does, kind, ...rest] = scope.split(":");
  const id = rest.join(":");
  if (does === "admin") return true;
  if (does !== action && does !== "*" && does !== "write" && !(action === "batchTrigger" && does === "trigger")) {
    return false;
  }
  return kind === "all" || (kind === "tasks" && (id === "" || id === task));
}

module.exports = { checkAccess };
