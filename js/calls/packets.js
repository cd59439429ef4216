"use strict";

// Packets: the payload, output and metadata of a run, decoded by their type (docs/server-protocol.md 4).

const { NOT_SIMPLE, namesTypes, readSimple } = require("./super-json.js");

/**
 * A packet as it comes: text, and the type that says how to read it.
 *
 * @typedef {object} Packet
 * @property {string} data
 * @property {string} type
 *
 * Fetches what a packet of type `application/store` stands for.
 * @typedef {(runId: string, field: Field, path: string) => Promise<Packet>} FetchPacket
 *
 * @typedef {"payload" | "output" | "metadata"} Field
 * @typedef {{ packet: Packet, known: boolean, value: unknown }} Entry
 * @typedef {Record<Field, Entry | undefined>} Kept
 */

/** @type {{ parse(text: string): any, serialize(value: unknown): { json: any, meta?: any } } | undefined} */
let superjson;

/**
 * superjson is loaded on first use: most programs never need it (`js/calls/super-json.js`). Our own copy, by `require`, for test
 * runners that know no other way (`scripts/superjson.mjs`), and our own instance, so that nothing is registered on the one
 * the program may use itself.
 */
async function loadSuperjson() {
  if (superjson !== undefined) return superjson;
  const { SuperJSON } = require("./superjson.js");
  const instance = new SuperJSON();
  // The type under which tasks send Node buffers.
  instance.registerCustom(
    {
      isApplicable: (/** @type {unknown} */ value) => Buffer.isBuffer(value),
      serialize: (/** @type {Buffer} */ value) => [...value],
      deserialize: (/** @type {number[]} */ value) => Buffer.from(value),
    },
    "buffer",
  );
  superjson = instance;
  return instance;
}

/**
 * The value of a packet; a promise only where something has to be loaded first.
 *
 * @param {Packet} packet
 * @returns {unknown | Promise<unknown>}
 */
function decode({ data, type }) {
  if (!data) return undefined;
  switch (mediaType(type)) {
    case "application/json":
      return JSON.parse(data);
    case "application/super+json":
      return decodeSuper(data);
    case "application/store":
      throw new Error("the packet is stored elsewhere, and there is nothing to fetch it with");
    default:
      // text/plain, and what we do not know.
      return data;
  }
}

/** A type without its parameters: a store may add a charset. @param {string} type */
function mediaType(type) {
  return /[;A-Z ]/.test(type) ? type.split(";", 1)[0].trim().toLowerCase() : type;
}

/** @param {string} data */
function decodeSuper(data) {
  const value = readSimple(data);
  if (value !== NOT_SIMPLE) return value;
  return superjson ? superjson.parse(data) : loadSuperjson().then((loaded) => loaded.parse(data));
}

/**
 * From here on a packet is decoded when it is read, not when its run is given out, in characters of
 * its text. Below, an object that decodes on demand costs more than decoding does.
 */
const LAZY = 512;

/** What native code writes for a packet that is the one it wrote before (`src/run/render.rs`). */
const SAME = 1;

/** A packet that is decoded when it is first read. */
class Lazy {
  #packet;
  #value;

  /** @param {Packet} packet */
  constructor(packet) {
    this.#packet = packet;
  }

  /** The value. Throws, each time, when it cannot be decoded. */
  read() {
    if (this.#packet) {
      this.#value = decode(this.#packet);
      // The text is not needed any more.
      this.#packet = undefined;
    }
    return this.#value;
  }
}

/**
 * The decoded packets of a subscription's runs. One that did not change is the same value as before:
 * it is neither fetched, nor parsed, nor even handed over again.
 */
class Packets {
  /** By run: its packets, and once they were asked for their values. @type {Map<string, Kept> | undefined} */
  #kept;
  #source;

  /** @param {{ fetchPacket?: FetchPacket }} [source] */
  constructor(source) {
    this.#source = source;
  }

  /**
   * The value of a run's packet; a {@link Lazy} one where it is long. Throws, or rejects, when it
   * cannot be had; that is not kept.
   *
   * @param {string} runId
   * @param {Field} field
   * @param {Packet | typeof SAME | undefined} packet
   * @returns {unknown | Promise<unknown>}
   */
  get(runId, field, packet) {
    if (packet === undefined) return undefined;
    const entry = this.#entry(runId, field, packet);
    if (!entry.known) this.#fill(entry, runId, field);
    return entry.value;
  }

  /**
   * Takes notice of the packets of a row that is not given out: later ones refer to them.
   *
   * @param {{ id: string, payload?: any, output?: any, metadata?: any }} row
   */
  note({ id, payload, output, metadata }) {
    for (const [field, packet] of Object.entries({ payload, output, metadata })) {
      if (packet !== undefined) this.#entry(id, /** @type {Field} */ (field), packet);
    }
  }

  /**
   * Drops what is kept of a run, once nothing more will come of it.
   *
   * @param {string} runId
   */
  forget(runId) {
    this.#kept?.delete(runId);
  }

  #entry(runId, field, packet) {
    this.#kept ??= new Map();
    let run = this.#kept.get(runId);
    if (run === undefined) {
      run = { payload: undefined, output: undefined, metadata: undefined };
      this.#kept.set(runId, run);
    }
    const kept = run[field];
    if (packet === SAME) {
      if (kept) return kept;
      throw new Error("the packet was not handed over: a fault of trigger-native");
    }
    if (kept && kept.packet.data === packet.data && kept.packet.type === packet.type) return kept;
    const entry = { packet, known: false, value: undefined };
    run[field] = entry;
    return entry;
  }

  #fill(entry, runId, field) {
    const { packet } = entry;
    const stored =
      packet.type === "application/store" && field !== "metadata" && this.#source?.fetchPacket !== undefined;
    const value = stored
      ? /** @type {any} */ (this.#source).fetchPacket(runId, field, packet.data).then(decode)
      : later(packet);
    entry.known = true;
    entry.value = value;
    if (!(value instanceof Promise)) return;
    // Readers that come meanwhile share the promise; those that come later get the value.
    entry.value = value.then(
      (decoded) => {
        entry.value = decoded;
        return decoded;
      },
      (error) => {
        entry.known = false;
        throw error;
      },
    );
  }
}

/** The value of a packet, now or when it is read. */
function later(packet) {
  if (!packet.data || packet.data.length < LAZY) return decode(packet);
  switch (mediaType(packet.type)) {
    case "application/json":
      return new Lazy(packet);
    case "application/super+json":
      // Reading is no time to wait for a module.
      return superjson || !namesTypes(packet.data) ? new Lazy(packet) : loadSuperjson().then(() => new Lazy(packet));
    default:
      return decode(packet);
  }
}

module.exports = { Lazy, Packets, decode, loadSuperjson };
