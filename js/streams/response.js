"use strict";

/**
 * An async iterator as a `Response` of server-sent events (docs/feeds.md).
 *
 * Nothing is read ahead of the client: a client that stops reading stops the source. Heartbeats keep proxies from
 * closing a silent response. The source is closed when the client leaves.
 */

const { signalOf } = require("../async/aborts.js");
const { ArgumentError } = require("../errors/errors.js");
const { flag, milliseconds, takeOptions } = require("../config/options.js");
const { HEARTBEAT_MS } = require("../config/heartbeat.js");

/**
 * @typedef {object} ResponseOptions
 * @property {HeadersInit} [headers] added to ours, and over them
 * @property {number} [heartbeatInMs] a comment after this much silence, in milliseconds; default 15,000, in Bun 7,000
 * @property {number} [retryInMs] how long a browser waits before it comes back, in milliseconds; default: its own
 * @property {boolean} [superjson] values as superjson, which keeps dates, maps, sets and bigints; default plain JSON
 * @property {Timer} [timer] default: the process's own
 *
 * @typedef {object} Timer
 * @property {(work: () => void, ms: number) => any} setTimeout `any`: whatever handle the timer has
 * @property {(timeout: any) => void} clearTimeout likewise
 *
 * As much of a web `Request`, or of Node's, as is needed.
 * @typedef {object} EventsRequest
 * @property {{ get?: unknown, [name: string]: unknown } | Headers} [headers]
 * @property {AbortSignal} [signal]
 */

/**
 * How the parts of a source become events.
 *
 * @template Part
 * @typedef {object} Format
 * @property {(part: Part) => string | undefined} [event] the event's name; none: the browser's "message"
 * @property {(part: Part) => string | undefined} [id] up to where everything was sent; called once after each part
 * @property {(part: Part) => unknown} [value] what is sent of it; default the part
 * @property {(part: Part) => string | undefined} [subject] the id of a part that cannot be written; default the part's own
 * @property {(part: Part, length: number) => void} [sent] called with each part that is sent, and its length in characters
 * @property {(lastEventId: string) => boolean} [owns] whether a last id is one of this source's; default: any is
 * @property {(lastEventId: string) => void} [resume] called before the first part is read
 * @property {() => { event: string, data: unknown } | undefined} [opening] an event before the first part
 * @property {() => boolean} [isOver] called after the last part: whether nothing more can come; default true
 * @property {() => { id?: string, data?: unknown }} [end] the last event's id, without the mark, and data
 */

/** Headers with which proxies pass each event on at once, and caches keep none. */
const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

/** The mark at the end of the last event's id. A browser that reconnects with it gets 204, and stays away. */
const FINAL = ";end";

/**
 * @template Part
 * @param {AsyncIterator<Part> | AsyncIterable<Part>} source closed with `return()` when the client leaves
 * @param {EventsRequest | null} [request] a web `Request`: its `Last-Event-ID` is resumed from, its signal ends the response
 * @param {ResponseOptions} [options]
 * @param {Format<Part>} [format]
 * @returns {Response}
 */
function toResponse(source, request, options, format = {}) {
  const { heartbeatInMs, timer, superjson, retryInMs, headers } = check(request, options);
  const lastEventId = headerOf(request, "last-event-id");
  const all = new Headers(HEADERS);
  for (const [name, value] of new Headers(headers)) all.set(name, value);
  const { [Symbol.asyncIterator]: open } = /** @type {Partial<AsyncIterable<Part>>} */ (source);
  const parts = open?.call(source) ?? /** @type {AsyncIterator<Part>} */ (source);
  if (lastEventId?.endsWith(FINAL) && (format.owns?.(lastEventId) ?? true)) {
    leave(parts);
    all.delete("content-type");
    // The one answer after which an EventSource does not come back.
    return new Response(null, { status: 204, headers: all });
  }
  if (lastEventId) format.resume?.(lastEventId);
  const events = new Events(parts, format, { heartbeatInMs, timer, superjson, retryInMs, lastEventId });
  return new Response(events.stream(signalOf(request)), { headers: all });
}

/**
 * @typedef {{ heartbeatInMs: number, timer: Timer, superjson: boolean, retryInMs?: number, lastEventId?: string }} EventOptions
 */

