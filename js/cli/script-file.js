"use strict";

const { watch } = require("node:fs");
const { readFile } = require("node:fs/promises");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { Worker } = require("node:worker_threads");

/** How long a script file that is a program may take, in milliseconds. */
const PATIENCE_MS = 10_000;
/** How long a change waits for another: editors write in several steps. In milliseconds. */
const QUIET_MS = 50;

/** A file of tasks: JSON, or a program whose default export they are. */
class ScriptFile {
  #tasks = "";
  /** @type {import("node:fs").FSWatcher | undefined} */
  #watcher;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #reading = Promise.resolve();
  #closed = false;

  /** @param {string} file */
  constructor(file) {
    this.file = path.resolve(file);
    this.name = path.basename(file);
  }

  /**
   * Reads it, the program in a thread of its own: with everything it imports as it is now.
   *
   * @returns {Promise<Record<string, any>>} The tasks by id.
   */
  async read() {
    const extension = path.extname(this.file);
    let tasks;
    if (extension === ".json") tasks = parsed(await this.#text(), this.name);
    else if ([".js", ".mjs", ".cjs"].includes(extension)) tasks = await exported(this.file, this.name);
    else throw new Error(`${this.name}: a script is a .json, .js, .mjs or .cjs file`);
    if (tasks === null || typeof tasks !== "object" || Array.isArray(tasks)) {
      throw new Error(`${this.name}: a script is an object of tasks by id`);
    }
    this.#tasks = JSON.stringify(tasks);
    return tasks;
  }

  async #text() {
    try {
      return await readFile(this.file, "utf8");
    } catch (error) {
      throw new Error(`${this.file} cannot be read (${/** @type {NodeJS.ErrnoException} */ (error).code})`);
    }
  }

  /**
   * Reads it again whenever it changes.
   *
   * @param {(tasks: Record<string, any>) => Promise<void>} onTasks Called with what is new; what it throws is told too.
   * @param {(error: Error) => void} onError
   */
  follow(onTasks, onError) {
    const again = async () => {
      if (this.#closed) return;
      const before = this.#tasks;
      try {
        const tasks = await this.read();
        if (this.#tasks !== before && !this.#closed) await onTasks(tasks);
      } catch (error) {
        // What was refused is told again when it comes again.
        this.#tasks = before;
        if (!this.#closed) onError(/** @type {Error} */ (error));
      }
    };
    const soon = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#reading = this.#reading.then(again);
      }, QUIET_MS);
    };
    // The folder, for editors put a new file in the place of the old one.
    this.#watcher = watch(path.dirname(this.file), (_event, name) => {
      if (name === null || name === this.name) soon();
    });
    this.#watcher.on("error", onError);
    // What changed between the first reading and now.
    soon();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }
}

/**
 * @param {string} text
 * @param {string} name
 */
function parsed(text, name) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is no JSON: ${/** @type {Error} */ (error).message}`);
  }
}

/**
 * The default export of a program, by way of JSON.
 *
 * @param {string} file
 * @param {string} name
 * @returns {Promise<any>}
 */
function exported(file, name) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(path.join(__dirname, "script-worker.mjs"), {
      workerData: pathToFileURL(file).href,
      stdout: true,
    });
    // Standard output is for what the command itself tells.
    worker.stdout.pipe(process.stderr, { end: false });
    const fail = (/** @type {string} */ why) => reject(new Error(`${name}: ${why}`));
    const late = setTimeout(() => {
      fail(`it took more than ${PATIENCE_MS / 1000} s`);
      worker.terminate();
    }, PATIENCE_MS);
    worker.once("message", ({ error, json }) => {
      if (error !== undefined) fail(error);
      else resolve(JSON.parse(json));
      worker.terminate();
    });
    worker.once("error", (error) => fail(error.message));
    worker.once("exit", () => {
      clearTimeout(late);
      fail("it ended before it gave its tasks");
    });
  });
}

module.exports = { ScriptFile };
