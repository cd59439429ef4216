"use strict";

/** The namespaces users see. `TriggerClient` binds the same ones. */

const auth = require("./auth.js");
const batch = require("./batch.js");
const { configure } = require("./config.js");
const idempotency = require("./idempotency.js");
const calls = require("./run-calls.js");
const { fetchStream, subscribeToBatch, subscribeToRun, subscribeToRunsWithTag } = require("./runs.js");
const { define, input, read } = require("./streams.js");
const tasks = require("./tasks.js");
const wait = require("./wait.js");

module.exports = {
  auth: { configure, ...auth },
  batch: { ...batch },
  idempotencyKeys: { create: idempotency.create, reset: idempotency.reset },
  runs: { ...calls, fetchStream, subscribeToBatch, subscribeToRun, subscribeToRunsWithTag },
  streams: { define, input, read },
  tasks: { ...tasks },
  wait: { ...wait },
};