/**
 * A part that was read, the end, or a failure.
 *
 * @template Part
 * @typedef {{ step: IteratorResult<Part>, failed?: false } | { error: unknown, failed: true }} Outcome
 */

/** @template Part */
class Events {
  #parts;
  #format;
  #options;
  #encoder = new TextEncoder();
  /** The next part is being read, and was not sent yet. */
  #asked = false;
  /** @type {Outcome<Part> | undefined} */
  #outcome;
  /**
   * Ends the wait for a part or a heartbeat. There is one at a time: a source that is silent for long must not collect
   * one per heartbeat.
   */
  #wake = () => {};
  /** `any`: a handle of the user's timer. @type {any} */
  #timer;
  /** @type {string | undefined} */
  #id;
  #opened = false;
  #over = false;
  /** @type {() => void} */
  #unlisten = () => {};

  /**
   * @param {AsyncIterator<Part>} parts
   * @param {Format<Part>} format
   * @param {EventOptions} options
   */
  constructor(parts, format, options) {
    this.#parts = parts;
    this.#format = format;
    this.#options = options;
    this.#id = options.lastEventId;
  }

  /** @param {AbortSignal} [signal] */
  stream(signal) {
    return new ReadableStream(
      {
        start: (controller) => {
          const abort = () => {
            if (this.#over) return;
            this.#stop();
            controller.close();
          };
          if (signal?.aborted) return abort();
          signal?.addEventListener("abort", abort, { once: true });
          this.#unlisten = () => signal?.removeEventListener("abort", abort);
        },
        pull: (controller) => this.#pull(controller),
        cancel: () => this.#stop(),
      },
      // Nothing is read before the client reads.
      { highWaterMark: 0 },
    );
  }

  #stop() {
    if (this.#over) return;
    this.#finish();
    leave(this.#parts);
  }

  #finish() {
    this.#over = true;
    this.#options.timer.clearTimeout(this.#timer);
    this.#unlisten();
    this.#wake();
  }

  /** @param {ReadableStreamDefaultController<Uint8Array>} controller */
  async #pull(controller) {
    try {
      await this.#send(controller);
    } catch (error) {
      // A format or a timer failed: the source must not stay open.
      this.#stop();
      throw error;
    }
  }

  /** @param {ReadableStreamDefaultController<Uint8Array>} controller */
  async #send(controller) {
    const send = (/** @type {string} */ text) => controller.enqueue(this.#encoder.encode(text));
    if (!this.#opened) {
      this.#opened = true;
      const { retryInMs } = this.#options;
      const opening = this.#format.opening?.();
      // The first line sends the headers, before there is an event.
      send(retryInMs === undefined ? ": open\n\n" : `retry: ${retryInMs}\n\n`);
      if (opening) send(event(opening.event, undefined, JSON.stringify(opening.data)));
      return;
    }
    this.#ask();
    if (this.#outcome === undefined) await this.#outcomeOrHeartbeat();
    if (this.#over) return;
    const outcome = this.#outcome;
    if (outcome === undefined) return send(": ping\n\n");
    this.#outcome = undefined;
    this.#asked = false;
    if (outcome.failed) {
      send(event("error", undefined, JSON.stringify(describe(outcome.error))));
    } else if (outcome.step.done) {
      // Closed on this side, unless it is over: then a browser that reconnects gets the rest.
      if (this.#format.isOver?.() ?? true) {
        const { id = this.#id ?? "", data = {} } = this.#format.end?.() ?? {};
        send(event("end", `${id}${FINAL}`, JSON.stringify(data)));
      }
    } else {
      const text = this.#text(outcome.step.value);
      if (!this.#over) send(text);
      return;
    }
    this.#finish();
    controller.close();
  }

  /** Reads the next part, once. */
  #ask() {
    if (this.#asked) return;
    this.#asked = true;
    const came = (/** @type {Outcome<Part>} */ outcome) => {
      this.#outcome = outcome;
      this.#wake();
    };
    this.#parts.next().then(
      (step) => came({ step }),
      (error) => came({ error, failed: true }),
    );
  }

  /** Resolves when the next part came, or at the next heartbeat. */
  async #outcomeOrHeartbeat() {
    const { timer, heartbeatInMs } = this.#options;
    await new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      this.#wake = resolve;
      this.#timer = timer.setTimeout(resolve, heartbeatInMs);
      // A heartbeat alone keeps no process alive.
      this.#timer?.unref?.();
    });
    this.#wake = () => {};
    timer.clearTimeout(this.#timer);
  }

  /** @param {Part} part */
  #text(part) {
    const { event: name, value, subject } = this.#format;
    const id = this.#format.id?.(part);
    this.#id = id ?? this.#id;
    try {
      const sent = value ? value(part) : part;
      const data = this.#options.superjson ? require("../calls/superjson.js").SuperJSON.stringify(sent) : toJson(sent);
      this.#format.sent?.(part, data.length);
      return event(name?.(part), id, data);
    } catch (error) {
      // A value that cannot be written costs itself only (defect 16).
      const of = subject ? subject(part) : /** @type {{ id?: unknown } | null | undefined} */ (part)?.id;
      return event("item-error", id, toJson({ id: of, ...describe(error) }));
    }
  }
}

