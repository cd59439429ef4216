"use strict";

const { watch } = require("node:fs");
const { readFile } = require("node:fs/promises");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { Worker } = require("node:worker_threads");

/**
 * The tasks of a script by id, which the emulator checks.
 *
 * @typedef {Record<string, import("../../emulator.js").TaskScript>} Tasks
 */

/** How long a script that is a program may take, in milliseconds. */
const RUN_TIMEOUT_MS = 10_000;
/** How long a change waits for another, in milliseconds: editors write in several steps. */
const DEBOUNCE_MS = 50;

/** A file of tasks: JSON, or a program that exports them by default. */
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
   * Reads it. A program runs in a thread of its own, so that all it imports is read anew.
   *
   * @returns {Promise<Tasks>}
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
    return /** @type {Tasks} */ (tasks);
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
   * @param {(tasks: Tasks) => Promise<void>} onTasks called with the changed tasks; its errors go to `onError` too
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
        // A script that was refused is reported again at the next change.
        this.#tasks = before;
        if (!this.#closed) onError(/** @type {Error} */ (error));
      }
    };
    const soon = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#reading = this.#reading.then(again);
      }, DEBOUNCE_MS);
    };
    // The folder is watched, since editors replace the file.
    this.#watcher = watch(path.dirname(this.file), (_event, name) => {
      if (name === null || name === this.name) soon();
    });
    this.#watcher.on("error", onError);
    // A change between the first reading and now.
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
 * The default export of a program, as JSON hands it over.
 *
 * @param {string} file
 * @param {string} name
 * @returns {Promise<unknown>}
 */
function exported(file, name) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(path.join(__dirname, "script-worker.mjs"), {
      workerData: pathToFileURL(file).href,
      stdout: true,
    });
    // Standard output is the command's own.
    worker.stdout.pipe(process.stderr, { end: false });
    const fail = (/** @type {string} */ why) => reject(new Error(`${name}: ${why}`));
    const late = setTimeout(() => {
      fail(`it took more than ${RUN_TIMEOUT_MS / 1000} s`);
      worker.terminate();
    }, RUN_TIMEOUT_MS);
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
