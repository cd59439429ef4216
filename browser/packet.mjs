/** Packets: the payload, output and metadata of a run, decoded by their type. */

/** @typedef {{ data: string, type: string }} Packet */
/** Gets the packet that `path`, the data of one, stands for. @typedef {(runId: string, field: string, path: string) => Promise<Packet>} LoadPacket */

/** The reader of superjson, once a value needed it. @type {typeof import("./superjson.mjs") | undefined} */
let superjson;

/**
 * The value of a packet; a promise only where the reader of superjson or the packet itself has to be loaded first.
 *
 * @param {Packet} packet
 * @param {() => Promise<Packet>} load gets what the packet names, where it is stored elsewhere
 * @returns {unknown | Promise<unknown>}
 * @throws {Error} when it cannot be decoded
 */
export function decode({ data, type }, load) {
  if (!data) return undefined;
  switch (type.split(";")[0].trim().toLowerCase()) {
    case "application/json":
      return JSON.parse(data);
    case "application/super+json":
      return decodeSuper(data);
    case "application/store":
      return load().then((packet) => decode(packet, load));
    default:
      return data;
  }
}

/** @param {string} data */
function decodeSuper(data) {
  const parsed = JSON.parse(data);
  // Without `meta` it is plain JSON, as nearly every text is.
  if (!parsed.meta) return parsed.json;
  if (superjson) return superjson.parse(data);
  return import("./superjson.mjs").then((loaded) => {
    superjson = loaded;
    return loaded.parse(data);
  });
}
