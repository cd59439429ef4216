"use strict";

/** Calls about runs. Each takes an id or a handle. */

const { object, text } = require("../calls/schema.js");
const { ApiPromise } = require("../calls/api-promise.js");
const { Call } = require("../calls/call.js");
const { ArgumentError, TimeoutError } = require("../errors/errors.js");
const { runFilters } = require("../calls/filters.js");
const hints = require("../calls/hints.js");
const { idOf } = require("../config/id.js");
const { looksLikeCallOptions } = require("../config/request-options.js");
const { describe, isPlain } = require("../config/scopes.js");
const { fetchPages } = require("../calls/page.js");
const { fetchPresigned, toPacket } = require("../calls/payload.js");
const { listedRun, run } = require("./schemas.js");

/** The options of a replay. */
const REPLAY = new Set([
  "payload",
  "payloadType",
  "metadata",
  "tags",
  "queue",
  "concurrencyKey",
  "machine",
  "version",
  "region",
  "delay",
  "ttl",
  "idempotencyKey",
  "idempotencyKeyTTL",
  "maxAttempts",
  "maxDuration",
  "priority",
]);

/** The final statuses (docs/server-protocol.md 4). */
const ENDED = new Set(["COMPLETED", "CANCELED", "FAILED", "CRASHED", "SYSTEM_FAILURE", "EXPIRED", "TIMED_OUT"]);

/** The most requests of `poll`, as in the SDK. */
const MAX_POLLS = 500;

const made = object({ id: text });

/**
 * A run as it is now. A stored payload or output is fetched with it.
 *
 * @param {string | { id: string }} runId
 * @param {object} [requestOptions]
 */
function retrieve(runId, requestOptions) {
  return new ApiPromise(
    (async () => {
      const call = new Call("runs.retrieve", requestOptions);
      const id = idOf(call.name, "run", runId);
      hints.retrieved(id);
      return retrieveWith(call, id);
    })(),
  );
}

/** @param {import("../calls/call.js").OneCall} call @param {string} id */
async function retrieveWith(call, id) {
  const answer = await call.request({ path: "/api/v3/runs/{}", ids: [["run id", id]] });
  const data = call.read(answer, run);
  const { payloadPresignedUrl, outputPresignedUrl } = data;
  await Promise.all([
    payloadPresignedUrl && fetchPresigned(call, payloadPresignedUrl).then((value) => (data.payload = value)),
    outputPresignedUrl && fetchPresigned(call, outputPresignedUrl).then((value) => (data.output = value)),
  ]);
  return { data, answer };
}

/**
 * The runs of the environment, or of a project, newest first. The promise and its pages go through
 * all that follow.
 *
 * @param {object | string} [filtersOrProject]
 * @param {object} [filtersOrOptions]
 * @param {object} [requestOptions]
 */
function list(filtersOrProject, filtersOrOptions, requestOptions) {
  const project = typeof filtersOrProject === "string" ? filtersOrProject : undefined;
  const second = looksLikeCallOptions(filtersOrOptions) ? { options: filtersOrOptions } : { filters: filtersOrOptions };
  // Beside filters the second argument can be nothing but options.
  const options = second.options ?? requestOptions ?? (project === undefined ? filtersOrOptions : undefined);
  const filters = /** @type {import("../calls/filters.js").Filters | undefined} */ (
    project === undefined ? filtersOrProject : second.filters
  );
  return fetchPages("runs.list", options, () => {
    const query = runFilters(filters);
    if (project === undefined) return { path: "/api/v1/runs", filters: query, where: filters, item: listedRun };
    if (filters?.env) query.append("filter[env]", [filters.env].flat().join(","));
    const ids = /** @type {[string, string][]} */ ([["project ref", idOf("runs.list", "project", project)]]);
    return { path: "/api/v1/projects/{}/runs", ids, filters: query, where: filters, item: listedRun };
  });
}

/**
 * Cancels a run. One that has ended stays as it is.
 *
 * @param {string | { id: string }} runId
 * @param {object} [requestOptions]
 */
function cancel(runId, requestOptions) {
  return act("runs.cancel", runId, "/api/v2/runs/{}/cancel", requestOptions, async () => undefined, made);
}

