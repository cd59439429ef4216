/**
 * Answers of a scripted server, good ones and every kind of bad one. An answer is a function that
 * writes to the connection; the fault server calls it with a `Connection`.
 *
 * @typedef {((connection: import('./fault-server.mjs').Connection) => void | Promise<void>) & import('./scripted.mjs').Optional} Answer
 */
import { gzipSync } from "node:zlib";
import { HANDLE, insert, mustRefetch, SCHEMA, update, upToDate } from "./rows.mjs";
import { maybe } from "./scripted.mjs";

const REASONS = { 200: "OK", 204: "No Content", 301: "Moved Permanently", 409: "Conflict", 429: "Too Many Requests" };

/** The bytes of one answer. `length: null` leaves the length out. */
export function bytes(status, headers, body = "", length = Buffer.byteLength(body)) {
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? "Status"}`];
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) lines.push(`${name}: ${value}`);
  if (length !== null) lines.push(`content-length: ${length}`);
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), Buffer.from(body)]);
}

const JSON_TYPE = "application/json; charset=utf-8";

function feedHeaders({ handle = HANDLE, offset = "1_1", cursor, ...rest } = {}) {
  return {
    "content-type": JSON_TYPE,
    "electric-handle": handle,
    "electric-offset": offset,
    "electric-schema": cursor === undefined ? SCHEMA : undefined,
    "electric-cursor": cursor,
    ...rest,
  };
}

/** @returns {Answer} any status with a JSON body */
export function json(status, body, headers = {}) {
  return (connection) =>
    connection.write(bytes(status, { "content-type": JSON_TYPE, ...headers }, JSON.stringify(body)));
}

/** @returns {Answer} */
export function text(status, body) {
  return (connection) => connection.write(bytes(status, { "content-type": "text/plain" }, body));
}

/** @returns {Answer} messages with the headers of a snapshot (no `cursor`) or of a live answer */
export function messages(list, headers) {
  return (connection) => connection.write(messageBytes(list, headers));
}

export function messageBytes(list, headers) {
  return bytes(200, feedHeaders(headers), JSON.stringify(list));
}

export const snapshot = (value, headers) => messages([insert(value), upToDate()], headers);

/** A live answer with a change; each must be given a new offset. */
export const change = (value, offset, headers = {}) =>
  messages([update(value), upToDate()], { offset, cursor: offset.split("_")[1], ...headers });

/** A live answer at the end of its hold: nothing happened. */
export const nothingNew = (offset) => messages([upToDate()], { offset, cursor: offset.split("_")[1] });

/** @returns {Answer} 409; `handle: null` names no new handle */
export function refetch({ handle = null, body = JSON.stringify([mustRefetch()]) } = {}) {
  const headers = { "content-type": JSON_TYPE, "electric-handle": handle ?? undefined };
  return (connection) => connection.write(bytes(409, headers, body));
}

/** @returns {Answer} a page of a proxy or a login form */
export function html(status = 200) {
  return (connection) =>
    connection.write(bytes(status, { "content-type": "text/html" }, "<!doctype html><title>Sign in</title>"));
}

/** @returns {Answer} rows without the headers the protocol lives on */
export function withoutElectricHeaders(value) {
  return json(200, [insert(value), upToDate()]);
}

/** @returns {Answer} a complete HTTP answer whose JSON is cut in the middle */
export function cutJson(value, headers) {
  const text = JSON.stringify([insert(value), upToDate()]);
  return (connection) => connection.write(bytes(200, feedHeaders(headers), text.slice(0, text.length / 2)));
}

/**
 * @param {'length' | 'chunked' | 'reset' | 'silence'} how the connection ends in the middle of the
 *   body: closed before content-length bytes, closed before the last chunk, reset, or not at all
 * @returns {Answer}
 */
export function cutBody(list, headers, how) {
  const text = JSON.stringify(list);
  const half = text.slice(0, Math.ceil(text.length / 2));
  return async (connection) => {
    if (how === "chunked") {
      connection.write(bytes(200, { ...feedHeaders(headers), "transfer-encoding": "chunked" }, "", null));
      connection.write(`${Buffer.byteLength(half).toString(16)}\r\n${half}\r\n`);
    } else {
      connection.write(bytes(200, feedHeaders(headers), half, Buffer.byteLength(text)));
    }
    if (how === "silence") return;
    // Lets the half body be read before the connection goes.
    await connection.wait(20);
    if (how === "reset") connection.reset();
    else connection.close();
  };
}

/** @returns {Answer} accepts the request and never says anything; nobody has to ask for it */
export function hold() {
  return maybe(() => {});
}

/** @returns {Answer} an answer that arrives `size` bytes at a time, every `everyMs`; 0: in writes of their own */
export function trickle(whole, { size = 16, everyMs = 1 } = {}) {
  return async (connection) => {
    for (let at = 0; at < whole.length && connection.open; at += size) {
      connection.write(whole.subarray(at, at + size));
      await (everyMs === 0 ? new Promise((resolve) => setImmediate(resolve)) : connection.wait(everyMs));
    }
  };
}

/** @returns {Answer} says gzip; the body is a gzip stream that is overwritten in the middle */
export function brokenGzip(value) {
  const packed = gzipSync(JSON.stringify([insert(value), upToDate()]));
  packed.fill(0xff, packed.length / 3, packed.length / 2);
  return (connection) => connection.write(bytes(200, { ...feedHeaders(), "content-encoding": "gzip" }, packed));
}

/** @returns {Answer} a small gzip body that unpacks to `megabytes` of white space, and so to nothing */
export function gzipBomb(megabytes) {
  const packed = gzipSync(Buffer.alloc(megabytes * 1024 * 1024, " "));
  return (connection) => connection.write(bytes(200, { ...feedHeaders(), "content-encoding": "gzip" }, packed));
}

/** @returns {Answer} */
export function redirect(location) {
  return (connection) => connection.write(bytes(301, { location }));
}

/** @returns {Answer} up to date, in the way of old servers */
export function noContent(headers) {
  return (connection) => connection.write(bytes(204, feedHeaders(headers), "", null));
}
