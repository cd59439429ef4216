"use strict";

// Packets: the payload, output and metadata of a run, decoded by their type (protocol.md 4).

/**
 * A packet as it comes: text, and the type that says how to read it.
 *
 * @typedef {object} Packet
 * @property {string} data
 * @property {string} type
 *
 * Fetches what a packet of type `application/store` stands for.
 * @typedef {(runId: string, field: "payload" | "output", path: string) => Promise<Packet>} FetchPacket
 */

/** @type {Promise<{ parse(text: string): any, serialize(value: unknown): { json: any, meta?: any } }> | undefined} */
let loading;
/** @type {{ parse(text: string): any, serialize(value: unknown): { json: any, meta?: any } } | undefined} */
let superjson;

/**
 * superjson is loaded on first use: most programs mint tokens and never need it. Our own instance,
 * so that nothing is registered on the one the program may use itself.
 */
function loadSuperjson() {
  loading ??= import("superjson").then(
    ({ SuperJSON }) => {
      const instance = new SuperJSON();
      // The type under which tasks send Node buffers.
      instance.registerCustom(
        {
          isApplicable: (value) => Buffer.isBuffer(value),
          serialize: (value) => [...value],
          deserialize: (value) => Buffer.from(value),
        },
        "buffer",
      );
      superjson = instance;
      return instance;
    },
    (error) => {
      // Not kept: the next packet tries again.
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/**
 * The value of a packet; a promise only where something has to be loaded first.
 *
 * @param {Packet} packet
 * @returns {unknown | Promise<unknown>}
 */
function decode({ data, type }) {
  if (!data) return undefined;
  switch (type) {
    case "application/json":
      return JSON.parse(data);
    case "application/super+json":
      return superjson ? superjson.parse(data) : loadSuperjson().then((loaded) => loaded.parse(data));
    case "application/store":
      throw new Error("the packet is stored elsewhere, and there is nothing to fetch it with");
    default:
      // text/plain, and what we do not know.
      return data;
  }
}

/**
 * The decoded payloads and outputs of a subscription's runs. A packet that did not change is the
 * same value as before: it is neither fetched nor parsed again.
 */
class Packets {
  /** @type {Map<string, { data: string, type: string, value: unknown }>} */
  #kept = new Map();
  #fetch;

  /** @param {{ fetchPacket?: FetchPacket }} [options] */
  constructor({ fetchPacket } = {}) {
    this.#fetch = fetchPacket;
  }

  /**
   * The value of a run's payload or output. Throws, or rejects, when it cannot be had; that is
   * not kept.
   *
   * @param {string} runId
   * @param {"payload" | "output"} field
   * @param {Packet} packet
   * @returns {unknown | Promise<unknown>}
   */
  get(runId, field, packet) {
    const key = `${runId}/${field}`;
    const kept = this.#kept.get(key);
    if (kept && kept.data === packet.data && kept.type === packet.type) return kept.value;
    const stored = packet.type === "application/store" && this.#fetch !== undefined;
    const value = stored ? this.#fetch(runId, field, packet.data).then(decode) : decode(packet);
    const entry = { data: packet.data, type: packet.type, value };
    this.#kept.set(key, entry);
    if (isPromise(value)) {
      // Readers that come meanwhile share the promise; those that come later get the value.
      entry.value = value.then(
        (decoded) => {
          entry.value = decoded;
          return decoded;
        },
        (error) => {
          if (this.#kept.get(key) === entry) this.#kept.delete(key);
          throw error;
        },
      );
    }
    return entry.value;
  }

  /**
   * Drops what is kept of a run, once nothing more will come of it.
   *
   * @param {string} runId
   */
  forget(runId) {
    this.#kept.delete(`${runId}/payload`);
    this.#kept.delete(`${runId}/output`);
  }
}

/** @returns {value is Promise<unknown>} */
function isPromise(value) {
  return value instanceof Promise;
}

module.exports = { Packets, decode, loadSuperjson };
