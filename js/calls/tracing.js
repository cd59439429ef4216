"use strict";

/**
 * Trace context and spans, by the providers that an app registered with OpenTelemetry's API package. All copies of that
 * package keep them under one name of the global object, so nothing is loaded or configured here. This file is loaded
 * where there are some.
 *
 * Names and attributes are those of the semantic conventions for HTTP clients. No header, body or token is among them.
 */

const { attempt } = require("../async/attempt.js");
const { withoutSecrets } = require("../errors/hidden.js");
const native = require("../native/native.js");

const API = Symbol.for("opentelemetry.js.api.1");
/** The key of the span in a context. */
const SPAN = Symbol.for("OpenTelemetry Context Key SPAN");
/** The kind of a client's span, and the status of one that failed. */
const CLIENT = 2;
const FAILED = 2;

/**
 * @typedef {object} Traced a request to a server
 * @property {string} baseURL
 * @property {string} [method] default `GET`
 * @property {string} path each `{}`, `{task}` and `{text}` is filled with an id
 * @property {[what: string, id: string][]} [ids]
 * @property {{ toString(): string }} [query]
 */

/**
 * As much of OpenTelemetry's API as is used.
 *
 * @typedef {{ setValue(key: symbol, value: unknown): TraceContext }} TraceContext
 * @typedef {{ setAttribute(name: string, value: string | number): void, setStatus(status: { code: number, message?: string }): void, end(): void }} Span
 * @typedef {{ startSpan(name: string, options: object, context: TraceContext): Span }} Tracer
 * @typedef {object} Api
 * @property {{ active(): TraceContext }} [context]
 * @property {{ getTracer(name: string, version: string): Tracer }} [trace]
 * @property {{ inject(context: TraceContext, carrier: Record<string, string>, setter: object): void }} [propagation]
 *
 * A failure of a request: a thrown value, or an error that was read.
 * @typedef {{ status?: unknown, code?: unknown, name?: unknown, message?: string } | null | undefined} Failure
 */

/** The context of a process without a context manager. */
class Context {
  #entries;

  /** @param {Map<symbol, unknown>} [entries] */
  constructor(entries = new Map()) {
    this.#entries = entries;
  }

  getValue(/** @type {symbol} */ key) {
    return this.#entries.get(key);
  }

  setValue(/** @type {symbol} */ key, /** @type {unknown} */ value) {
    return new Context(new Map(this.#entries).set(key, value));
  }

  deleteValue(/** @type {symbol} */ key) {
    const entries = new Map(this.#entries);
    entries.delete(key);
    return new Context(entries);
  }
}

const setter = {
  set(/** @type {Record<string, string>} */ carrier, /** @type {string} */ name, /** @type {unknown} */ value) {
    const text = String(value);
    // A header cannot carry an unpaired surrogate, nor native code read one.
    if (name.isWellFormed() && text.isWellFormed()) carrier[name] = text;
  },
};

/** One request, or one subscription, and its span. What a tracer throws is ignored. */
class Trace {
  /** @type {Span | undefined} */
  #span;
  /** The headers to send with the request. @type {Record<string, string>} */
  headers = {};

  /** @param {Api} api @param {Traced} request */
  constructor(api, request) {
    attempt(() => {
      let context = api.context?.active() ?? new Context();
      const tracer = api.trace?.getTracer("trigger-native", native.VERSION);
      if (tracer) {
        const { name, attributes } = describe(request);
        this.#span = tracer.startSpan(name, { kind: CLIENT, attributes }, context);
        context = context.setValue(SPAN, this.#span);
      }
      api.propagation?.inject(context, this.headers, setter);
    });
  }

  /**
   * Traces a request that `work` makes.
   *
   * @template T
   * @param {(headers: Record<string, string>) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async of(work) {
    try {
      const done = await work(this.headers);
      const { status, error } = /** @type {{ status?: number, error?: Failure }} */ (done ?? {});
      this.end({ status, error });
      return done;
    } catch (error) {
      this.end({ error: /** @type {Failure} */ (error) });
      throw error;
    }
  }

  /** The request is over. @param {{ status?: number, error?: Failure }} outcome */
  end({ status, error }) {
    const span = this.#span;
    this.#span = undefined;
    if (span === undefined) return;
    attempt(() => {
      const answered = status ?? (Number.isInteger(error?.status) ? /** @type {number} */ (error?.status) : undefined);
      if (answered !== undefined) span.setAttribute("http.response.status_code", answered);
      if (error !== undefined) {
        span.setAttribute("error.type", String(answered ?? error?.code ?? error?.name ?? "_OTHER"));
        span.setStatus({ code: FAILED, message: error?.message });
      }
    });
    attempt(() => span.end());
  }
}

/** @param {Traced} request */
function describe({ baseURL, method = "GET", path, ids = [], query }) {
  const url = new URL(baseURL);
  if (url.username || url.password) {
    url.username = "REDACTED";
    url.password = "REDACTED";
  }
  const base = url.href.replace(/\/$/, "");
  const fill = (/** @type {(what: string, id: string) => string} */ text) => {
    let at = 0;
    return path.replace(/\{\w*\}/g, () => text(...ids[at++]));
  };
  // "task" names a thing with an id, "run id" the id itself.
  const named = (/** @type {string} */ what) => (what.includes(" ") ? what : `${what} id`);
  const template = fill((what) => `{${named(what).replace(/ (\w)/g, (_, letter) => letter.toUpperCase())}}`);
  const search = query?.toString();
  const attributes = {
    "http.request.method": method,
    "server.address": url.hostname,
    "server.port": Number(url.port) || (url.protocol === "http:" ? 80 : 443),
    "url.full": base + withoutSecrets(fill((_, id) => encodeURIComponent(id)) + (search ? `?${search}` : "")),
    "url.template": (url.pathname === "/" ? "" : url.pathname.replace(/\/$/, "")) + template,
  };
  return { name: `${method} ${template}`, attributes };
}

/**
 * The trace of a request; `undefined` where nothing was registered.
 *
 * @param {Traced} request
 */
function begin(request) {
  const api = /** @type {Record<symbol, Api | undefined>} */ (/** @type {unknown} */ (globalThis))[API];
  return api === undefined ? undefined : new Trace(api, request);
}

module.exports = { begin };
