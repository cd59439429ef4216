"use strict";

/**
 * Anything that yields, as a `Response` of server-sent events (docs/feeds.md).
 *
 * Nothing is read ahead of the client: a client that stops reading stops the source. Heartbeats
 * keep proxies from closing a silent response, and the source is closed when the client leaves.
 */

const { ArgumentError } = require("../errors/errors.js");
const { flag, milliseconds, takeOptions } = require("../config/options.js");
const { HEARTBEAT_MS } = require("../config/quiet.js");

/**
 * @typedef {object} ResponseOptions
 * @property {HeadersInit} [headers] added to ours, and over them
 * @property {number} [heartbeatInMs] a comment after this much silence, in milliseconds; default 15,000, in Bun 7,000
 * @property {number} [retryInMs] how long a browser waits before it comes back, in milliseconds; default: its own
 * @property {boolean} [superjson] values as superjson, which keeps dates, maps, sets and bigints; default plain JSON
 * @property {{ setTimeout: Function, clearTimeout: Function }} [timer] default: the process's own
 *
 * How the parts of a source become events.
 * @typedef {object} Format
 * @property {(part: any) => string | undefined} [event] the event's name; none: the browser's "message"
 * @property {(part: any) => string | undefined} [id] up to where everything was sent; asked once after each part
 * @property {(part: any) => unknown} [value] what is sent of it
 * @property {(part: any) => string | undefined} [subject] the id of what could not be written; default the part's own
 * @property {(part: any, length: number) => void} [sent] a part goes out, as so many characters
 * @property {(lastEventId: string) => boolean} [owns] whether a last id is one of this source's; default: any is
 * @property {(lastEventId: string) => void} [resume] called before the first part is read
 * @property {() => { event: string, data: unknown } | undefined} [opening] what is said before the first part
 * @property {() => boolean} [isOver] after the last part: whether nothing more can come; default it is so
 * @property {() => { id?: string, data?: unknown }} [end] the last event's id, before its mark, and data
 */

/** What proxies need to pass each event on at once, and nobody to keep it. */
const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

/** At the end of an id: nothing follows, so that a browser that comes back is told to stay away. */
const FINAL = ";end";

/**
 * @param {any} source an async iterator, or what makes one; closed with `return()` when the client leaves
 * @param {any} [request] a web `Request`: its `Last-Event-ID` is resumed from, its signal ends the response
 * @param {ResponseOptions} [options]
 * @param {Format} [format]
 * @returns {Response}
 */
function toResponse(source, request, options, format = {}) {
  const { heartbeatInMs, timer, superjson, retryInMs, headers } = check(request, options);
  const lastEventId = headerOf(request, "last-event-id");
  const all = new Headers(HEADERS);
  for (const [name, value] of new Headers(headers)) all.set(name, value);
  /** @type {AsyncIterator<any>} */
  const parts = source[Symbol.asyncIterator]?.() ?? source;
  if (lastEventId?.endsWith(FINAL) && (format.owns?.(lastEventId) ?? true)) {
    leave(parts);
    all.delete("content-type");
    // The one answer after which an EventSource does not come back.
    return new Response(null, { status: 204, headers: all });
  }
  if (lastEventId) format.resume?.(lastEventId);
  const events = new Events(parts, format, { heartbeatInMs, timer, superjson, retryInMs, lastEventId });
  return new Response(events.stream(request?.signal), { headers: all });
}

class Events {
  #parts;
  #format;
  #options;
  #encoder = new TextEncoder();
  /** The next part was asked for and not sent yet. */
  #asked = false;
  /** What came of it, if it came. @type {{ step?: any, error?: unknown, failed?: boolean } | undefined} */
  #outcome;
  /** Goes on with whatever came. One at a time: a wait for a part that never comes must keep nothing of each heartbeat. */
  #wake = () => {};
  #timer;
  #id;
  #opened = false;
  #over = false;
  /** @type {() => void} */
  #unlisten = () => {};

