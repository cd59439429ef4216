// Reads a 64-bit little-endian ELF library: the libraries and symbol versions it needs, and its sections. Pure.

/**
 * @typedef {object} Elf
 * @property {string[]} needed libraries it loads, as `libc.so.6`
 * @property {string[]} versions versions of symbols it needs, as `GLIBC_2.17`
 * @property {string[]} sections names of its sections
 */

const DYNAMIC_NEEDED = 1n;

/**
 * @param {Buffer} bytes a whole file
 * @returns {Elf | undefined} undefined when it is no such file
 */
export function readElf(bytes) {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
  const headers = sectionHeaders(bytes);
  const sectionNames = headers[bytes.readUInt16LE(62)];
  const named = headers.map((header) => ({ ...header, name: textAt(bytes, sectionNames.offset + header.nameAt) }));
  const section = (/** @type {string} */ name) => named.find((each) => each.name === name);
  const strings = section(".dynstr");
  return {
    needed: strings ? neededBy(bytes, section(".dynamic"), strings.offset) : [],
    versions: strings ? versionsOf(bytes, section(".gnu.version_r"), strings.offset) : [],
    sections: named.map(({ name }) => name).filter((name) => name !== ""),
  };
}

/** @typedef {{ nameAt: number, offset: number, size: number }} Section */

/** @param {Buffer} bytes @returns {Section[]} */
function sectionHeaders(bytes) {
  const table = Number(bytes.readBigUInt64LE(40));
  const size = bytes.readUInt16LE(58);
  return Array.from({ length: bytes.readUInt16LE(60) }, (_, index) => {
    const at = table + index * size;
    return {
      nameAt: bytes.readUInt32LE(at),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
    };
  });
}

/** @param {Buffer} bytes @param {Section | undefined} dynamic @param {number} strings */
function neededBy(bytes, dynamic, strings) {
  const found = [];
  for (let at = 0; dynamic && at + 16 <= dynamic.size; at += 16) {
    const tag = bytes.readBigUInt64LE(dynamic.offset + at);
    if (tag === DYNAMIC_NEEDED) {
      found.push(textAt(bytes, strings + Number(bytes.readBigUInt64LE(dynamic.offset + at + 8))));
    }
  }
  return found;
}

/**
 * Two linked lists in one section: libraries, and for each the versions that are needed of it.
 *
 * @param {Buffer} bytes
 * @param {Section | undefined} section
 * @param {number} strings
 */
function versionsOf(bytes, section, strings) {
  /** @type {Set<string>} */
  const found = new Set();
  for (let library = section?.offset ?? 0; library !== 0; ) {
    let version = library + bytes.readUInt32LE(library + 8);
    for (let left = bytes.readUInt16LE(library + 2); left > 0; left--) {
      found.add(textAt(bytes, strings + bytes.readUInt32LE(version + 8)));
      version += bytes.readUInt32LE(version + 12);
    }
    const next = bytes.readUInt32LE(library + 12);
    library = next === 0 ? 0 : library + next;
  }
  return [...found].sort();
}

/** @param {Buffer} bytes @param {number} at */
function textAt(bytes, at) {
  return bytes.toString("latin1", at, bytes.indexOf(0, at));
}

/**
 * The oldest glibc that has all of these versions of symbols.
 *
 * @param {readonly string[]} versions
 * @returns {[number, number] | undefined} undefined when glibc is not needed
 */
export function glibcFloor(versions) {
  const needed = versions.flatMap((version) => {
    const [, major, minor] = /^GLIBC_(\d+)\.(\d+)/.exec(version) ?? [];
    return major === undefined ? [] : [/** @type {[number, number]} */ ([Number(major), Number(minor)])];
  });
  return needed.sort(([a, b], [c, d]) => c - a || d - b)[0];
}
