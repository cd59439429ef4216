"use strict";

/**
 * Which binary this process can load, as platform packages are named by it (`trigger-native-linux-x64-gnu`). Finding
 * out starts no program and makes no report.
 */

const fs = require("node:fs");

/** The platforms that have a binary: operating system, processor, and the C library or ABI. */
const TARGETS = Object.freeze([
  "darwin-arm64",
  "darwin-x64",
  "linux-arm64-gnu",
  "linux-arm64-musl",
  "linux-x64-gnu",
  "linux-x64-musl",
  "win32-arm64-msvc",
  "win32-x64-msvc",
]);

/** The first bytes of an executable, which hold its headers and the path of its dynamic loader. */
const HEAD_BYTES = 8192;

/**
 * The targets to try, the likeliest first: one, or both of Linux's where the C library is unknown; none for a platform
 * without a binary.
 *
 * @param {{ platform: string, arch: string, libc?: "gnu" | "musl" }} [machine]
 * @returns {string[]}
 */
function candidates({ platform, arch, libc } = { platform: process.platform, arch: process.arch, libc: libcOf() }) {
  const name = `${platform}-${arch}`;
  const suffixes =
    platform === "linux" ? (libc ? [`-${libc}`] : ["-gnu", "-musl"]) : [platform === "win32" ? "-msvc" : ""];
  return suffixes.map((suffix) => name + suffix).filter((target) => TARGETS.includes(target));
}

/**
 * The C library that this process runs on, by the loader that its executable names. Other files prove nothing: musl can
 * be installed beside glibc, and glibc's programs run on Alpine through a shim.
 *
 * @returns {"gnu" | "musl" | undefined} undefined on other systems, and where no loader is found
 */
function libcOf() {
  if (process.platform !== "linux") return undefined;
  // Deno guards /proc, and knows what it was built for.
  const { Deno } = /** @type {{ Deno?: { build?: { env?: string } } }} */ (globalThis);
  const deno = Deno?.build?.env;
  if (deno === "gnu" || deno === "musl") return deno;
  for (const file of ["/proc/self/exe", process.execPath]) {
    const libc = libcNamed(interpreter(head(file)));
    if (libc) return libc;
  }
  return undefined;
}

/** @param {string | undefined} loader path of a dynamic loader @returns {"gnu" | "musl" | undefined} */
function libcNamed(loader) {
  if (!loader) return undefined;
  if (loader.includes("/ld-musl-")) return "musl";
  return /\/ld(?:64)?[-.]/.test(loader) ? "gnu" : undefined;
}

/** The first bytes of a file; none when it cannot be read. @param {string} file */
function head(file) {
  let descriptor;
  try {
    descriptor = fs.openSync(file, "r");
    const bytes = Buffer.alloc(HEAD_BYTES);
    return bytes.subarray(0, fs.readSync(descriptor, bytes, 0, HEAD_BYTES, 0));
  } catch {
    return Buffer.alloc(0);
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

/** `PT_INTERP`, the program header that names the dynamic loader. */
const INTERPRETER = 3;

/**
 * The dynamic loader that a 64-bit little-endian ELF executable asks for: every Linux we have binaries for is such.
 *
 * @param {Buffer} bytes the beginning of the file
 * @returns {string | undefined}
 */
function interpreter(bytes) {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
  const table = Number(bytes.readBigUInt64LE(32));
  const size = bytes.readUInt16LE(54);
  const count = bytes.readUInt16LE(56);
  for (let index = 0; index < count; index++) {
    const at = table + index * size;
    if (at + 56 > bytes.length) return undefined;
    if (bytes.readUInt32LE(at) !== INTERPRETER) continue;
    const start = Number(bytes.readBigUInt64LE(at + 8));
    const end = start + Number(bytes.readBigUInt64LE(at + 32));
    return end <= bytes.length ? bytes.toString("latin1", start, end).replace(/\0+$/, "") : undefined;
  }
  return undefined;
}

module.exports = { TARGETS, candidates, interpreter, libcNamed, libcOf };
