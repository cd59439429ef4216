"use strict";

/** Permissions as users write them, flattened to the scopes of a token (docs/server-protocol.md 3). */

const { ArgumentError } = require("../errors/errors.js");

const ANY = new Set(["tasks", "tags", "runs", "batch", "waitpoints", "inputStreams", "sessions"]);
const TASKS = new Set(["tasks"]);

/** The resources of each action. @type {Map<string, Set<string>>} */
const ACTIONS = new Map([
  ["read", ANY],
  ["write", ANY],
  ["trigger", TASKS],
  ["batchTrigger", TASKS],
]);

/**
 * `{ read: { runs: ["a", "b"], tags: true } }` → `["read:runs:a", "read:runs:b", "read:tags"]`, in
 * the order written.
 *
 * @param {unknown} permissions
 * @returns {string[]}
 * @throws {ArgumentError} `ERR_INVALID_SCOPES` for what the server would not understand
 */
function flattenScopes(permissions) {
  if (!isPlain(permissions)) {
    refuse('scopes must be an object such as { read: { runs: ["run_1234"] } }');
  }
  /** @type {string[]} */
  const scopes = [];
  for (const action of Object.keys(permissions)) {
    const resources = permissions[action];
    // As in the SDK: a condition that did not hold leaves nothing behind.
    if (resources === undefined || resources === null || resources === false) continue;
    const known = ACTIONS.get(action);
    if (known === undefined) refuseAction(action);
    if (!isPlain(resources)) {
      const name = known === TASKS ? "tasks" : "runs";
      refuse(
        resources === true
          ? `scopes.${action} cannot be true: name what it is for, such as { ${action}: { ${name}: ["${name === "runs" ? "run_1234" : "my-task"}"] } }`
          : `scopes.${action} must be an object such as { ${name}: [...] }`,
      );
    }
    for (const resource of Object.keys(resources)) {
      const ids = resources[resource];
      if (ids === undefined || ids === null || ids === false) continue;
      if (!known.has(resource)) {
        refuse(`scopes.${action}: unknown resource ${quote(resource)}, expected one of ${[...known].join(", ")}`);
      }
      flattenIds(scopes, action, resource, ids);
    }
  }
  return scopes;
}

/**
 * @param {string[]} scopes
 * @param {string} action
 * @param {string} resource
 * @param {unknown} ids
 */
function flattenIds(scopes, action, resource, ids) {
  if (typeof ids === "string" || idOfHandle(resource, ids) !== undefined) {
    scopes.push(scope(action, resource, ids));
  } else if (Array.isArray(ids)) {
    // By index: a hole in the array is a missing id, not one to skip.
    for (let at = 0; at < ids.length; at++) scopes.push(scope(action, resource, ids[at]));
  } else if (ids === true && ACTIONS.get(action) === ANY) {
    scopes.push(`${action}:${resource}`);
  } else if (ids === true) {
    refuse(`scopes.${action}.${resource} cannot be true: list the task ids`);
  } else {
    refuse(`scopes.${action}.${resource} must be an id or an array of ids, not ${describe(ids)}`);
  }
}

/** A text without a character that JSON escapes. */
const PLAIN = /^[\w:./ -]*$/;

/**
 * Scopes as `JSON.stringify` writes them.
 *
 * @param {string[]} scopes
 * @returns {string}
 */
function scopesText(scopes) {
  for (const scope of scopes) if (!PLAIN.test(scope)) return JSON.stringify(scopes);
  return scopes.length === 0 ? "[]" : `["${scopes.join('","')}"]`;
}

/**
 * The scopes of a trigger or batch-trigger token.
 *
 * @param {"trigger" | "batchTrigger"} action
 * @param {unknown} task an id or an array of ids
 * @returns {string[]}
 * @throws {ArgumentError} `ERR_INVALID_TASK` for no task at all, `ERR_INVALID_SCOPES` for a bad id
 */
function taskScopes(action, task) {
  if (typeof task !== "string" && !Array.isArray(task)) {
    throw new ArgumentError(
      "ERR_INVALID_TASK",
      `the task must be a task id or an array of task ids, not ${describe(task)}`,
    );
  }
  if (task.length === 0) {
    throw new ArgumentError("ERR_INVALID_TASK", "no task: pass the id of the task the token may trigger");
  }
  /** @type {string[]} */
  const scopes = [];
  flattenIds(scopes, action, "tasks", task);
  return scopes;
}

/** The resources that have handles. Tasks and tags have none. */
const HANDLES = new Set(["runs", "batch", "waitpoints", "inputStreams"]);

/**
 * The id of a handle, as triggering or `wait.createToken()` returns it, or of a run.
 *
 * @param {string} resource
 * @param {unknown} value
 * @returns {unknown} `undefined` for what is no handle
 */
function idOfHandle(resource, value) {
  if (typeof value !== "object" || value === null || !HANDLES.has(resource)) return undefined;
  const handle = /** @type {{ id?: unknown, batchId?: unknown }} */ (value);
  return (resource === "batch" ? handle.batchId : undefined) ?? handle.id;
}

/** @param {string} action @param {string} resource @param {unknown} given an id, or what has one */
function scope(action, resource, given) {
  const id = idOfHandle(resource, given) ?? given;
  if (typeof id !== "string") refuse(`${action} ${resource}: an id must be a string, not ${describe(id)}`);
  // A blank id would read as "every one" on the server.
  if (id.trim() === "") refuse(`${action} ${resource}: an id is blank: pass the id as the server gave it`);
  return `${action}:${resource}:${id}`;
}

/** @param {string} action @returns {never} */
function refuseAction(action) {
  refuse(
    action === "admin"
      ? 'scopes.admin: public tokens are for browsers and never get admin: name what the token may do, such as { read: { runs: ["run_1234"] } }'
      : `scopes: unknown action ${quote(action)}, expected one of ${[...ACTIONS.keys()].join(", ")}`,
  );
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isPlain(value) {
  if (typeof value !== "object" || value === null) return false;
  // The first test is the fast one; the second lets objects of other realms and classes in, but no
  // Map, Date or array.
  return (
    Object.getPrototypeOf(value) === Object.prototype || Object.prototype.toString.call(value) === "[object Object]"
  );
}

/** @param {unknown} value */
function describe(value) {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object") return `a ${typeof value}`;
  // A Map is named as one, because "must be an object, not an object" would explain nothing.
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  return tag === "Object" ? "an object" : `${/^[AEIOU]/.test(tag) ? "an" : "a"} ${tag}`;
}

/** @param {string} text */
function quote(text) {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

/** @param {string} message @returns {never} */
function refuse(message) {
  throw new ArgumentError("ERR_INVALID_SCOPES", message);
}

module.exports = { flattenScopes, scopesText, taskScopes, isPlain, describe };
