"use strict";

/** Subscriptions: one run, the runs with a tag, the runs of a batch. */

const native = require("./native.js");
const { bounded } = require("./bounded.js");
const { clientOf } = require("./client.js");
const { resolve } = require("./config.js");
const { ArgumentError, fromNative } = require("./errors.js");
const { Left } = require("./left.js");
const { mailbox } = require("./mailbox.js");
const { WATCH, callback, columns, flag, takeOptions } = require("./options.js");
const { Packets } = require("./packets.js");
const { refresherOf } = require("./refresh.js");
const { toRun } = require("./run.js");
const { RunSubscription } = require("./subscription.js");

/** What each subscription takes. `onItemError` of a single run is never called: it may stay. */
const OPTIONS = { ...WATCH, onItemError: callback };
const RUN_OPTIONS = { stopOnCompletion: flag, skipColumns: columns, ...OPTIONS };
const BATCH_OPTIONS = { skipColumns: columns, ...OPTIONS };
const FILTERS = {
  createdAt: (/** @type {unknown} */ value) =>
    typeof value === "string" && value.trim() !== "" ? undefined : 'must be a period, such as "1h" or "7d"',
  skipColumns: columns,
};

/** @see index.d.ts */
function subscribeToRun(run, options) {
  const call = "runs.subscribeToRun";
  const id = idOf(call, "run", run);
  const { stopOnCompletion = true, skipColumns, ...given } = takeOptions(call, "the options", options, RUN_OPTIONS);
  return subscribe({ of: "run", id, stopOnCompletion }, skipColumns, given);
}

/** @see index.d.ts */
function subscribeToRunsWithTag(tag, filters, options) {
  const call = "runs.subscribeToRunsWithTag";
  const { createdAt, skipColumns } = takeOptions(call, "the filters", filters, FILTERS);
  const given = takeOptions(call, "the options", options, OPTIONS);
  return subscribe({ of: "tags", tags: tagsOf(call, tag), createdAt }, skipColumns, given);
}

/** @see index.d.ts */
function subscribeToBatch(batch, options) {
  const call = "runs.subscribeToBatch";
  const id = idOf(call, "batch", batch);
  const { skipColumns, ...given } = takeOptions(call, "the options", options, BATCH_OPTIONS);
  return subscribe({ of: "batch", id }, skipColumns, given);
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
  const left = new Left();
  const packets = new Packets({
    fetchPacket(id, field, path) {
      const fetch = (/** @type {any} */ own) =>
        bounded(left, (cancel) => native.fetchPacket(own, id, field, path, cancel));
      return refresher ? refresher.authorized(fetch, () => left) : fetch(client);
    },
  });
  return new RunSubscription({
    single,
    signal,
    left,
    ready:
      refresher &&
      (async () => {
        client = await refresher.client(left);
      }),
    open() {
      const reader = native.openFeed(client, mailbox(), feed);
      if (typeof reader === "string") throw fromNative(JSON.parse(reader));
      return reader;
    },
    decode: (row) => decode(row, packets),
    skip: (row) => (row.isFinished ? packets.forget(row.id) : packets.note(row)),
    // Loaded by who reads streams.
    streams: () => require("./with-streams.js").streamOpener({ client, refresher }, options),
    notify: notices ? (notice) => notifyOf(options, notice) : undefined,
    fault: onItemError ?? warnOnce(),
    renew: refresher && (() => refresher.renew(left)),
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

module.exports = { subscribeToRun, subscribeToRunsWithTag, subscribeToBatch };