/**
 * One event. Line breaks in its fields are replaced.
 *
 * @param {string | undefined} name
 * @param {string | undefined} id
 * @param {string} data
 */
function event(name, id, data) {
  const line = (/** @type {unknown} */ text) => String(text).replace(/[\r\n\0]/g, " ");
  let text = id === undefined ? "" : `id: ${line(id)}\n`;
  if (name !== undefined) text += `event: ${line(name)}\n`;
  for (const each of String(data).split(/\r\n|\r|\n/)) text += `data: ${each}\n`;
  return `${text}\n`;
}

/**
 * Plain JSON: dates as ISO text, bigints as text, maps as lists of pairs, sets as lists, errors as
 * `{ name, message }`, regular expressions as text.
 *
 * @param {unknown} value
 */
function toJson(value) {
  return JSON.stringify(value, (_, each) => plain(each)) ?? "null";
}

/** @param {unknown} value */
function plain(value) {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Map) return [...value];
  if (value instanceof Set) return [...value];
  if (value instanceof Error) return { name: value.name, message: value.message };
  if (value instanceof RegExp) return String(value);
  return value;
}

/**
 * The part of an error that is sent to a browser: no headers, no bodies, no causes.
 *
 * @param {unknown} error whatever was thrown
 */
function describe(error) {
  try {
    const { name, message, code, status } = /** @type {Record<string, unknown>} */ (error ?? {});
    return {
      name: typeof name === "string" ? name : "Error",
      message: String(message ?? error),
      code: typeof code === "number" ? code : code && String(code),
      status: typeof status === "number" ? status : undefined,
    };
  } catch {
    return { name: "Error", message: "an error that cannot be described" };
  }
}

/** @param {AsyncIterator<unknown>} parts */
function leave(parts) {
  // Ignored where it fails: the client has left.
  Promise.resolve(parts.return?.()).catch(() => {});
}

/** @param {EventsRequest | null | undefined} request @param {string} name */
function headerOf(request, name) {
  const headers = /** @type {Record<string, unknown> | undefined} */ (request?.headers);
  const value = typeof headers?.get === "function" ? headers.get(name) : headers?.[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/**
 * @template [T=unknown]
 * @typedef {import("../config/options.js").Check<T>} Check
 */

/** @type {Check<HeadersInit>} */
const someHeaders = (value) => (typeof value === "object" ? undefined : "must be headers");
/** @type {Check<Timer>} */
const someTimer = (value) => (typeof value === "object" ? undefined : "must be an object");

const OPTIONS = {
  heartbeatInMs: /** @type {Check<number>} */ (wait),
  retryInMs: /** @type {Check<number>} */ (wait),
  superjson: flag,
  headers: someHeaders,
  timer: someTimer,
};

/** @param {number} value @returns {string | undefined} */
function wait(value) {
  // Timers take no more.
  return value < 2 ** 31 ? milliseconds(value) : "must be a whole number of milliseconds, below 2^31";
}

/** @param {unknown} request @param {unknown} options */
function check(request, options) {
  if (request !== undefined && request !== null && typeof request !== "object") {
    throw new ArgumentError("ERR_INVALID_OPTIONS", "toResponse(): request must be a Request");
  }
  const given = takeOptions("toResponse", "the options", options, OPTIONS);
  return { heartbeatInMs: HEARTBEAT_MS, superjson: false, timer: globalThis, ...given };
}

module.exports = { toResponse };
