// The calls a recording shows, made out of what the official SDK sent, and a server that answers them as recorded.

import { SuperJSON } from "superjson";
import { listedReason } from "./left-out.mjs";
import { bearer, header, requestLine } from "./wire.mjs";

const plain = new SuperJSON();

/** Retries are many and quick: only their number is compared. */
const QUICK = { retry: { minTimeoutInMs: 1, maxTimeoutInMs: 2 } };

/**
 * The exchanges that can be made again: the SDK's, without the repetitions that are its own, and
 * triggers and messages to runs that were sent by hand.
 */
function firstAttempts(recording) {
  const seen = new Set();
  return recording.exchanges.filter((exchange) => {
    if (!exchange.response || listedReason(recording.name, exchange.n)) return false;
    if (header(exchange.request, "x-trigger-source") !== "sdk") return isByHand(exchange);
    const key = header(exchange.request, "x-trigger-request-idempotency-key");
    if (key === undefined) return false;
    const repeated = seen.has(key);
    seen.add(key);
    return !repeated;
  });
}

function isByHand(exchange) {
  const { method, path } = requestLine(exchange);
  return method === "POST" && bearer(exchange) !== undefined && /\/trigger$|\/input\/[^/]+$/.test(path);
}

/** @returns {object[]} calls as `calls-child.mjs` takes them */
export function callsOf(recording) {
  const calls = [];
  for (const exchange of firstAttempts(recording)) {
    const call = callOf(recording, exchange);
    if (!call) continue;
    const accessToken = bearer(exchange);
    calls.push({ ...call, configuration: { baseURL: "$URL", accessToken, requestOptions: QUICK } });
  }
  return calls;
}

function callOf(recording, exchange) {
  const { method, path, query } = requestLine(exchange);
  const body = parsed(exchange.request.body);
  const [, version, kind, ...rest] = path.split("/").slice(1);
  const [id, action] = rest;
  switch (`${method} ${version}/${kind}`) {
    case "POST v1/tasks":
      return action === "trigger" ? triggerOf(recording, id, body) : undefined;
    case "POST v3/batches":
      return id === undefined ? batchOf(recording, exchange, body) : undefined;
    case "GET v2/batches":
      return { name: "batch.retrieve", args: [id] };
    case "GET v3/runs":
      return { name: "runs.retrieve", args: [id] };
    case "POST v2/runs":
      return { name: "runs.cancel", args: [id] };
    case "POST v1/runs":
      return action === "replay"
        ? { name: "runs.replay", args: [id] }
        : { name: "runs.reschedule", args: [id, { delay: dated(body.delay) }] };
    case "GET v1/runs":
      return { name: "runs.list", args: [filtersOf(query)] };
    case "POST v1/waitpoints":
      if (rest.length === 1) return { name: "wait.createToken", args: [{ ...body, timeout: dated(body.timeout) }] };
      return { name: "wait.completeToken", args: [rest[1], body.data] };
    case "POST v1/streams":
      return { name: "streams.input.send", args: [{ id: rest[2] }, id, body.data] };
    case "GET v1/waitpoints":
      return rest.length === 1
        ? { name: "wait.listTokens", args: [filtersOf(query)] }
        : { name: "wait.retrieveToken", args: [rest[1]] };
    default:
      return undefined;
  }
}

function triggerOf(recording, task, body) {
  return {
    name: "tasks.trigger",
    args: [task, payloadOf(recording, body), optionsOf(body.options ?? {})],
  };
}

