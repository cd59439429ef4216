// A run that is asked for now and then, once for all components of a page that show it.

import { backoff } from "../live.mjs";
import { Kept } from "./kept.mjs";
import { request, TriggerApiError } from "./request.mjs";
import { FAST_TRIES } from "./shared-follow.mjs";
import { View } from "./view.mjs";

/** @typedef {import("../../types/run-calls.js").RetrievedRun} Retrieved */
/** @typedef {import("../../types/react.js").UseRunOptions} Options */
/** @typedef {{ access: import("./access.mjs").Access, options: Options | undefined }} Member one component, with its last render */
/** @typedef {{ run: Retrieved | undefined, error: Error | undefined, isValidating: boolean, subject?: undefined }} RunState */

/** What is known before the first answer: it is asked for as soon as the page is there. @type {RunState} */
export const UNKNOWN = { run: undefined, error: undefined, isValidating: true };

/** An answer so young (ms) is good for a component that comes, and a focus so soon after another one asks nothing. */
const FRESH_MS = 2_000;
const FOCUS_MS = 5_000;

/** The first wait after a failure, and the longest (ms). */
const RETRY_MS = 5_000;
const MAX_RETRY_MS = 300_000;

/** Refusals that neither time nor another token mends. */
const FINAL = [400, 422];

/** A run in one of these will not change: a cancelled or expired one too, which the official hook asks for without end. */
const OVER = ["COMPLETED", "CANCELED", "FAILED", "CRASHED", "SYSTEM_FAILURE", "EXPIRED", "TIMED_OUT"];

/** Times of a run, which come as texts. */
const TIMES = ["createdAt", "updatedAt", "startedAt", "finishedAt", "delayedUntil", "expiredAt"];

export class Query {
  /** @type {View<RunState>} */
  view = new View(UNKNOWN);
  /** @type {Set<{ readonly current: Member }>} */
  #members = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** When it asks, while it is set. */
  #due = Number.POSITIVE_INFINITY;
  /** @type {AbortController | undefined} */
  #underWay;
  #askedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  /** The tokens that were refused since the last answer; of components without one, themselves. @type {Set<unknown>} */
  #refused = new Set();
  /** The last token that a refresher gave, until it is refused. @type {string | undefined} */
  #fresh;
  /** The component whose refresher is waited for. @type {{ readonly current: Member } | undefined} */
  #awaited;
  #runId;

  /** @param {string} runId */
  constructor(runId) {
    this.#runId = runId;
  }

  isUsed = () => this.#members.size > 0 || this.view.isUsed();

