"use strict";

/** Subscriptions: one run, the runs with a tag, the runs of a batch. */

const native = require("../native/native.js");
const { bounded } = require("../async/bounded.js");
const { clientOf } = require("../config/client.js");
const { refresherOf, resolve } = require("../config/config.js");
const { ArgumentError, fromNative } = require("../errors/errors.js");
const { LazyAbort } = require("../async/lazy-abort.js");
const { idOf } = require("../config/id.js");
const { mailbox } = require("../native/mailbox.js");
const { WATCH, callback, columns, flag, takeOptions } = require("../config/options.js");
const { Packets } = require("../calls/packets.js");
const { toRun } = require("./run.js");
const { RunSubscription } = require("./subscription.js");
const { traceOf } = require("../calls/trace.js");

/** What each subscription takes. `onItemError` of a single run is told of its streams only. */
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
  const id = idOf(call, "batch", batch, ["batchId", "id"]);
  const { skipColumns, ...given } = takeOptions(call, "the options", options, BATCH_OPTIONS);
  return subscribe({ of: "batch", id }, skipColumns, given);
}

/**
 * @param {{ of: "run" | "tags" | "batch", [detail: string]: unknown }} subject what `src/bridge/feed.rs` reads as its `Subject`
 * @param {string[] | undefined} skipColumns
 * @param {any} options
 */
function subscribe(subject, skipColumns, options) {
  const { onRetry, onStateChange, retry, silenceTimeoutMs } = options;
  const resolved = resolve();
  const refresher = refresherOf(resolved);
  // Checked now, opened at the first read. A token that has yet to be made is checked then.
  const client = refresher && resolved.accessToken === undefined ? undefined : clientOf(resolved);
  const notices = Boolean(onRetry ?? onStateChange);
  const feed = JSON.stringify({ subject, skipColumns: skipColumns ?? [], notices, retry, silenceTimeoutMs });
  const refusal = native.checkFeed(feed);
  if (refusal) throw fromNative(refusal);
  return new RunSubscription(
    new FeedSource({ single: subject.of === "run", feed, client, refresher, options, baseURL: resolved.baseURL }),
  );
}

/**
 * What a subscription needs of its feed. A class, so that ten thousand subscriptions share its functions.
 */
class FeedSource {
  single;
  abandoned = new LazyAbort();
  #options;
  #client;
  #refresher;
  /** As native code reads it, until it is opened. @type {string | undefined} */
  #feed;
  #packets = new Packets(this);
  #warned = false;
  #baseURL;
  #trace;

  constructor({ single, feed, client, refresher, options, baseURL }) {
    this.#baseURL = baseURL;
    this.single = single;
    this.#feed = feed;
    this.#client = client;
    this.#refresher = refresher;
    this.#options = options;
  }

  get signal() {
    return this.#options.signal;
  }

  /** Makes what {@link open} needs; nothing where it is there. */
  ready() {
    return this.#refresher?.client(this.abandoned).then((/** @type {object} */ client) => {
      this.#client = client;
    });
  }

  open() {
    this.#trace = traceOf(() => ({ baseURL: this.#baseURL, ...pathOf(JSON.parse(this.#feed ?? "").subject) }));
    const reader = native.openFeed(this.#client, mailbox(), this.#feed);
    if (typeof reader === "string") throw fromNative(reader);
    this.#feed = undefined;
    return reader;
  }

  /** Nobody reads it any more. @param {unknown} [error] what it failed with */
  over(error) {
    this.#trace?.end({ error });
  }

  /** The run of a row. Of a finished one nothing is kept: what comes of it is little (defect 10). */
  decode(row) {
    const run = toRun(row, this.#packets);
    if (!row.isFinished) return run;
    if (!(run instanceof Promise)) {
      this.#packets.forget(row.id);
      return run;
    }
    return run.finally(() => this.#packets.forget(row.id));
  }

  /** Takes notice of a row that is not given out. */
  skip(row) {
    if (row.isFinished) this.#packets.forget(row.id);
    else this.#packets.note(row);
  }

  fetchPacket(id, field, path) {
    const fetch = (/** @type {any} */ client) =>
      bounded(this.abandoned, (cancel) => native.fetchPacket(client, id, field, path, cancel));
    return this.#refresher ? this.#refresher.authorized(fetch, () => this.abandoned) : fetch(this.#client);
  }

  /** What opens the streams of its runs. Loaded by who reads streams: it costs as much as all else here. */
  streams() {
    return require("../streams/with-streams.js").streamOpener(
      { client: this.#client, refresher: this.#refresher, baseURL: this.#baseURL },
      this.#options,
    );
  }

  notify(notice) {
    if (notice.type === "retry") this.#options.onRetry?.(notice.retry);
    else this.#options.onStateChange?.(notice.state);
  }

  /** A row, or a stream, that is left out must not be left out in silence (defect 16). */
  fault(error, key, what = "A run") {
    const { onItemError } = this.#options;
    if (onItemError) return onItemError(error, key);
    if (this.#warned) return;
    this.#warned = true;
    process.emitWarning(`${what} was left out of a subscription: ${error.message}. onItemError tells of each one.`, {
      type: "TriggerNativeWarning",
      code: "TRIGGER_NATIVE_INVALID_ROW",
    });
  }

  /** Makes another token; rejects once it was abandoned only. */
  renew() {
    return this.#refresher?.renew(this.abandoned);
  }

  /** Adds what is known of a failure to its error. */
  explain(error) {
    this.#refresher?.explain(error);
  }
}

/**
 * Where a feed is, as `src/bridge/feed.rs` has it.
 *
 * @param {any} subject
 * @returns {{ path: string, ids?: [what: string, id: string][], query?: URLSearchParams }}
 */
function pathOf({ of, id, tags }) {
  if (of === "tags") return { path: "/realtime/v1/runs", query: new URLSearchParams({ tags: tags.join(",") }) };
  return { path: of === "run" ? "/realtime/v1/runs/{}" : "/realtime/v1/batches/{}", ids: [[`${of} id`, id]] };
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
