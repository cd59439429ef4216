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

/** @typedef {import("../../types/subscription.js").SubscribeToRunsOptions} WatchOptions */

/** The options of every subscription. Of a single run, `onItemError` gets the errors of its streams only. */
const OPTIONS = {
  ...WATCH,
  onItemError: /** @type {import("../config/options.js").Check<NonNullable<WatchOptions["onItemError"]>>} */ (callback),
};
const RUN_OPTIONS = { stopOnCompletion: flag, skipColumns: columns, ...OPTIONS };
const BATCH_OPTIONS = { skipColumns: columns, ...OPTIONS };
/** @type {import("../config/options.js").Check<string>} */
const period = (value) =>
  typeof value === "string" && value.trim() !== "" ? undefined : 'must be a period, such as "1h" or "7d"';
const FILTERS = { createdAt: period, skipColumns: columns };

/** @see types/runs.d.ts @param {unknown} run @param {unknown} [options] */
function subscribeToRun(run, options) {
  const call = "runs.subscribeToRun";
  const id = idOf(call, "run", run);
  const { stopOnCompletion = true, skipColumns, ...given } = takeOptions(call, "the options", options, RUN_OPTIONS);
  return subscribe({ of: "run", id, stopOnCompletion }, skipColumns, given);
}

/** @see types/runs.d.ts @param {unknown} tag @param {unknown} [filters] @param {unknown} [options] */
function subscribeToRunsWithTag(tag, filters, options) {
  const call = "runs.subscribeToRunsWithTag";
  const { createdAt, skipColumns } = takeOptions(call, "the filters", filters, FILTERS);
  const given = takeOptions(call, "the options", options, OPTIONS);
  return subscribe({ of: "tags", tags: tagsOf(call, tag), createdAt }, skipColumns, given);
}

/** @see types/runs.d.ts @param {unknown} batch @param {unknown} [options] */
function subscribeToBatch(batch, options) {
  const call = "runs.subscribeToBatch";
  const id = idOf(call, "batch", batch, ["batchId", "id"]);
  const { skipColumns, ...given } = takeOptions(call, "the options", options, BATCH_OPTIONS);
  return subscribe({ of: "batch", id }, skipColumns, given);
}

/**
 * @typedef {{ of: "run", id: string, stopOnCompletion: boolean }
 *   | { of: "tags", tags: string[], createdAt?: string }
 *   | { of: "batch", id: string }} Subject as `src/bridge/feed.rs` reads it
 *
 * @typedef {import("../native/addon.js").Client} Client
 * @typedef {import("../native/addon.js").WireRun} WireRun
 * @typedef {InstanceType<typeof FeedSource>} Source
 */

/**
 * @param {Subject} subject
 * @param {string[] | undefined} skipColumns
 * @param {import("../config/options.js").Taken<typeof OPTIONS>} options
 */
function subscribe(subject, skipColumns, options) {
  const { onRetry, onStateChange, retry, silenceTimeoutMs } = options;
  const resolved = resolve();
  const refresher = refresherOf(resolved);
  // Checked now, opened at the first read. A token that is yet to be made is checked then.
  const client = refresher && resolved.accessToken === undefined ? undefined : clientOf(resolved);
  const notices = Boolean(onRetry ?? onStateChange);
  const { connections } = resolved;
  const feed = JSON.stringify({
    subject,
    skipColumns: skipColumns ?? [],
    notices,
    retry,
    silenceTimeoutMs,
    connections,
  });
  const refusal = native.checkFeed(feed);
  if (refusal) throw fromNative(refusal);
  return new RunSubscription(
    new FeedSource({ single: subject.of === "run", feed, client, refresher, options, baseURL: resolved.baseURL }),
  );
}

/**
 * The feed of a subscription: opens it, decodes its rows, renews its token. A class, so that ten thousand subscriptions
 * share its functions.
 */
class FeedSource {
  single;
  /** Aborted when the subscription is closed. */
  abandoned = new LazyAbort();
  #options;
  /** @type {Client | undefined} */
  #client;
  #refresher;
  /** The feed as `src/bridge/feed.rs` reads it, until it is opened. @type {string | undefined} */
  #feed;
  #packets = new Packets(this);
  #warned = false;
  #baseURL;
  /** @type {ReturnType<typeof traceOf>} */
  #trace;

  /**
   * @param {object} feed
   * @param {boolean} feed.single whether it is of one run
   * @param {string} feed.feed
   * @param {Client} [feed.client] of a plain token
   * @param {import("../config/refresh.js").TokenRefresher} [feed.refresher] of a token that is renewed
   * @param {import("../config/options.js").Taken<typeof OPTIONS>} feed.options
   * @param {string} feed.baseURL
   */
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

