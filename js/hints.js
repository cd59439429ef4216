"use strict";

/**
 * What works and costs more than it need: told once per process, as a warning with a code that
 * `process.on("warning")` sees and `--no-warnings` or `--disable-warning` silence.
 */

/** So many looks at one run in this time are a loop. */
const LOOKS = 10;
const LOOKS_MS = 60_000;
/** Runs whose looks are counted; the one looked at longest ago goes first. */
const MOST_RUNS = 1_000;
/** Columns longer than this, in characters of JSON, are told of. */
const LARGE = 64 * 1024;
const COLUMNS = ["payload", "output"];

const given = new Set();

/** @param {string} code @param {string} message */
function hint(code, message) {
  if (given.has(code)) return;
  given.add(code);
  process.emitWarning(message, { type: "TriggerNativeWarning", code });
}

/** Counts looks at runs. */
class Looks {
  /** @type {Map<string, { since: number, count: number }>} */
  #runs = new Map();
  #now;

  /** @param {() => number} [now] milliseconds; default the process's clock */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** Whether this look at a run is one of a loop. @param {string} id */
  look(id) {
    const now = this.#now();
    const known = this.#runs.get(id);
    const seen = known && now - known.since < LOOKS_MS ? known : { since: now, count: 0 };
    seen.count += 1;
    this.#runs.delete(id);
    this.#runs.set(id, seen);
    if (this.#runs.size > MOST_RUNS) this.#runs.delete(/** @type {string} */ (this.#runs.keys().next().value));
    return seen.count >= LOOKS;
  }
}

const looks = new Looks();

/** A run was retrieved. @param {string} id */
function retrieved(id) {
  if (given.has("TRIGGER_NATIVE_POLLING") || !looks.look(id)) return;
  hint(
    "TRIGGER_NATIVE_POLLING",
    `runs.retrieve() was called ${LOOKS} times within a minute for one run: follow it with runs.subscribeToRun(), or with useRealtimeRun in a browser, which tell each change once.`,
  );
}

/** A run goes to a browser as this text. @param {any} run @param {number} length of the run's JSON */
function sent(run, length) {
  if (length < LARGE || given.has("TRIGGER_NATIVE_LARGE_COLUMNS")) return;
  const large = COLUMNS.filter((column) => (JSON.stringify(run?.[column], bigints)?.length ?? 0) >= LARGE);
  if (large.length === 0) return;
  hint(
    "TRIGGER_NATIVE_LARGE_COLUMNS",
    `A run goes to a browser with ${large.join(" and ")} of ${Math.round(length / 1024)} KB at every update: leave out what is not shown, with skipColumns: ${JSON.stringify(large)}.`,
  );
}

function bigints(/** @type {string} */ _, /** @type {unknown} */ value) {
  return typeof value === "bigint" ? value.toString() : value;
}

module.exports = { Looks, retrieved, sent };
