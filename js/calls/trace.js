"use strict";

const API = Symbol.for("opentelemetry.js.api.1");

/**
 * The trace of what is asked now, where an app registered OpenTelemetry; the rest is loaded then (`js/calls/tracing.js`).
 *
 * @param {() => import("./tracing.js").Traced} asked
 */
function traceOf(asked) {
  return API in globalThis ? require("./tracing.js").begin(asked()) : undefined;
}

/**
 * Does `work`, which makes a request, as a span of its own where an app traces.
 *
 * @template T
 * @param {() => import("./tracing.js").Traced} asked
 * @param {(headers?: Record<string, string>) => Promise<T>} work gets what goes along with the request
 * @returns {Promise<T>}
 */
function traced(asked, work) {
  const trace = traceOf(asked);
  return trace === undefined ? work() : trace.of(work);
}

module.exports = { traceOf, traced };