  /** Makes the client that {@link open} needs; `undefined` where there is one. */
  ready() {
    return this.#refresher?.client(this.abandoned).then((client) => {
      this.#client = client;
    });
  }

  open() {
    this.#trace = traceOf(() => ({ baseURL: this.#baseURL, ...pathOf(JSON.parse(this.#feed ?? "").subject) }));
    const reader = native.openFeed(/** @type {Client} */ (this.#client), mailbox(), this.#feed ?? "");
    if (typeof reader === "string") throw fromNative(reader);
    this.#feed = undefined;
    return reader;
  }

  /** The subscription is closed. @param {unknown} [error] its failure */
  over(error) {
    this.#trace?.end({ error: /** @type {import("../calls/tracing.js").Failure} */ (error) });
  }

  /**
   * The run of a row. The packets of a finished one are dropped: hardly a row follows (defect 10).
   *
   * @param {WireRun} row
   */
  decode(row) {
    const run = toRun(row, this.#packets);
    if (!row.isFinished) return run;
    if (!(run instanceof Promise)) {
      this.#packets.forget(row.id);
      return run;
    }
    return run.finally(() => this.#packets.forget(row.id));
  }

  /** Keeps the packets of a row that is not given out: later rows refer to them. @param {WireRun} row */
  skip(row) {
    if (row.isFinished) this.#packets.forget(row.id);
    else this.#packets.note(row);
  }

  /** @type {import("../calls/packets.js").FetchPacket} */
  fetchPacket(id, field, path) {
    const fetch = (/** @type {Client} */ client) =>
      bounded(this.abandoned, (cancel) => native.fetchPacket(client, id, field, path, cancel));
    if (this.#refresher) return this.#refresher.authorized(fetch, () => this.abandoned);
    return fetch(/** @type {Client} */ (this.#client));
  }

  /** Opens the streams of its runs. Loaded with the first: it costs as much as all else here. */
  streams() {
    return require("../streams/with-streams.js").streamOpener(
      { client: this.#client, refresher: this.#refresher, baseURL: this.#baseURL },
      this.#options,
    );
  }

  /** @param {import("../native/addon.js").Notice} notice */
  notify(notice) {
    if (notice.type === "retry") this.#options.onRetry?.(notice.retry);
    else this.#options.onStateChange?.(notice.state);
  }

  /** Reports a row or a stream that is left out (defect 16). @param {Error} error @param {string | null} key */
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

  /** Makes another token; rejects once it is abandoned. */
  renew() {
    return this.#refresher?.renew(this.abandoned);
  }

  /** Adds the cause of a refused token to its error. @param {unknown} error */
  explain(error) {
    this.#refresher?.explain(error);
  }
}

/**
 * The path of a feed, as in `src/bridge/feed.rs`.
 *
 * @param {Subject} subject
 * @returns {{ path: string, ids?: [what: string, id: string][], query?: URLSearchParams }}
 */
function pathOf(subject) {
  if (subject.of === "tags") {
    return { path: "/realtime/v1/runs", query: new URLSearchParams({ tags: subject.tags.join(",") }) };
  }
  const { of, id } = subject;
  return { path: of === "run" ? "/realtime/v1/runs/{}" : "/realtime/v1/batches/{}", ids: [[`${of} id`, id]] };
}

/**
 * Tags, one by one. The server splits them at commas, as the official SDK lets it.
 * @param {string} call
 * @param {unknown} given
 * @returns {string[]}
 */
function tagsOf(call, given) {
  /** @type {(why: string) => never} */
  const refuse = (why) => {
    throw new ArgumentError("ERR_INVALID_TAG", `${call}(): ${why}`);
  };
  const list = Array.isArray(given) ? Array.from(given) : [given];
  if (list.length === 0) refuse("no tag: pass the tag or tags that the runs must have");
  return list.flatMap((tag) => {
    if (typeof tag !== "string") return refuse(`a tag must be a string, not ${tag === null ? "null" : typeof tag}`);
    if (!tag.isWellFormed()) refuse("a tag holds an unpaired surrogate");
    const tags = tag.split(",");
    // A blank tag would ask for every run.
    if (tags.some((each) => each.trim() === "")) refuse("a tag is blank");
    return tags;
  });
}

module.exports = { subscribeToRun, subscribeToRunsWithTag, subscribeToBatch };
