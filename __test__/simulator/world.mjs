/**
 * The runs of a simulated server: their true states, every one they ever had, and the streams that they write.
 *
 * A state is told apart by its `updatedAt`, which is another one for each change of a run.
 */

import { random } from "../support/chunks.mjs";

/** Columns that a reader may skip. */
export const SKIPPED = ["payload", "output", "metadata"];
export const TAGS = ["a", "b"];
const STATUSES = ["PENDING", "DEQUEUED", "EXECUTING", "PAUSED"];
const TEXTS = [
  "",
  "short",
  '","payload":"xxxxxx',
  '{"payload":"xxxxxx"}',
  "\\",
  "é\u{1F680}\u2028",
  "up-to-date",
  "]}",
];
const FINISHED = "COMPLETED_SUCCESSFULLY";

/** @param {number} seed */
export function dice(seed) {
  const next = random(seed);
  const below = (/** @type {number} */ end) => Math.floor(next() * end);
  return {
    below,
    oneIn: (/** @type {number} */ many) => below(many) === 0,
    pick: (list) => list[below(list.length)],
  };
}

const time = (/** @type {number} */ ms) => new Date(ms).toISOString().slice(0, -1);
export const keyOf = (/** @type {number} */ n) => `"public"."TaskRun"/"c${n}"`;

export class World {
  /** The present rows by number, as the server writes them. @type {Map<number, Record<string, string | null>>} */
  rows = new Map();
  /** Every state of each run by its `updatedAt`, in the order in which they came. @type {Map<string, Map<number, object>>} */
  history = new Map();
  /** Native: the number and the time of each change. */
  changes = [];
  /** The values of each stream, `run_1/ai`. @type {Map<string, { v2: boolean, entries: object[] }>} */
  streams = new Map();
  #listeners = new Set();
  #nowMs = Date.now();

  /**
   * @param {ReturnType<typeof dice>} rng
   * @param {{ native: boolean, runs: number, long: boolean, v2: boolean }} habits
   */
  constructor(rng, habits) {
    this.rng = rng;
    this.habits = habits;
    this.native = habits.native;
    for (let n = 0; n < habits.runs; n++) this.#insert(n);
  }

  /** Calls `listener({ n, before, after })` at each change, until the function that it returns is called. */
  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isFinished(n) {
    return this.rows.get(n)?.status === FINISHED;
  }

  #text(n) {
    const long = this.habits.long && this.rng.oneIn(3) ? "a long text ".repeat(this.rng.below(1_200)) : "";
    return JSON.stringify({ of: n, at: this.#nowMs, text: long + this.rng.pick(TEXTS) });
  }

  #insert(n) {
    this.#nowMs = Math.max(this.#nowMs + 1, Date.now());
    const tags = TAGS.filter((tag, index) => index === 0 || n % 2 === 0 || tag === "none");
    this.#put(n, {
      id: `c${n}`,
      taskIdentifier: "task",
      friendlyId: `run_${n}`,
      status: "PENDING",
      createdAt: time(this.#nowMs),
      payload: this.#text(n),
      payloadType: "application/json",
      output: null,
      outputType: "application/json",
      metadata: this.#text(n),
      metadataType: "application/json",
      runTags: `{${tags.join(",")}}`,
      realtimeStreams: "{ai,log}",
      completedAt: null,
    });
    for (const key of ["ai", "log"])
      this.streams.set(`run_${n}/${key}`, { v2: this.habits.v2 || n % 2 === 0, entries: [] });
  }

  #put(n, columns) {
    const before = this.rows.get(n);
    const after = { ...columns, updatedAt: time(this.#nowMs) };
    this.rows.set(n, after);
    const states = this.history.get(`run_${n}`) ?? new Map();
    this.history.set(`run_${n}`, states.set(this.#nowMs, after));
    this.changes.push({ n, at: Date.now() });
    for (const listener of this.#listeners) listener({ n, before, after });
  }

  /** Changes a run that is not finished. */
  change(n = this.rng.below(this.rows.size)) {
    if (this.isFinished(n)) return;
    this.#nowMs = Math.max(this.#nowMs + 1, Date.now());
    const column = this.rng.pick(["status", "status", "output", "metadata", "payload"]);
    const value = column === "status" ? this.rng.pick(STATUSES) : this.#text(n);
    this.#put(n, { ...this.rows.get(n), [column]: value });
  }

  /** A run writes a value to a stream: each value is its own number. */
  write(n, key) {
    if (this.isFinished(n)) return;
    const { v2, entries } = this.streams.get(`run_${n}/${key}`);
    const values = entries.filter((entry) => entry.value !== undefined).length;
    // v2: an append that was tried again. v1: several events of one millisecond have one id.
    const again = v2 && values > 0 && this.rng.oneIn(6);
    const last = entries.at(-1)?.id ?? 0;
    const id = v2 ? entries.length : Math.max(1, last + (this.rng.oneIn(3) ? 0 : 1));
    entries.push({ id, value: again ? undefined : values, append: again ? values - 1 : values });
    for (const listener of this.#listeners) listener({ n });
  }

  finish(n) {
    if (this.isFinished(n)) return;
    this.#nowMs = Math.max(this.#nowMs + 1, Date.now());
    this.#put(n, {
      ...this.rows.get(n),
      status: FINISHED,
      output: this.#text(n),
      completedAt: time(this.#nowMs),
    });
  }

  valuesOf(run, key) {
    const entries = this.streams.get(`${run}/${key}`)?.entries ?? [];
    return entries.flatMap(({ value }) => (value === undefined ? [] : [value]));
  }
}
