"use strict";

/** The filters of lists, as query parameters of the server (docs/server-protocol.md 6). */

const { ArgumentError } = require("../errors/errors.js");

/**
 * @typedef {Record<string, unknown> & { limit?: number, after?: string, before?: string }} Filters as a user wrote them
 */

/** @param {Filters | null | undefined} filters */
function runFilters(filters) {
  const query = new URLSearchParams();
  if (!filters) return query;
  for (const name of ["status", "taskIdentifier", "version", "bulkAction", "tag", "schedule"]) {
    put(query, `filter[${name}]`, filters[name]);
  }
  if (typeof filters.isTest === "boolean") query.append("filter[isTest]", String(filters.isTest));
  between(query, filters);
  put(query, "filter[batch]", filters.batch);
  if (filters.queue) put(query, "filter[queue]", [filters.queue].flat().map(queueName));
  put(query, "filter[machine]", filters.machine);
  put(query, "filter[region]", filters.region);
  return query;
}

/** @param {Filters | null | undefined} filters */
function tokenFilters(filters) {
  const query = new URLSearchParams();
  if (!filters) return query;
  put(query, "filter[status]", filters.status);
  put(query, "filter[idempotencyKey]", filters.idempotencyKey);
  put(query, "filter[tags]", filters.tags);
  put(query, "filter[createdAt][period]", filters.period);
  put(query, "filter[createdAt][from]", moment(filters.from));
  put(query, "filter[createdAt][to]", moment(filters.to));
  return query;
}

/** @param {URLSearchParams} query @param {Filters} filters */
function between(query, { from, to, period }) {
  put(query, "filter[createdAt][from]", moment(from));
  put(query, "filter[createdAt][to]", moment(to));
  put(query, "filter[createdAt][period]", period);
}

/**
 * Adds a parameter, unless its value is missing or empty.
 *
 * @param {URLSearchParams} query
 * @param {string} name
 * @param {unknown} value
 */
function put(query, name, value) {
  if (!value) return;
  query.append(name, Array.isArray(value) ? value.join(",") : String(value));
}

/** A Date as Unix milliseconds. @param {unknown} at */
function moment(at) {
  if (!(at instanceof Date)) return at;
  if (Number.isNaN(at.getTime())) {
    throw new ArgumentError("ERR_INVALID_OPTIONS", "from and to must be valid Dates or Unix milliseconds");
  }
  return at.getTime();
}

/** @param {unknown} given */
function queueName(given) {
  const queue = /** @type {{ type?: unknown, name?: unknown } | null | undefined} */ (given);
  if (typeof queue?.name !== "string") {
    throw new ArgumentError(
      "ERR_INVALID_OPTIONS",
      'queue must be such as { type: "task", name: "my-task" } or { type: "custom", name: "my-queue" }',
    );
  }
  return queue.type === "task" ? `task/${queue.name}` : queue.name;
}

module.exports = { runFilters, tokenFilters };
