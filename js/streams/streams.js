"use strict";

/** The realtime streams of runs, read from a server route (docs/server-protocol.md 5). */

const { Call } = require("../calls/call.js");
const { clientOf } = require("../config/client.js");
const { refresherOf, resolve } = require("../config/config.js");
const { ArgumentError, TriggerNativeError } = require("../errors/errors.js");
const { idOf } = require("../config/id.js");
const { WATCH, takeOptions } = require("../config/options.js");
const { RealtimeStream } = require("./realtime-stream.js");
const { streamSource } = require("./source.js");

/** The key of a stream that was given none, as in the official SDK. */
const DEFAULT_KEY = "default";
/** How long a read waits for the next value, in seconds. The default of the official SDK. */
const DEFAULT_TIMEOUT = 60;

/**
 * @template [T=unknown]
 * @typedef {import("../config/options.js").Check<T>} Check
 */

/** @type {Check<number>} */
const timeoutInSeconds = (value) =>
  Number.isInteger(value) && value >= 1 && value <= 600 ? undefined : "must be a whole number of seconds from 1 to 600";
/** @type {Check<number>} */
const startIndex = (value) => (Number.isSafeInteger(value) && value >= 0 ? undefined : "must be a whole number from 0");
/** @type {Check<"beginning" | "latest">} */
const from = (value) => (value === "beginning" || value === "latest" ? undefined : 'must be "beginning" or "latest"');
const READ_OPTIONS = { timeoutInSeconds, startIndex, from, ...WATCH };

/** @typedef {import("./realtime-stream.js").Stream<unknown>} Chunks */

/**
 * Reads a stream of a run: `read(runId, options?)` or `read(runId, key, options?)`. It ends when nothing was written
 * for `timeoutInSeconds`.
 *
 * @param {string | { id: string }} run
 * @param {string | object} [keyOrOptions]
 * @param {object} [options]
 * @returns {Promise<Chunks>}
 */
async function read(run, keyOrOptions, options) {
  const call = "streams.read";
  const named = typeof keyOrOptions === "string";
  const given = readOptions(call, named ? options : (keyOrOptions ?? options));
  return open(call, run, named ? keyOrOptions : DEFAULT_KEY, { timeoutInSeconds: DEFAULT_TIMEOUT, ...given });
}

/**
 * As {@link read}, with the server's own timeout instead of ours.
 *
 * @param {string | { id: string }} run
 * @param {string} key
 * @param {object} [options]
 * @returns {Promise<Chunks>}
 */
async function fetchStream(run, key, options) {
  return open("runs.fetchStream", run, key, readOptions("runs.fetchStream", options));
}

/**
 * The options of a read that are there.
 *
 * @param {string} call for the message
 * @param {unknown} options
 */
function readOptions(call, options) {
  return takeOptions(call, "the options", options, READ_OPTIONS);
}

/**
 * @param {string} call for the message
 * @param {unknown} run
 * @param {string} key
 * @param {ReturnType<typeof readOptions>} options
 * @returns {Chunks}
 */
function open(call, run, key, options) {
  const { signal, timeoutInSeconds, startIndex, from, retry, silenceTimeoutMs, onRetry, onStateChange } = options;
  const latest = from === "latest" && startIndex === undefined;
  const notify = (/** @type {import("../native/addon.js").Notice} */ notice) => {
    if (notice.type === "retry") onRetry?.(notice.retry);
    else onStateChange?.(notice.state);
  };
  const resolved = resolve();
  const refresher = refresherOf(resolved);
  const source = streamSource(
    { baseURL: resolved.baseURL, ...(refresher ? { refresher } : { client: clientOf(resolved) }) },
    idOf(call, "run", run),
    key,
    { timeoutInSeconds, after: startIndex ? startIndex - 1 : undefined, latest, retry, silenceTimeoutMs },
    { signal, notify: onRetry || onStateChange ? notify : undefined },
  );
  // "Appended after connecting" begins now, not at the first read.
  if (latest) source.start();
  return new RealtimeStream(source);
}

/**
 * A stream by its id. Reading works here; writing works in tasks, with the official SDK.
 *
 * @param {{ id: string }} options
 */
function define(options) {
  const id = definedId("streams.define", options);
  return {
    id,
    read: (/** @type {string | { id: string }} */ run, /** @type {object} */ readOptions) => read(run, id, readOptions),
    pipe: taskOnly("stream.pipe()"),
    append: taskOnly("stream.append()"),
    writer: taskOnly("stream.writer()"),
  };
}

/**
 * An input stream by its id. Sending works here; receiving works in tasks, with the official SDK.
 *
 * @param {{ id: string }} options
 */
function input(options) {
  const id = definedId("streams.input", options);
  return {
    id,
    send: (
      /** @type {string | { id: string }} */ run,
      /** @type {unknown} */ data,
      /** @type {Parameters<typeof send>[3]} */ bounds,
    ) => send(id, run, data, bounds),
    on: taskOnly("input.on()"),
    once: taskOnly("input.once()"),
    peek: taskOnly("input.peek()"),
    wait: taskOnly("input.wait()"),
    waitWithIdleTimeout: taskOnly("input.waitWithIdleTimeout()"),
  };
}

/**
 * @param {string} streamId
 * @param {string | { id: string }} run
 * @param {unknown} data any JSON value
 * @param {{ signal?: AbortSignal, timeoutInMs?: number, requestOptions?: object }} [options] the bounds win over those
 *   of `requestOptions`
 * @returns {Promise<void>}
 */
async function send(streamId, run, data, options) {
  const { requestOptions, ...own } = options ?? {};
  const given = Object.entries(own).filter(([, value]) => value !== undefined && value !== null);
  const call = new Call("input.send", { ...requestOptions, ...Object.fromEntries(given) });
  const ids = /** @type {[string, string][]} */ ([
    ["run id", idOf(call.name, "run", run)],
    ["input stream id", streamId],
  ]);
  await call.request({ method: "POST", path: "/realtime/v1/streams/{}/input/{text}", ids, body: { data } });
}

/** A method of the SDK that works inside a task only: it throws, with the fix. */
function taskOnly(/** @type {string} */ name) {
  return () => {
    throw new TriggerNativeError(
      "ERR_TASK_ONLY",
      `${name} works inside a task only: import streams from "@trigger.dev/sdk" there`,
    );
  };
}

/** @param {string} call @param {{ id?: unknown } | null | undefined} options */
function definedId(call, options) {
  const id = options?.id;
  if (typeof id !== "string" || id.trim() === "") {
    throw new ArgumentError("ERR_INVALID_ID", `${call}() needs the id of the stream, such as { id: "ai" }`);
  }
  if (!id.isWellFormed()) {
    throw new ArgumentError("ERR_INVALID_ID", `${call}(): the id of the stream holds an unpaired surrogate`);
  }
  return id;
}

module.exports = { read, define, input, fetchStream };
