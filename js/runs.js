"use strict";

const native = require("./native.js");
const { bounded } = require("./bounded.js");
const { currentClient } = require("./client.js");
const { ArgumentError, fromNative } = require("./errors.js");
const { RunSubscription } = require("./subscription.js");
const { Packets } = require("./packets.js");
const { toRun } = require("./run.js");
const { fetchStream } = require("./streams.js");
const { streamOpener } = require("./with-streams.js");

/** @see index.d.ts */
function subscribeToRun(run, options = {}) {
  const runId = idOf("runs.subscribeToRun", "run", run);
  checkOptions("runs.subscribeToRun", options);
  const handle = currentClient();
  const feed = JSON.stringify({
    skipColumns: options.skipColumns ?? [],
    stopOnCompletion: typeof options.stopOnCompletion === "boolean" ? options.stopOnCompletion : true,
    notices: Boolean(options.onRetry ?? options.onStateChange),
    retry: options.retry,
    silenceTimeoutMs: options.silenceTimeoutMs,
  });
  // Checked now, opened at the first read.
  const refusal = native.checkRunFeed(runId, feed);
  if (refusal) throw fromNative(JSON.parse(refusal));
  const packets = new Packets({
    fetchPacket: (id, field, path) => bounded(undefined, () => native.fetchPacket(handle, id, field, path)),
  });
  return new RunSubscription({
    signal: options.signal,
    open() {
      const reader = native.openRunFeed(handle, runId, feed);
      if (typeof reader === "string") throw fromNative(JSON.parse(reader));
      return reader;
    },
    decode: (row) => toRun(row, packets),
    streams: streamOpener(handle, options),
    notify: options.onRetry || options.onStateChange ? (notice) => notifyOf(options, notice) : undefined,
  });
}

function notifyOf(options, notice) {
  if (notice.type === "retry") options.onRetry?.(notice.retry);
  else options.onStateChange?.(notice.state);
}

/**
 * The id of a run, batch or handle.
 * @param {string} call for the message
 * @param {string} what "run", "batch", …
 * @param {unknown} value
 */
function idOf(call, what, value) {
  const id = typeof value === "object" && value !== null ? /** @type {any} */ (value).id : value;
  if (typeof id !== "string") {
    throw new ArgumentError(
      "ERR_INVALID_ID",
      `${call}() got ${value === null ? "null" : typeof value} instead of a ${what} id: pass the id, or the handle that triggering returned (is an await missing?)`,
    );
  }
  // An unpaired surrogate would reach the server as another id.
  if (!id.isWellFormed()) throw new ArgumentError("ERR_INVALID_ID", `the ${what} id holds an unpaired surrogate`);
  return id;
}

function checkOptions(call, options) {
  const refuse = (text) => {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `${call}(): ${text}`);
  };
  if (typeof options !== "object" || options === null) refuse("options must be an object");
  const { signal, skipColumns, onRetry, onStateChange, retry, silenceTimeoutMs } = options;
  if (signal !== undefined && typeof signal?.addEventListener !== "function") refuse("signal must be an AbortSignal");
  if (
    skipColumns !== undefined &&
    !(Array.isArray(skipColumns) && skipColumns.every((name) => typeof name === "string"))
  )
    refuse('skipColumns must be an array of column names, such as ["payload", "output"]');
  for (const [name, callback] of Object.entries({ onRetry, onStateChange }))
    if (callback !== undefined && typeof callback !== "function") refuse(`${name} must be a function`);
  if (retry !== undefined && (typeof retry !== "object" || retry === null)) refuse("retry must be an object");
  for (const [name, value] of Object.entries({ silenceTimeoutMs, ...retry }))
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      refuse(`${name} must be a whole number of milliseconds above 0`);
}

module.exports = { fetchStream, subscribeToRun };
