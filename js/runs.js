"use strict";

/** Subscriptions: one run, the runs with a tag, the runs of a batch. */

const native = require("./native.js");
const { bounded } = require("./bounded.js");
const { clientOf } = require("./client.js");
const { resolve } = require("./config.js");
const { ArgumentError, fromNative } = require("./errors.js");
const { Packets } = require("./packets.js");
const { refresherOf } = require("./refresh.js");
const { toRun } = require("./run.js");
const { RunSubscription } = require("./subscription.js");
const { fetchStream } = require("./streams.js");
const { streamOpener } = require("./with-streams.js");

/** @see index.d.ts */
function subscribeToRun(run, options = {}) {
  const id = idOf("runs.subscribeToRun", "run", run);
  checkOptions("runs.subscribeToRun", options);
  const stopOnCompletion = typeof options.stopOnCompletion === "boolean" ? options.stopOnCompletion : true;
  return subscribe({ of: "run", id, stopOnCompletion }, options.skipColumns, options);
}

/** @see index.d.ts */
function subscribeToRunsWithTag(tag, filters, options) {
  const call = "runs.subscribeToRunsWithTag";
  const { createdAt, skipColumns } = object(call, "the filters", filters ?? {});
  const given = options ?? {};
  checkOptions(call, given);
  checkSkipColumns(call, skipColumns);
  if (createdAt !== undefined && (typeof createdAt !== "string" || createdAt.trim() === "")) {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `${call}(): createdAt must be a period, such as "1h" or "7d"`);
  }
  return subscribe({ of: "tags", tags: tagsOf(call, tag), createdAt }, skipColumns, given);
}

/** @see index.d.ts */
function subscribeToBatch(batch, options) {
  const id = idOf("runs.subscribeToBatch", "batch", batch);
  const given = options ?? {};
  checkOptions("runs.subscribeToBatch", given);
  return subscribe({ of: "batch", id }, given.skipColumns, given);
}

/**
 * @param {{ of: "run" | "tags" | "batch", [detail: string]: unknown }} subject what `src/bridge/feed.rs` reads as its `Subject`
 * @param {string[] | undefined} skipColumns
 * @param {any} options
 */
function subscribe(subject, skipColumns, options) {
  const { signal, onRetry, onStateChange, onItemError, retry, silenceTimeoutMs } = options;
  const resolved = resolve();
  const refresher = refresherOf(resolved);
  // Checked now, opened at the first read. A token that has yet to be made is checked then.
  let client = refresher && resolved.accessToken === undefined ? undefined : clientOf(resolved);
  const notices = Boolean(onRetry ?? onStateChange);
  const feed = JSON.stringify({ subject, skipColumns: skipColumns ?? [], notices, retry, silenceTimeoutMs });
  const refusal = native.checkFeed(feed);
  if (refusal) throw fromNative(JSON.parse(refusal));
  const single = subject.of === "run";
  const left = new AbortController();
  const bounds = { signal: left.signal };
  const packets = new Packets({
    fetchPacket(id, field, path) {
      const fetch = (/** @type {any} */ own) =>
        bounded(bounds, (cancel) => native.fetchPacket(own, id, field, path, cancel));
      return refresher ? refresher.authorized(fetch, () => bounds) : fetch(client);
    },
  });
  return new RunSubscription({
    single,
    signal,
    left,
    ready:
      refresher &&
      (async () => {
        client = await refresher.client(bounds);
      }),
    open() {
      const reader = native.openFeed(client, feed);
      if (typeof reader === "string") throw fromNative(JSON.parse(reader));
      return reader;
    },
    decode: (row) => decode(row, packets),
    streams: streamOpener({ client, refresher }, options),
    notify: notices ? (notice) => notifyOf(options, notice) : undefined,
    fault: onItemError ?? warnOnce(),
    renew: refresher && (() => refresher.renew(bounds)),
    explain: refresher && ((error) => refresher.explain(error)),
  });
}

/** The run of a row. Of a finished one nothing is kept: what comes of it is little (defect 10). */
function decode(row, packets) {
  const run = toRun(row, packets);
  if (!row.isFinished) return run;
  if (!(run instanceof Promise)) {
    packets.forget(row.id);
    return run;
  }
  return run.finally(() => packets.forget(row.id));
}

function notifyOf(options, notice) {
  if (notice.type === "retry") options.onRetry?.(notice.retry);
  else options.onStateChange?.(notice.state);
}

/** A row that is left out must not be left out in silence (defect 16). */
function warnOnce() {
  let warned = false;
  return (/** @type {Error} */ error) => {
    if (warned) return;
    warned = true;
    process.emitWarning(`A run was left out of a subscription: ${error.message}. onItemError tells of each one.`, {
      type: "TriggerNativeWarning",
      code: "TRIGGER_NATIVE_INVALID_ROW",
    });
  };
}

/**
 * The id of a run, batch or handle.
 * @param {string} call for the message
 * @param {"run" | "batch"} what
 * @param {unknown} value
 */
function idOf(call, what, value) {
  const handle = typeof value === "object" && value !== null ? /** @type {any} */ (value) : undefined;
  const id = handle ? ((what === "batch" ? handle.batchId : undefined) ?? handle.id) : value;
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

/**
 * Tags, one by one. The server splits them at commas, as the official SDK lets it.
 * @param {string} call
 * @param {unknown} given
 * @returns {string[]}
 */
function tagsOf(call, given) {
  const refuse = (/** @type {string} */ why) => {
    throw new ArgumentError("ERR_INVALID_TAG", `${call}(): ${why}`);
  };
  const list = Array.isArray(given) ? Array.from(given) : [given];
  if (list.length === 0) refuse("no tag: pass the tag or tags that the runs must have");
  return list.flatMap((tag) => {
    if (typeof tag !== "string") refuse(`a tag must be a string, not ${tag === null ? "null" : typeof tag}`);
    if (!tag.isWellFormed()) refuse("a tag holds an unpaired surrogate");
    const tags = tag.split(",");
    // A blank one would ask for every run there is.
    if (tags.some((each) => each.trim() === "")) refuse("a tag is blank");
    return tags;
  });
}

function object(call, what, value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `${call}(): ${what} must be an object`);
  }
  return value;
}

function checkSkipColumns(call, skipColumns) {
  if (skipColumns === undefined) return;
  if (!(Array.isArray(skipColumns) && skipColumns.every((name) => typeof name === "string"))) {
    throw new ArgumentError(
      "ERR_INVALID_OPTIONS",
      `${call}(): skipColumns must be an array of column names, such as ["payload", "output"]`,
    );
  }
}

function checkOptions(call, options) {
  const refuse = (text) => {
    throw new ArgumentError("ERR_INVALID_OPTIONS", `${call}(): ${text}`);
  };
  const { signal, skipColumns, onRetry, onStateChange, onItemError, retry, silenceTimeoutMs } = object(
    call,
    "options",
    options,
  );
  if (signal !== undefined && typeof signal?.addEventListener !== "function") refuse("signal must be an AbortSignal");
  checkSkipColumns(call, skipColumns);
  for (const [name, callback] of Object.entries({ onRetry, onStateChange, onItemError }))
    if (callback !== undefined && typeof callback !== "function") refuse(`${name} must be a function`);
  if (retry !== undefined && (typeof retry !== "object" || retry === null)) refuse("retry must be an object");
  for (const [name, value] of Object.entries({ silenceTimeoutMs, ...retry }))
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      refuse(`${name} must be a whole number of milliseconds above 0`);
}

module.exports = { fetchStream, subscribeToRun, subscribeToRunsWithTag, subscribeToBatch };
