/**
 * A feed as a page of rules (docs/server-protocol.md 4), written to be obviously right and nothing
 * else: which answers make a client publish a row, and whether that row differs from the last one
 * published. The harness paces servers and states promises with it; it never decodes a value.
 */

/** Statuses in which a run stays, as the server writes them. */
export const TERMINAL = new Set([
  "COMPLETED_SUCCESSFULLY",
  "COMPLETED_WITH_ERRORS",
  "INTERRUPTED",
  "CANCELED",
  "CRASHED",
  "SYSTEM_FAILURE",
  "EXPIRED",
  "TIMED_OUT",
]);

/** Every raw status the protocol names; others are passed through (defect 21). */
export const KNOWN = new Set([
  ...TERMINAL,
  "DELAYED",
  "PENDING",
  "PENDING_VERSION",
  "WAITING_FOR_DEPLOY",
  "DEQUEUED",
  "EXECUTING",
  "RETRYING_AFTER_FAILURE",
  "PAUSED",
  "WAITING_TO_RESUME",
]);

function canonical(row) {
  return JSON.stringify(
    Object.keys(row)
      .sort()
      .map((column) => [column, row[column]]),
  );
}

export class FeedModel {
  #rows = new Map();
  #touched = new Set();
  #published = new Map();
  #upToDate = false;

  /**
   * One entry for every row a client that re-emits everything publishes, in order.
   * @type {{ row: Record<string, string | null>, changed: boolean }[]}
   */
  emissions = [];
  /** The status and body of the answer that ends the feed with an error, once there was one. */
  fatal = null;

  /** Rows published by a client that does not re-emit what did not change (defect 13). */
  get changes() {
    return this.emissions.filter((emission) => emission.changed);
  }

  /**
   * @param {{ status: number, body: string, live: boolean }} answer an answer the client was given
   */
  answer({ status, body, live }) {
    if (status === 409) {
      this.#rows.clear();
      this.#touched.clear();
      this.#upToDate = false;
      return;
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      this.fatal ??= { status, body };
      return;
    }
    // A catch-up answer to a client that is up to date already is a prefetch that no client reads.
    if (status !== 200 || (this.#upToDate && !live)) return;
    const messages = JSON.parse(body);
    for (const { key, value, headers } of messages) {
      if (headers.operation === "insert" || headers.operation === "update") {
        this.#rows.set(key, headers.operation === "update" ? { ...this.#rows.get(key), ...value } : value);
        this.#touched.add(key);
      } else if (headers.operation === "delete") {
        this.#rows.delete(key);
        this.#touched.delete(key);
      } else if (headers.control === "up-to-date") {
        this.#upToDate = true;
      }
    }
    if (!this.#upToDate) return;
    for (const key of this.#touched) {
      const row = this.#rows.get(key);
      const text = canonical(row);
      this.emissions.push({ row, changed: this.#published.get(key) !== text });
      this.#published.set(key, text);
    }
    this.#touched.clear();
  }
}
