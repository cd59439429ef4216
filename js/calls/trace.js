"use strict";

const API = Symbol.for("opentelemetry.js.api.1");

/**
 * The trace of a request, where the app registered OpenTelemetry. Only then is `js/calls/tracing.js` loaded.
 *
 * @param {() => import("./tracing.js").Traced} asked
 */
function traceOf(asked) {
  return API in globalThis ? require("./tracing.js").begin(asked()) : undefined;
}

/**
 * Does `work`, which makes a request, in a span of its own where the app traces.
 *
 * @template T
 * @param {() => import("./tracing.js").Traced} asked
 * @param {(headers?: Record<string, string>) => Promise<T>} work gets the trace's headers
 * @returns {Promise<T>}
 */
function traced(asked, work) {
  const trace = traceOf(asked);
  return trace === undefined ? work() : trace.of(work);
}

module.exports = { traceOf, traced };
