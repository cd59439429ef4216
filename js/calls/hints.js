"use strict";

/**
 * What works, and is a mistake or costs more than it needs: told once per process, as a warning with a code that
 * `process.on("warning")` sees and `--no-warnings` or `--disable-warning` silence. Where `TRIGGER_NATIVE_STRICT` is set
 * it is refused instead, each time, by an error with the same words (docs/calls.md).
 */

const { TriggerNativeError } = require("../errors/errors.js");

/** So many looks at one run in this time are a loop. */
const LOOKS = 10;
const LOOKS_MS = 60_000;
/** Runs whose looks are counted; the one looked at longest ago goes first. */
const MAX_RUNS = 1_000;
/** Columns longer than this, in characters of JSON, are told of. */
const LARGE = 64 * 1024;
const COLUMNS = ["payload", "output"];

const given = new Set();

/** Looked at each time, as tests set it; on like any of Node's own switches. */
const isStrict = () => !["", "0", "false"].includes(process.env.TRIGGER_NATIVE_STRICT ?? "");

/** Whether anything would come of a hint. @param {string} name */
const isOpen = (name) => isStrict() || !given.has(name);

/** @param {"NO_SCOPES" | "POLLING" | "LARGE_COLUMNS"} name the end of the code @param {string} message */
function hint(name, message) {
  if (isStrict()) throw new TriggerNativeError(`ERR_${name}`, message);
  if (given.has(name)) return;
  given.add(name);
  process.emitWarning(message, { type: "TriggerNativeWarning", code: `TRIGGER_NATIVE_${name}` });
}

/** A public token is made that may do nothing. */
function unscoped() {
  hint(
    "NO_SCOPES",
    'A public token without scopes may do nothing: add them, for example auth.createPublicToken({ scopes: { read: { runs: ["run_1234"] } } }).',
  );
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
    if (this.#runs.size > MAX_RUNS) this.#runs.delete(/** @type {string} */ (this.#runs.keys().next().value));
    return seen.count >= LOOKS;
  }
}

const looks = new Looks();

/** A run was retrieved. @param {string} id */
function retrieved(id) {
  if (!isOpen("POLLING") || !looks.look(id)) return;
  hint(
    "POLLING",
    `runs.retrieve() was called ${LOOKS} times within a minute for one run: follow it with runs.subscribeToRun(), or with useRealtimeRun in a browser, which tell each change once.`,
  );
}

/** A run goes to a browser as this text. @param {any} run @param {number} length of the run's JSON */
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

module.exports = { Looks, retrieved, sent, unscoped };
