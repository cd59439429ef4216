"use strict";

/**
 * The lines of a batch, kept so that they can be sent again: the first 4 MiB in memory, the rest in a temporary file
 * that no other user can open. The source is read once, and is never in memory as a whole.
 */

const { randomUUID } = require("node:crypto");
const { open, unlink } = require("node:fs/promises");
const { tmpdir } = require("node:os");
const path = require("node:path");
const { ArgumentError, TriggerNativeError } = require("../errors/errors.js");

/** The size of a piece, in which lines are kept and read back, in bytes. */
const PIECE = 64 * 1024;
/** The most bytes of a spool: a source with more has no end. */
const MAX_BYTES = 1024 * 1024 * 1024;

/** @typedef {InstanceType<typeof Spool>} Lines */
/** @typedef {import("node:fs/promises").FileHandle} FileHandle */

class Spool {
  #inMemory;
  #pending = "";
  /** @type {Buffer[]} */
  #pieces = [];
  /** @type {[position: number, length: number][]} */
  #written = [];
  #bytes = 0;
  #position = 0;
  /** @type {FileHandle | undefined} */
  #file;
  /** The file's, where it could not be unlinked while it was open. @type {string | undefined} */
  #name;

  /** @param {{ inMemory?: number }} [options] `inMemory`: bytes kept in memory, default 4 MiB */
  constructor({ inMemory = 4 * 1024 * 1024 } = {}) {
    this.#inMemory = inMemory;
  }

  /** Whether a file holds some of it. */
  get spilled() {
    return this.#file !== undefined;
  }

  /**
   * @param {string} line without its end
   */
  async add(line) {
    this.#pending += `${line}\n`;
    if (this.#pending.length >= PIECE) await this.flush();
  }

  /** Closes the piece that is being filled. */
  async flush() {
    if (this.#pending === "") return;
    const piece = Buffer.from(this.#pending);
    this.#pending = "";
    this.#bytes += piece.length;
    if (this.#bytes > MAX_BYTES) {
      throw new ArgumentError(
        "ERR_BATCH_TOO_LARGE",
        "the items of the batch are larger than 1 GiB: send several batches",
      );
    }
    if (this.#file === undefined && this.#bytes <= this.#inMemory) {
      this.#pieces.push(piece);
      return;
    }
    await this.#write(piece);
  }

  /** The pieces from the start, each of whole lines. */
  async *read() {
    await this.flush();
    for (const piece of this.#pieces) yield piece.toString();
    for (const [position, length] of this.#written) {
      const piece = Buffer.alloc(length);
      for (let at = 0; at < length; ) {
        const { bytesRead } = await /** @type {FileHandle} */ (this.#file).read(piece, at, length - at, position + at);
        if (bytesRead === 0) throw unwritable(new Error("the file ended early"));
        at += bytesRead;
      }
      yield piece.toString();
    }
  }

  /** Frees memory and file. Idempotent. */
  async close() {
    this.#pieces = [];
    this.#written = [];
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
    if (this.#name !== undefined) await unlink(this.#name).catch(() => {});
  }

  /** @param {Buffer} piece */
  async #write(piece) {
    try {
      const file = await this.#open();
      for (let at = 0; at < piece.length; ) {
        const { bytesWritten } = await file.write(piece, at, piece.length - at, this.#position + at);
        at += bytesWritten;
      }
    } catch (cause) {
      throw unwritable(cause);
    }
    this.#written.push([this.#position, piece.length]);
    this.#position += piece.length;
  }

  /** @returns {Promise<FileHandle>} */
  async #open() {
    if (this.#file !== undefined) return this.#file;
    const name = path.join(tmpdir(), `trigger-native-${randomUUID()}`);
    const file = await open(name, "wx+", 0o600);
    this.#file = file;
    this.#name = name;
    // Unlinked at once: the file is gone with the process, however that ends.
    await unlink(name).then(
      () => {
        this.#name = undefined;
      },
      () => {},
    );
    return file;
  }
}

/** @param {unknown} cause */
function unwritable(cause) {
  return new TriggerNativeError(
    "ERR_NO_TEMPORARY_FILE",
    "the items of a large batch could not be kept in a temporary file: make the directory for temporary files writable (TMPDIR), or send smaller batches",
    { cause },
  );
}

module.exports = { Spool };
