"use strict";

const API = Symbol.for("opentelemetry.js.api.1");

/**
 * The trace of a request, where the app registered OpenTelemetry. Only then is `js/calls/tracing.js` loaded.
 *
 * @param {() => import("./tracing.js").Traced} request
 */
function traceOf(request) {
  return API in globalThis ? require("./tracing.js").begin(request()) : undefined;
}

/**
 * Does `work`, which makes a request, in a span of its own where the app traces.
 *
 * @template T
 * @param {() => import("./tracing.js").Traced} request
 * @param {(headers?: Record<string, string>) => Promise<T>} work gets the trace's headers
 * @returns {Promise<T>}
 */
function traced(request, work) {
  const trace = traceOf(request);
  return trace === undefined ? work() : trace.of(work);
}

module.exports = { traceOf, traced };
