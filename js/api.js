"use strict";

/**
 * The namespaces that users see. `TriggerClient` binds the same ones.
 *
 * Most programs use one or two of them, and each costs time and memory at the start of a process. So the first call
 * loads each of them but minting.
 */

const auth = require("./calls/auth.js");
const { configure } = require("./config/config.js");

const batch = () => require("./batch/batch.js");
const idempotency = () => require("./calls/idempotency.js");
const runCalls = () => require("./runs/calls.js");
const feeds = () => require("./runs/runs.js");
const streams = () => require("./streams/streams.js");
const tasks = () => require("./runs/tasks.js");
const wait = () => require("./calls/wait.js");

/**
 * Functions of a module that the first call of one of them loads. They are plain ones under their own names, for tests
 * that replace them. `any`: their types are those in `types/`.
 *
 * @template {string} Name
 * @param {() => Record<Name, (...given: any[]) => any>} load
 * @param {Name[]} names
 * @returns {Record<Name, (...given: any[]) => any>}
 */
function later(load, names) {
  const functions = /** @type {ReturnType<typeof load>} */ ({});
  // Kept: after a reload of modules, a copy that is in use goes on as it is.
  /** @type {ReturnType<typeof load> | undefined} */
  let loaded;
  for (const name of names) {
    // A computed method has the name of the function.
    Object.assign(functions, {
      [name](/** @type {unknown[]} */ ...given) {
        loaded ??= load();
        return loaded[name](...given);
      },
    });
  }
  return functions;
}

module.exports = {
  auth: { configure, ...auth },
  batch: later(batch, ["retrieve", "trigger", "triggerByTask"]),
  idempotencyKeys: later(idempotency, ["create", "reset"]),
  runs: {
    ...later(runCalls, ["cancel", "list", "poll", "replay", "reschedule", "retrieve"]),
    ...later(streams, ["fetchStream"]),
    ...later(feeds, ["subscribeToBatch", "subscribeToRun", "subscribeToRunsWithTag"]),
  },
  streams: later(streams, ["define", "input", "read"]),
  tasks: later(tasks, ["batchTrigger", "trigger"]),
  wait: later(wait, ["completeToken", "createToken", "listTokens", "retrieveToken"]),
};
