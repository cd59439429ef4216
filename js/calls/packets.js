"use strict";

/** Packets: the payload, output and metadata of a run, decoded by their type (docs/server-protocol.md 4). */

const { NOT_SIMPLE, namesTypes, readSimple } = require("./super-json.js");

/**
 * @typedef {import("../native/addon.js").WirePacket} Packet
 * @typedef {import("../native/addon.js").SamePacket} SamePacket
 *
 * Fetches the packet that one of type `application/store` names.
 * @typedef {(runId: string, field: Field, path: string) => Promise<Packet>} FetchPacket
 *
 * @typedef {"payload" | "output" | "metadata"} Field
 * @typedef {{ packet: Packet, known: boolean, value: unknown }} Entry
 * @typedef {Record<Field, Entry | undefined>} Kept
 */

/** @type {import("./superjson.js").SuperJSON | undefined} */
let superjson;

/**
 * superjson, loaded on first use: most programs never need it (`js/calls/super-json.js`). The copy is our own, for test
 * runners that know `require` alone (`scripts/superjson.mjs`), and so is the instance: nothing is registered on the one
 * that the program may use itself.
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
 * The value of a packet; a promise only where superjson has to be loaded first.
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
      // text/plain, and types that we do not know.
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
 * The length from which a packet is decoded when it is read, rather than when its run is given out, in characters. For
 * a shorter one, an object that decodes on demand costs more than decoding.
 */
const LAZY = 512;

/** Instead of a packet: the one that native code wrote before (`src/run/render.rs`). @type {SamePacket} */
const SAME = 1;

/** A packet that is decoded when it is first read. */
class LazyPacket {
  /** @type {Packet | undefined} */
  #packet;
  /** @type {unknown} */
  #value;

  /** @param {Packet} packet */
  constructor(packet) {
    this.#packet = packet;
  }

  /** The value. Throws each time, where it cannot be decoded. */
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
 * The decoded packets of a subscription's runs. A packet that did not change keeps its value: it is neither handed
 * over, nor fetched, nor parsed again.
 */
class Packets {
  /** The packets of each run, with their values once they were read. @type {Map<string, Kept> | undefined} */
  #kept;
  #source;

  /** @param {{ fetchPacket?: FetchPacket }} [source] */
  constructor(source) {
    this.#source = source;
  }

  /**
   * The value of a run's packet; a {@link LazyPacket} one where it is long. Throws or rejects where there is none, and
   * tries again the next time.
   *
   * @param {string} runId
   * @param {Field} field
   * @param {Packet | SamePacket | undefined} packet
   * @returns {unknown | Promise<unknown>}
   */
  get(runId, field, packet) {
    if (packet === undefined) return undefined;
    const entry = this.#entry(runId, field, packet);
    if (!entry.known) this.#fill(entry, runId, field);
    return entry.value;
  }

  /**
   * Keeps the packets of a row that is not given out: later rows refer to them.
   *
   * @param {{ id: string } & Partial<Record<Field, Packet | SamePacket>>} row
   */
  note({ id, payload, output, metadata }) {
    for (const [field, packet] of Object.entries({ payload, output, metadata })) {
      if (packet !== undefined) this.#entry(id, /** @type {Field} */ (field), packet);
    }
  }

  /**
   * Drops the packets of a run, after its last row.
   *
   * @param {string} runId
   */
  forget(runId) {
    this.#kept?.delete(runId);
  }

  /** @param {string} runId @param {Field} field @param {Packet | SamePacket} packet @returns {Entry} */
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

  /** @param {Entry} entry @param {string} runId @param {Field} field */
  #fill(entry, runId, field) {
    const { packet } = entry;
    const source = packet.type === "application/store" && field !== "metadata" ? this.#source : undefined;
    const value = source?.fetchPacket ? source.fetchPacket(runId, field, packet.data).then(decode) : later(packet);
    entry.known = true;
    entry.value = value;
    if (!(value instanceof Promise)) return;
    // Reads that come meanwhile share the promise; later ones get the value.
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

/** The value of a packet, now or when it is read. @param {Packet} packet */
function later(packet) {
  if (!packet.data || packet.data.length < LAZY) return decode(packet);
  switch (mediaType(packet.type)) {
    case "application/json":
      return new LazyPacket(packet);
    case "application/super+json":
      // A property cannot wait for a module, so superjson is loaded now.
      return superjson || !namesTypes(packet.data)
        ? new LazyPacket(packet)
        : loadSuperjson().then(() => new LazyPacket(packet));
    default:
      return decode(packet);
  }
}

module.exports = { LazyPacket, Packets, decode, loadSuperjson };
