"use strict";

/**
 * Payloads on the wire (docs/server-protocol.md 6): a string as text, any other value as superjson, and large ones by
 * way of the object store.
 */

const { throwIfAborted } = require("../async/aborts.js");
const { randomBytes } = require("node:crypto");
const { ArgumentError, ProtocolError, messageOf } = require("../errors/errors.js");
const native = require("../native/native.js");
const { decode, loadSuperjson } = require("./packets.js");
const { object, optional, text } = require("./schema.js");

/** From this size on, in bytes, a payload is uploaded first. */
const UPLOADED_FROM = 128 * 1024;

const ALPHABET = "123456789abcdefghijkmnopqrstuvwxyz";

const presigned = object({ presignedUrl: text, storagePath: optional(text) });

/**
 * @typedef {object} Packet
 * @property {string | undefined} data undefined when there is no payload
 * @property {string} type
 */

/**
 * @param {string} name the call, for the message
 * @param {unknown} value
 * @returns {Promise<Packet>}
 */
async function toPacket(name, value) {
  if (value === undefined) return { data: undefined, type: "application/json" };
  if (typeof value === "string") return { data: value, type: "text/plain" };
  const json = await loadSuperjson();
  const type = "application/super+json";
  try {
    return { data: JSON.stringify(readable(json.serialize(value))), type };
  } catch (cause) {
    try {
      // superjson refuses names that are dangerous to set, such as `constructor`. Data that has them is sent as plain
      // JSON, as by the SDK.
      return { data: JSON.stringify({ json: value }), type };
    } catch {}
    throw new ArgumentError("ERR_INVALID_PAYLOAD", `${name}(): the payload cannot be serialized: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/**
 * The value of a packet that is no stored one.
 *
 * @param {{ data: string | undefined, type: string }} packet
 */
async function fromPacket({ data, type }) {
  return decode({ data: data ?? "", type });
}

/**
 * A form that tasks can read: they carry an older superjson, whose paths escape dots but no backslashes, and which
 * knows no version of them.
 *
 * @param {ReturnType<import("./superjson.js").SuperJSON["serialize"]>} serialized
 */
function readable({ json, meta }) {
  if (meta === undefined) return { json };
  const { v: _, values, referentialEqualities } = meta;
  return {
    json,
    meta: {
      values: values && olderValues(values),
      referentialEqualities: referentialEqualities && olderEqualities(referentialEqualities),
    },
  };
}

/** A type, or `[type, tree]`, or a tree of them by path. @param {unknown} tree @returns {unknown} */
function olderValues(tree) {
  if (Array.isArray(tree)) return tree.map((part) => (isTree(part) ? olderValues(part) : part));
  if (!isTree(tree)) return tree;
  return Object.fromEntries(Object.entries(tree).map(([path, inner]) => [olderPath(path), olderValues(inner)]));
}

/** @typedef {Record<string, string[]>} Equalities paths by path */

/** @param {Equalities | [string[], Equalities?]} equalities @returns {unknown} */
function olderEqualities(equalities) {
  if (Array.isArray(equalities)) {
    return equalities.map((part) => (Array.isArray(part) ? part.map(olderPath) : part && olderEqualities(part)));
  }
  return Object.fromEntries(Object.entries(equalities).map(([path, same]) => [olderPath(path), same.map(olderPath)]));
}

/** @param {unknown} part @returns {part is Record<string, unknown>} */
function isTree(part) {
  return typeof part === "object" && part !== null && !Array.isArray(part);
}

/** @param {string} path */
function olderPath(path) {
  return path.replaceAll("\\\\", "\\");
}

/** @param {Packet} packet @returns {number} in bytes */
function sizeOf({ data }) {
  return data ? Buffer.byteLength(data) : 0;
}

/**
 * The packet to send: the packet itself; for a large one, its path in the object store.
 *
 * @param {import("./call.js").OneCall} call
 * @param {Packet} packet
 * @returns {Promise<Packet>}
 */
async function offload(call, packet) {
  if (sizeOf(packet) < UPLOADED_FROM) return packet;
  // The name holds nothing of the caller's.
  const name = `trigger/packet_${randomName()}/payload.${packet.type === "text/plain" ? "txt" : "json"}`;
  const path = `/api/v2/packets/${encodeURIComponent(name)}`;
  const { presignedUrl, storagePath } = call.read(await call.request({ method: "PUT", path }), presigned);
  if (!storagePath) {
    throw new ProtocolError(
      "ERR_PROTOCOL",
      `${call.name}(): the payload is larger than 128 KiB, and this server stores none: upgrade the server, or send less`,
    );
  }
  const { data, type } = packet;
  await call.within((cancel, timeout) =>
    native.putPresigned(presignedUrl, call.resolved.baseURL, type, data ?? "", cancel, timeout),
  );
  return { data: storagePath, type: "application/store" };
}

/**
 * The value behind a presigned URL. As in the SDK undefined where the request fails: the rest of the run is still of
 * use.
 *
 * @param {import("./call.js").OneCall} call
 * @param {string} url
 */
async function fetchPresigned(call, url) {
  try {
    return await fromPacket(await download(call, url));
  } catch {
    throwIfAborted(call.signal);
    call.left();
    return undefined;
  }
}

/**
 * The value of a stored packet, by its path.
 *
 * @param {import("./call.js").OneCall} call
 * @param {string} storagePath
 */
async function fetchStored(call, storagePath) {
  const path = `/api/v1/packets/${encodeURIComponent(storagePath)}`;
  const { presignedUrl } = call.read(await call.request({ path }), presigned);
  return fromPacket(await download(call, presignedUrl));
}

/** @param {import("./call.js").OneCall} call @param {string} url */
async function download(call, url) {
  const answer = await call.within((cancel, timeout) =>
    native.getPresigned(url, call.resolved.baseURL, cancel, timeout),
  );
  return { data: answer.body, type: answer.headers["content-type"] ?? "application/json" };
}

function randomName() {
  let name = "";
  // 34 letters: bytes from 238 = 7 * 34 on are rejected, so that all letters are equally likely.
  while (name.length < 21) {
    for (const byte of randomBytes(32)) if (byte < 238 && name.length < 21) name += ALPHABET[byte % 34];
  }
  return name;
}

module.exports = { fetchPresigned, fetchStored, fromPacket, offload, sizeOf, toPacket };
