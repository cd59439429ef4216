/** The answers to requests of feeds, of either server (docs/server-protocol.md 4). */

import { EventEmitter, once } from "node:events";
import { keyOf, SKIPPED, TAGS } from "./world.mjs";

const UP_TO_DATE = { headers: { control: "up-to-date" } };
const MUST_REFETCH = { headers: { control: "must-refetch" } };
/** How long the native server remembers a change between two live requests. */
const MEMORY_MS = 400;
/** Longer than what counts as an answer at once, and shorter than any reader's patience. */
const HOLD_MS = [1_100, 700];

const SCHEMA = {
  ...Object.fromEntries(
    [
      ["id", "taskIdentifier", "friendlyId", "status", "payload", "payloadType", "output", "outputType"],
      ["metadata", "metadataType"],
    ]
      .flat()
      .map((name) => [name, { type: "text" }]),
  ),
  createdAt: { type: "timestamp" },
  updatedAt: { type: "timestamp" },
  completedAt: { type: "timestamp" },
  runTags: { type: "text", dims: 1 },
  realtimeStreams: { type: "text", dims: 1 },
};

/** The view that a request asks for. */
export function viewOf(url) {
  const skips = (url.searchParams.get("skipColumns") ?? "").split(",").filter((name) => SKIPPED.includes(name));
  const shows = (name) => !skips.includes(name);
  const run = /^\/realtime\/v1\/runs\/run_(\d+)$/.exec(url.pathname)?.[1];
  const tags = url.searchParams.get("tags")?.split(",") ?? [];
  const has = (n, row) => {
    if (run !== undefined) return n === Number(run);
    return url.pathname.includes("/batches/") ? n % 3 === 0 : tags.every((tag) => row.runTags.includes(tag));
  };
  const shown = (row, names = Object.keys(row)) =>
    Object.fromEntries(names.filter(shows).map((name) => [name, row[name]]));
  return { key: `${url.pathname}?${tags}&${skips}`, has, shown, shows };
}

export class Feeds {
  /** Electric's logs by view. */
  #logs = new Map();
  #cache = new Map();
  #changed = new EventEmitter().setMaxListeners(0);
  answers = 0;

  constructor(world) {
    this.world = world;
    this.rng = world.rng;
    world.onChange(({ n, before, after }) => {
      if (!after) return;
      for (const log of this.#logs.values()) this.#append(log, n, before, after);
      this.#changed.emit("change");
    });
  }

  #append({ view, messages }, n, before, after) {
    if (!view.has(n, after)) return;
    const names = before ? Object.keys(after).filter((name) => after[name] !== before[name]) : undefined;
    const value = view.shown(after, names);
    if (Object.keys(value).length > 0) {
      messages.push({ key: keyOf(n), value, headers: { operation: before ? "update" : "insert" } });
    }
  }

  #rebuild(log) {
    log.handle += 1;
    log.messages = [];
    for (const [n, row] of this.world.rows) this.#append(log, n, undefined, row);
  }

  /** @returns {Promise<{ status: number, headers: Record<string, string>, body: string }>} */
  async answer(url) {
    const view = viewOf(url);
    const cached = this.#cache.get(url.href);
    if (cached && this.rng.oneIn(20)) return cached;
    const end = performance.now() + HOLD_MS[0] + this.rng.below(HOLD_MS[1]);
    for (;;) {
      const left = end - performance.now();
      const answer = this.world.native ? this.#native(url, view, left <= 0) : this.#electric(url, view, left <= 0);
      if (answer) {
        this.answers += 1;
        return answer;
      }
      const held = new AbortController();
      const timer = setTimeout(() => held.abort(), left);
      await once(this.#changed, "change", { signal: held.signal }).catch(() => {});
      clearTimeout(timer);
    }
  }

  #native(url, view, isOver) {
    const { changes, rows } = this.world;
    const offset = url.searchParams.get("offset");
    const from = offset === "-1" ? undefined : Number(offset.split("_")[1]);
    const news = from === undefined ? [] : changes.slice(from).filter(({ n }) => view.has(n, rows.get(n)));
    const isYoung = news.some(({ at }) => at + MEMORY_MS > Date.now());
    if (url.searchParams.get("live") === "true" && from !== undefined && !isOver && !isYoung) return;
    const numbers = from === undefined ? [...rows.keys()] : [...new Set(news.map(({ n }) => n))];
    const messages = numbers
      .filter((n) => view.has(n, rows.get(n)))
      .map((n) => ({
        key: keyOf(n),
        value: view.shown(rows.get(n)),
        headers: { operation: from === undefined ? "insert" : "update" },
      }));
    const handle = url.searchParams.get("handle") ?? "runs_0_9_78450bdb";
    return this.#answered(url, view, handle, `${Date.now()}_${changes.length}`, [...messages, UP_TO_DATE]);
  }

  #electric(url, view, isOver) {
    let log = this.#logs.get(view.key);
    if (!log) {
      log = { view, handle: 0, messages: [] };
      this.#logs.set(view.key, log);
      this.#rebuild(log);
    }
    if (this.rng.oneIn(60) && !isOver) this.#rebuild(log);
    const handle = `31415926-${1795333503488000 + log.handle}`;
    const offset = url.searchParams.get("offset");
    const isLive = url.searchParams.get("live") === "true";
    if (offset !== "-1" && url.searchParams.get("handle") !== handle) {
      const body = JSON.stringify([MUST_REFETCH]);
      return { status: 409, headers: this.rng.oneIn(6) ? {} : { "electric-handle": handle }, body };
    }
    const from = offset === "-1" ? 0 : Number(offset.split("_")[0]);
    const end = log.messages.length;
    if (isLive && offset !== "-1" && from === end) {
      if (!isOver) return;
      if (this.rng.oneIn(8))
        return { status: 204, headers: { "electric-handle": handle, "electric-offset": offset }, body: "" };
    }
    const to = this.rng.oneIn(4) ? from + this.rng.below(end - from + 1) : end;
    const messages = log.messages.slice(from, to);
    if (to === end) messages.push(UP_TO_DATE);
    const answer = this.#answered(url, view, handle, `${to}_${this.rng.oneIn(4) ? "inf" : 0}`, messages);
    this.#cache.set(url.href, answer);
    return answer;
  }

  #answered(url, view, handle, offset, messages) {
    const schema = Object.fromEntries(Object.entries(SCHEMA).filter(([name]) => view.shows(name)));
    const headers = { "electric-handle": handle, "electric-offset": offset, "electric-schema": JSON.stringify(schema) };
    if (url.searchParams.get("live") === "true") headers["electric-cursor"] = String(this.answers);
    return { status: 200, headers, body: JSON.stringify(messages) };
  }
}

/** The paths of feeds: of one run, of tags, of a batch. */
export const pathOf = {
  run: (n) => `/realtime/v1/runs/run_${n}`,
  tags: (count) => `/realtime/v1/runs?tags=${TAGS.slice(0, count)}`,
  batch: () => "/realtime/v1/batches/batch_1",
};