function batchOf(recording, exchange, body) {
  const rest = recording.exchanges.slice(recording.exchanges.indexOf(exchange) + 1);
  const batchId = parsed(exchange.response.body)?.id;
  const sent = batchId && rest.find(({ request }) => request.line.includes(`/batches/${batchId}/items`));
  const lines = sent ? sent.request.body.trimEnd().split("\n").map(parsed) : [];
  const items = lines.map((line) => {
    const options = optionsOf(line.options ?? {});
    // The key of a batch makes those of its items.
    if (body.idempotencyKey && !line.options.idempotencyKeyOptions) delete options.idempotencyKey;
    return { id: line.task, payload: payloadOf(recording, line), options };
  });
  while (!sent && items.length < body.runCount) items.push({ id: body.taskIdentifiers[0], payload: {} });
  const options = body.idempotencyKey ? { idempotencyKey: body.idempotencyKeyOptions.key } : undefined;
  const single = body.idempotencyKeyOptions || lines.some((line) => line.options?.idempotencyKeyOptions);
  return single
    ? { name: "tasks.batchTrigger", args: [body.taskIdentifiers[0], items, options] }
    : { name: "batch.trigger", args: [items, options] };
}

function payloadOf(recording, { payload, options }) {
  switch (options?.payloadType) {
    case "text/plain":
      return payload;
    case "application/super+json":
      return plain.parse(payload);
    case "application/store": {
      const put = recording.exchanges.find(
        ({ request }) => request.line.startsWith("PUT /packets/") && request.line.includes(payload),
      );
      // Long bodies were shortened by the recorder: one as long says the same.
      if (put.request.body.includes("[shortened by the recorder")) {
        return { big: "x".repeat(options.payloadSize - '{"json":{"big":""}}'.length) };
      }
      return plain.parse(put.request.body);
    }
    default:
      return payload === undefined ? undefined : JSON.parse(payload);
  }
}

function optionsOf(sent) {
  const { payloadType, payloadSize, queue, lockToVersion, idempotencyKey, idempotencyKeyOptions, delay, ...same } =
    sent;
  return {
    ...same,
    ...(queue && { queue: queue.name }),
    ...(lockToVersion && { version: lockToVersion }),
    ...(idempotencyKey && { idempotencyKey: idempotencyKeyOptions?.key ?? idempotencyKey }),
    ...(delay && { delay: dated(delay) }),
  };
}

function filtersOf(query) {
  const filters = {};
  for (const [name, value] of query) {
    const key = name.match(/\[(\w+)\]$/)[1];
    filters[key] = { size: () => Number(value), isTest: () => value === "true" }[key]?.() ?? value;
  }
  const { size, ...rest } = filters;
  return size === undefined ? rest : { ...rest, limit: size };
}

/** A Date where one was written. */
function dated(text) {
  return /^\d{4}-\d\d-\d\dT/.test(text) ? new Date(text) : text;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Answers as recorded: to each request in turn, the last answer again and again.
 *
 * @param {(n: number) => void} [given] is told the number of each exchange that was answered with
 */
export function answerer(recording, given = () => {}) {
  const queues = new Map();
  for (const exchange of recording.exchanges) {
    if (!exchange.response || listedReason(recording.name, exchange.n)) continue;
    const { method, target } = requestLine(exchange);
    const key = nameOf(method, target, header(exchange.request, "authorization"));
    queues.set(key, [...(queues.get(key) ?? []), exchange]);
  }
  return ({ method, target, headers }, _index, url) => {
    const queue = queues.get(nameOf(method, target, headers.authorization));
    if (!queue) return { status: 599, body: { error: `not recorded: ${method} ${target}` } };
    const { n, response } = queue.length > 1 ? queue.shift() : queue[0];
    given(n);
    const kept = response.headers.filter(([name]) => /^(x-|content-type|retry-after)/i.test(name));
    const body = response.body.replaceAll(/http:\/\/127\.0\.0\.1:\d+(?=\/packets\/)/g, url);
    return { status: response.status, headers: Object.fromEntries(kept), body };
  };
}

/** Packets are named at random, and their URLs signed. */
function nameOf(method, target, authorization) {
  const [path, query = ""] = decodeURIComponent(target).split("?");
  const name = path.replace(/packet_[1-9a-km-z]{21}/g, "packet_*");
  return [method, name, path.startsWith("/packets/") ? "" : query, authorization].join(" ");
}