  /** Shows the run to a component until it leaves. @param {{ readonly current: Member }} member */
  join(member) {
    this.#members.add(member);
    if (member.current.access.accessToken) this.#fresh = undefined;
    const { error } = this.view.get();
    if (error || Date.now() - this.#askedAt > FRESH_MS) this.#askInTime();
    else this.#schedule();
    const listens = typeof window !== "undefined";
    const onFocus = () => {
      const wanted = member.current.options?.revalidateOnFocus && document.visibilityState !== "hidden";
      if (wanted && Date.now() - this.#askedAt > FOCUS_MS) this.#ask();
    };
    const onOnline = () => member.current.options?.revalidateOnReconnect && this.#ask();
    if (listens) {
      window.addEventListener("focus", onFocus);
      document.addEventListener("visibilitychange", onFocus);
      window.addEventListener("online", onOnline);
    }
    return () => {
      this.#members.delete(member);
      if (listens) {
        window.removeEventListener("focus", onFocus);
        document.removeEventListener("visibilitychange", onFocus);
        window.removeEventListener("online", onOnline);
      }
      // Strict mode leaves and comes back at once.
      queueMicrotask(() => {
        // Its refresher, which may hang, is nothing to those who stay.
        if (this.#awaited && !this.#members.has(this.#awaited)) {
          this.#abort();
          this.#ask();
        }
        this.#schedule();
      });
    };
  }

  /** Asks, later and later where that fails again and again: a component may be rendered with another token each time. */
  #askInTime() {
    const tries = this.#failures - FAST_TRIES;
    if (tries < 0 || Date.now() - this.#askedAt > backoff(tries)) this.#ask();
    else this.#schedule();
  }

  async #ask() {
    // Each component has a token of its own, and may be rendered with another one.
    const member = this.#untried() ?? [...this.#members][0];
    if (this.#underWay || !member) return;
    const { access } = member.current;
    const accessToken = this.#fresh ?? access.accessToken;
    // It may be rendered with another one by the time this one is refused.
    const key = keyOf(member);
    this.#unset();
    const asked = new AbortController();
    this.#underWay = asked;
    this.#askedAt = Date.now();
    this.view.show({ isValidating: true });
    try {
      const path = `/api/v3/runs/${encodeURIComponent(this.#runId)}`;
      const refreshAccessToken = this.#refresherOf(member);
      const given = { ...access, accessToken, refreshAccessToken };
      const { data, token } = await request(given, path, "status", undefined, asked.signal);
      this.#fresh = token === access.accessToken ? undefined : token;
      // It is as young as this, however long it took.
      this.#askedAt = Date.now();
      this.#failures = 0;
      this.#refused.clear();
      this.view.show({ run: kept(this.view.get().run, read(data)), error: undefined, isValidating: false });
    } catch (error) {
      if (asked.signal.aborted) return;
      this.#failures++;
      const { status } = /** @type {{ status?: number }} */ (error);
      // The others may have a token, where one's refresher failed.
      const isOfServer = error instanceof TriggerApiError;
      if (status === 401 || status === 403 || !isOfServer) this.#refused.add(key);
      this.#fresh = undefined;
      this.view.show({ error: /** @type {Error} */ (error), isValidating: false });
    } finally {
      if (this.#underWay === asked) this.#underWay = undefined;
    }
    if (this.#refused.has(key) && this.#untried()) this.#askInTime();
    else this.#schedule();
  }

  /** What asks a component's refresher, and tells meanwhile whose it is. @param {{ readonly current: Member }} member */
  #refresherOf(member) {
    const { refreshAccessToken: refresh } = member.current.access;
    return (
      refresh &&
      (async () => {
        this.#awaited = member;
        try {
          return await refresh();
        } finally {
          if (this.#awaited === member) this.#awaited = undefined;
        }
      })
    );
  }

  /** A component whose token was not refused, since others were. */
  #untried() {
    return [...this.#members].find((member) => !this.#refused.has(keyOf(member)));
  }

  /** Ends the request that is under way. */
  #abort() {
    if (this.#underWay) this.#askedAt = Number.NEGATIVE_INFINITY;
    this.#underWay?.abort();
    this.#underWay = undefined;
    this.#awaited = undefined;
  }

  #unset() {
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
  }

  /** Sets the timer of the next request, or ends what nobody waits for. */
  #schedule() {
    if (this.#members.size === 0) {
      this.#unset();
      this.#abort();
      return;
    }
    const delay = this.#underWay ? undefined : this.#delay();
    // It is not later for those who come and go meanwhile.
    if (delay !== undefined && this.#due <= Date.now() + delay) return;
    this.#unset();
    if (delay === undefined) return;
    this.#due = Date.now() + delay;
    this.#timer = setTimeout(() => {
      this.#unset();
      if (isAway()) this.#schedule();
      else this.#ask();
    }, delay);
  }

  /** How long until the next request, if there is to be one. */
  #delay() {
    const { run, error } = this.view.get();
    if (error) {
      const status = /** @type {{ status?: number }} */ (error).status;
      if (status === 401 || status === 403) return this.#untried() && backoff(this.#failures - FAST_TRIES);
      if (status !== undefined && FINAL.includes(status)) return undefined;
      return Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** (this.#failures - 1));
    }
    if (run && OVER.includes(run.status)) return undefined;
    const intervals = [...this.#members].map(({ current }) => current.options?.refreshInterval ?? 0);
    // With more, a timer is over at once.
    const some = intervals.filter((interval) => interval > 0 && interval < 2 ** 31);
    return some.length > 0 ? Math.min(...some) : undefined;
  }
}

/** What tells the access of a component from that of others. @param {{ readonly current: Member }} member */
function keyOf(member) {
  return member.current.access.accessToken ?? member;
}

/** Whether nobody sees the page, or it cannot ask. */
function isAway() {
  return document.visibilityState === "hidden" || navigator.onLine === false;
}

/** A run as the official client reads it. @param {any} run `any`: a server's JSON @returns {Retrieved} */
function read(run) {
  const { root, parent, children } = run.relatedRuns ?? {};
  const relatedRuns = {
    ...(root ? { root: withDates(root) } : {}),
    ...(parent ? { parent: withDates(parent) } : {}),
    ...(children ? { children: children.map(withDates) } : {}),
  };
  return { attemptCount: 0, ...withDates(run), relatedRuns };
}

/** A run with its times as dates. @param {any} run `any`: a server's JSON */
function withDates(run) {
  const copy = { ...run };
  for (const name of TIMES) if (copy[name]) copy[name] = new Date(copy[name]);
  return copy;
}

/** The run before where nothing changed: a component is not rendered for the same. @param {Retrieved | undefined} before @param {Retrieved} now */
function kept(before, now) {
  return before && JSON.stringify(before) === JSON.stringify(now) ? before : now;
}

/** Those of components that are there, and some for those that come back. @type {Kept<Query>} */
const queries = new Kept(200);

/**
 * The query of a run; a server has one for each component, since it has many pages.
 *
 * @param {[url: string, share: boolean | string]} scope the relay and the user
 * @param {string} runId
 */
export function queryOf(scope, runId) {
  if (typeof window === "undefined") return new Query(runId);
  return queries.get(JSON.stringify([...scope, runId]), () => new Query(runId));
}