  /**
   * @param {AsyncIterator<any>} parts
   * @param {Format} format
   * @param {any} options
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
      // Nothing is asked for before the client reads.
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

  async #pull(controller) {
    try {
      await this.#send(controller);
    } catch (error) {
      // A format or a timer that fails: nothing of it may stay behind.
      this.#stop();
      throw error;
    }
  }

  async #send(controller) {
    const send = (/** @type {string} */ text) => controller.enqueue(this.#encoder.encode(text));
    if (!this.#opened) {
      this.#opened = true;
      const { retryInMs } = this.#options;
      const opening = this.#format.opening?.();
      // The headers go out with it, before there is anything to tell.
      send(retryInMs === undefined ? ": open\n\n" : `retry: ${retryInMs}\n\n`);
      if (opening) send(event(opening.event, undefined, JSON.stringify(opening.data)));
      return;
    }
    this.#ask();
    if (this.#outcome === undefined) await this.#news();
    if (this.#over) return;
    const outcome = this.#outcome;
    if (outcome === undefined) return send(": ping\n\n");
    this.#outcome = undefined;
    this.#asked = false;
    if (outcome.failed) {
      send(event("error", undefined, JSON.stringify(describe(outcome.error))));
    } else if (outcome.step.done) {
      // Closed on this side: there is more to come, for who comes back.
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

  /** Asks for the next part, once. */
  #ask() {
    if (this.#asked) return;
    this.#asked = true;
    const came = (/** @type {any} */ outcome) => {
      this.#outcome = outcome;
      this.#wake();
    };
    this.#parts.next().then(
      (step) => came({ step }),
      (error) => came({ error, failed: true }),
    );
  }

  /** Ready when the next part came, or nothing for as long as a heartbeat. */
  async #news() {
    const { timer, heartbeatInMs } = this.#options;
    await new Promise((/** @type {(value?: any) => void} */ resolve) => {
      this.#wake = resolve;
      this.#timer = timer.setTimeout(resolve, heartbeatInMs);
      // A heartbeat alone keeps no process alive.
      this.#timer?.unref?.();
    });
    this.#wake = () => {};
    timer.clearTimeout(this.#timer);
  }

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
      // One value that cannot be written ends nothing (defect 16).
      const of = subject ? subject(part) : part?.id;
      return event("item-error", id, toJson({ id: of, ...describe(error) }));
    }
  }
}

/** One event. Its fields end at the line, whatever is in them. */
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

function plain(value) {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Map) return [...value];
  if (value instanceof Set) return [...value];
  if (value instanceof Error) return { name: value.name, message: value.message };
  if (value instanceof RegExp) return String(value);
  return value;
}

/** What a browser is told of an error: no headers, no bodies, no causes. Whatever was thrown, it can be written. */
function describe(error) {
  try {
    const { name, message, code, status } = /** @type {any} */ (error ?? {});
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

function leave(parts) {
  // A source that fails to close has no one left to tell.
  Promise.resolve(parts.return?.()).catch(() => {});
}

function headerOf(request, name) {
  const { headers } = request ?? {};
  const value = typeof headers?.get === "function" ? headers.get(name) : headers?.[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** @type {Record<string, import("../config/options.js").Check>} */
const OPTIONS = {
  heartbeatInMs: wait,
  retryInMs: wait,
  superjson: flag,
  headers: (value) => (typeof value === "object" ? undefined : "must be headers"),
  timer: (value) => (typeof value === "object" ? undefined : "must be an object"),
};

/** @type {import("../config/options.js").Check} */
function wait(value) {
  // Timers take no more.
  return value < 2 ** 31 ? milliseconds(value) : "must be a whole number of milliseconds, below 2^31";
}

function check(request, options) {
  if (request !== undefined && request !== null && typeof request !== "object") {
    throw new ArgumentError("ERR_INVALID_OPTIONS", "toResponse(): request must be a Request");
  }
  const given = takeOptions("toResponse", "the options", options, OPTIONS);
  return { heartbeatInMs: HEARTBEAT_MS, superjson: false, timer: globalThis, ...given };
}

module.exports = { toResponse };
