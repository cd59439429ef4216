"use strict";

/**
 * Hints at code that works, and is a mistake or costs more than it needs. Each comes once per process, as a warning
 * with a code that `process.on("warning")` sees and `--no-warnings` or `--disable-warning` silence. Where
 * `TRIGGER_NATIVE_STRICT` is set, an error with the same words is thrown instead, each time (docs/calls.md).
 */

const { TriggerNativeError } = require("../errors/errors.js");

/** So many retrievals of one run in this time are a polling loop. */
const POLLS = 10;
const POLLS_MS = 60_000;
/** The runs whose retrievals are counted; the least recently retrieved goes first. */
const MAX_RUNS = 1_000;
/** The length of a large column, in characters of JSON. */
const LARGE = 64 * 1024;
const COLUMNS = ["payload", "output"];

const given = new Set();

/** Read each time, since tests set it. Off at `""`, `0` and `false`. */
const isStrict = () => !["", "0", "false"].includes(process.env.TRIGGER_NATIVE_STRICT ?? "");

/** Whether a hint is still to be given. @param {string} name */
const isOpen = (name) => isStrict() || !given.has(name);

/** @param {"NO_SCOPES" | "POLLING" | "LARGE_COLUMNS"} name the end of the code @param {string} message */
function hint(name, message) {
  if (isStrict()) throw new TriggerNativeError(`ERR_${name}`, message);
  if (given.has(name)) return;
  given.add(name);
  process.emitWarning(message, { type: "TriggerNativeWarning", code: `TRIGGER_NATIVE_${name}` });
}

/** A public token without scopes was made. */
function unscoped() {
  hint(
    "NO_SCOPES",
    'A public token without scopes may do nothing: add them, for example auth.createPublicToken({ scopes: { read: { runs: ["run_1234"] } } }).',
  );
}

/** Counts retrievals of runs. */
class PollCounter {
  /** @type {Map<string, { since: number, count: number }>} */
  #runs = new Map();
  #now;

  /** @param {() => number} [now] milliseconds; default the process's clock */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** Counts one, and says whether it is one of a polling loop. @param {string} id */
  count(id) {
    const now = this.#now();
    const known = this.#runs.get(id);
    const seen = known && now - known.since < POLLS_MS ? known : { since: now, count: 0 };
    seen.count += 1;
    this.#runs.delete(id);
    this.#runs.set(id, seen);
    if (this.#runs.size > MAX_RUNS) this.#runs.delete(/** @type {string} */ (this.#runs.keys().next().value));
    return seen.count >= POLLS;
  }
}

const polls = new PollCounter();

/** A run was retrieved. @param {string} id */
function retrieved(id) {
  if (!isOpen("POLLING") || !polls.count(id)) return;
  hint(
    "POLLING",
    `runs.retrieve() was called ${POLLS} times within a minute for one run: follow it with runs.subscribeToRun(), or with useRealtimeRun in a browser, which tell each change once.`,
  );
}

/**
 * A run is sent to a browser.
 *
 * @param {Record<string, unknown> | null | undefined} run
 * @param {number} length of the run's JSON
 */
function sent(run, length) {
  if (length < LARGE || !isOpen("LARGE_COLUMNS")) return;
  const large = COLUMNS.filter((column) => (JSON.stringify(run?.[column], bigints)?.length ?? 0) >= LARGE);
  if (large.length === 0) return;
  hint(
    "LARGE_COLUMNS",
    `A run goes to a browser with ${large.join(" and ")} of ${Math.round(length / 1024)} KB at every update: leave out what is not shown, with skipColumns: ${JSON.stringify(large)}.`,
  );
}

function bigints(/** @type {string} */ _, /** @type {unknown} */ value) {
  return typeof value === "bigint" ? value.toString() : value;
}

module.exports = { PollCounter, retrieved, sent, unscoped };
