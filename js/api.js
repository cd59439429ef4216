"use strict";

/**
 * The namespaces users see. `TriggerClient` binds the same ones.
 *
 * Most programs use one or two of them, and each costs time and memory at the start of a process:
 * all but minting is loaded by its first call.
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
 * Functions of a module that is loaded when one of them is called. Plain ones, under their own names:
 * programs that replace them in tests find what they expect.
 *
 * @param {() => any} load
 * @param {string[]} names
 * @returns {Record<string, (...given: any[]) => any>}
 */
function later(load, names) {
  /** @type {Record<string, (...given: any[]) => any>} */
  const functions = {};
  // Kept: after modules were thrown away, what is in use goes on as it is.
  let loaded;
  for (const name of names) {
    // A computed method has the name that the function itself has.
    Object.assign(functions, {
      [name](/** @type {any[]} */ ...given) {
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
