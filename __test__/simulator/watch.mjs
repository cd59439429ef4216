/** What one reader saw, held against every state that each run had. */

import assert from "node:assert/strict";
import { SKIPPED } from "./world.mjs";

const STATUS = {
  PENDING: "QUEUED",
  DEQUEUED: "DEQUEUED",
  EXECUTING: "EXECUTING",
  PAUSED: "WAITING",
  COMPLETED_SUCCESSFULLY: "COMPLETED",
};

const parsed = (text) => (text === null || text === undefined ? undefined : JSON.parse(text));

export class Watch {
  /** The newest state of each run that was seen, by `updatedAt`. @type {Map<string, number>} */
  seen = new Map();
  checked = 0;
  /** Where the reader is, for a failure. */
  where = "";

  /**
   * @param {import('./world.mjs').World} world
   * @param {{ skips: string[], has: (n: number) => boolean, mayRepeat?: boolean, mayGoBack?: boolean }} view
   */
  constructor(world, view) {
    this.world = world;
    this.view = view;
  }

  /** A state of a run that was given: `columns` has payload, output, metadata, parsed, and the public status. */
  #take(id, updatedAt, columns) {
    const n = Number(id.slice("run_".length));
    assert.ok(this.view.has(n), `${id} is not in the feed`);
    const states = this.world.history.get(id);
    const state = states?.get(updatedAt);
    assert.ok(state, `${id} had no state of ${updatedAt}`);
    for (const name of SKIPPED) {
      if (this.view.skips.includes(name)) assert.equal(columns[name], undefined, `${id}: the skipped column ${name}`);
      else assert.deepEqual(columns[name], parsed(state[name]), `${id}: ${name} of ${updatedAt}`);
    }
    assert.equal(columns.status, STATUS[state.status], `${id}: status of ${updatedAt}`);
    const before = this.seen.get(id) ?? 0;
    this.checked += 1;
    if (this.view.mayGoBack && updatedAt < before) return;
    assert.ok(updatedAt >= before, `${id}: the state of ${updatedAt} after that of ${before} (${this.where})`);
    if (!this.view.mayRepeat) assert.notEqual(updatedAt, before, `${id}: the state of ${updatedAt} twice`);
    this.seen.set(id, updatedAt);
  }

  /** A run object of ours. */
  run(run) {
    assert.equal(run.decodeErrors, undefined, JSON.stringify(run.decodeErrors));
    this.#take(run.id, run.updatedAt.getTime(), run);
  }

  /** A run as an event of a response. */
  event(run) {
    this.#take(run.id, Date.parse(run.updatedAt), run);
  }

  /** A row as a viewer of a relay has it. */
  row(row) {
    const columns = Object.fromEntries(SKIPPED.map((name) => [name, parsed(row[name])]));
    this.#take(row.friendlyId, Date.parse(`${row.updatedAt}Z`), { ...columns, status: STATUS[row.status] });
  }

  /** Whether the reader has the last state of every run. */
  get isComplete() {
    return [...this.world.rows].every(
      ([n, row]) => !this.view.has(n, row) || this.seen.get(row.friendlyId) === Date.parse(`${row.updatedAt}Z`),
    );
  }

  /** What is missing, for a failure. */
  get missing() {
    return [...this.world.rows.values()]
      .filter((row) => this.seen.get(row.friendlyId) !== Date.parse(`${row.updatedAt}Z`))
      .map((row) => `${row.friendlyId} ${row.updatedAt}, seen ${this.seen.get(row.friendlyId)}`);
  }
}

/** The values of streams that a reader has, each once and in order. */
export class StreamWatch {
  /** @type {Map<string, number[]>} */
  values = new Map();
  checked = 0;

  constructor(world) {
    this.world = world;
  }

  take(run, key, value) {
    const name = `${run}/${key}`;
    const values = this.values.get(name) ?? [];
    this.values.set(name, values);
    assert.equal(value, values.length, `${name}: ${value} after ${values.slice(-3)}`);
    values.push(value);
    this.checked += 1;
  }

  restart(run, key) {
    this.values.delete(`${run}/${key}`);
  }

  complete(run, key) {
    assert.deepEqual(this.values.get(`${run}/${key}`) ?? [], this.world.valuesOf(run, key), `${run}/${key}`);
  }
}