/**
 * Runs it again, with some of its options overridden.
 *
 * @param {string | { id: string }} runId
 * @param {unknown} [overrides]
 * @param {object} [requestOptions]
 */
function replay(runId, overrides, requestOptions) {
  const options = looksLikeCallOptions(overrides) ? overrides : requestOptions;
  const given = options === overrides ? undefined : overrides;
  return act("runs.replay", runId, "/api/v1/runs/{}/replay", options, () => replayBody(given), made);
}

/** @param {unknown} overrides */
async function replayBody(overrides) {
  if (overrides === undefined || overrides === null) return undefined;
  if (!isPlain(overrides)) {
    throw new ArgumentError(
      "ERR_INVALID_OPTIONS",
      `runs.replay(): the overrides must be an object, not ${describe(overrides)}`,
    );
  }
  for (const name of Object.keys(overrides)) {
    if (!REPLAY.has(name)) {
      throw new ArgumentError(
        "ERR_INVALID_OPTIONS",
        `runs.replay(): unknown option "${name}", expected one of ${[...REPLAY].join(", ")}`,
      );
    }
  }
  if (overrides.payload === undefined || overrides.payloadType !== undefined) return overrides;
  return { ...overrides, payload: await superjsonOf(overrides.payload), payloadType: "application/super+json" };
}

/** As superjson even where it is a string: a replay takes no plain text. @param {unknown} payload */
async function superjsonOf(payload) {
  if (typeof payload === "string") return JSON.stringify({ json: payload });
  return (await toPacket("runs.replay", payload)).data;
}

/**
 * Sets another delay for a run that has not begun.
 *
 * @param {string | { id: string }} runId
 * @param {{ delay: string | Date }} body
 * @param {object} [requestOptions]
 */
function reschedule(runId, body, requestOptions) {
  return act(
    "runs.reschedule",
    runId,
    "/api/v1/runs/{}/reschedule",
    requestOptions,
    async () => {
      if (body?.delay !== undefined) return body;
      throw new ArgumentError("ERR_INVALID_OPTIONS", 'runs.reschedule(): say when, such as { delay: "10m" } or a Date');
    },
    run,
  );
}

/**
 * The run once it has ended, whichever way (defect 22). `timeoutInMs` is for the whole wait.
 *
 * @param {string | { id: string }} runId
 * @param {{ pollIntervalMs?: number }} [options] default 1,000
 * @param {object} [requestOptions]
 */
async function poll(runId, options, requestOptions) {
  const call = new Call("runs.poll", requestOptions);
  const id = idOf(call.name, "run", runId);
  const interval = options?.pollIntervalMs ?? 1000;
  if (!(Number.isFinite(interval) && interval >= 0)) {
    throw new ArgumentError("ERR_INVALID_OPTIONS", "runs.poll(): pollIntervalMs must be a number of milliseconds");
  }
  for (let poll = 1; poll <= MAX_POLLS; poll += 1) {
    const { data } = await retrieveWith(call, id);
    if (data.isCompleted || ENDED.has(data.status)) return data;
    await call.wait(interval);
  }
  throw new TimeoutError(
    "ERR_POLL_TIMEOUT",
    `runs.poll(): ${id} did not end within ${MAX_POLLS} looks: follow it with runs.subscribeToRun(), or set a longer pollIntervalMs`,
  );
}

/**
 * A `POST` about one run.
 *
 * @template T
 * @param {string} name
 * @param {unknown} runId
 * @param {string} path
 * @param {unknown} requestOptions
 * @param {() => Promise<unknown>} bodyOf
 * @param {import("../calls/schema.js").Schema<T>} schema
 */
function act(name, runId, path, requestOptions, bodyOf, schema) {
  return new ApiPromise(
    (async () => {
      const call = new Call(name, requestOptions);
      const ids = /** @type {[string, string][]} */ ([["run id", idOf(name, "run", runId)]]);
      const answer = await call.request({ method: "POST", path, ids, body: await bodyOf() });
      return { data: call.read(answer, schema), answer };
    })(),
  );
}

module.exports = { cancel, list, poll, replay, reschedule, retrieve };
