/** Packets that are stored elsewhere. Few are: this module is loaded with the first. */

import { backoff } from "./live.mjs";
import { isPassing } from "./refusal.mjs";

/** How often each of the relay and the store is asked, where what fails may pass. */
const TRIES = 5;
/**
 * How many requests of a host are under way at once. A browser has six connections to a host without HTTP/2, and holds further
 * requests back, which is no silence of the host: the page keeps the other two, one of them for the live response.
 */
const AT_ONCE = 4;
/** How long an answer may bring nothing, in milliseconds: a run is first shown when its packets came, or failed. */
const MAX_QUIET_MS = 30_000;

/** How long a server that says when to ask again is heeded, in milliseconds: five tries hold a run up for a minute. */
const MAX_AFTER_MS = 15_000;

/** For how long a URL of the store is good at least, in milliseconds. */
const URL_LIFE_MS = 60_000;

/**
 * How often another token is looked for, and for how long, in milliseconds: the relay ends what is followed within 15 s of the time
 * that a token is over, and only then another one is got.
 */
const RENEWAL_TICK_MS = 1000;
const RENEWAL_MS = 20_000;

/**
 * The requests of a host: how many are under way, what lets each one on that waits, and how often the host was heard.
 *
 * @typedef {{ busy: number, waiting: { go(): void, fail(error: Error): void }[], heard: number }} Host
 */

/** By their origins. @type {Map<string, Host>} */
const hosts = new Map();

/**
 * What came: `text` is empty where `ok` is false. `token` is the one that it was asked for with.
 *
 * @typedef {{ ok: boolean, status: number, type: string | null, text: string, token: string | undefined }} Got
 */

/**
 * Gets a packet that is stored elsewhere, through the relay, which says where. Where nobody waits for it when its turn comes, it is
 * not asked for: the promise is rejected with nothing.
 *
 * @param {import("./hub.mjs").Hub} hub
 * @param {import("./feed.mjs").Feed} feed
 * @param {string} key of its row
 * @param {string} runId
 * @param {string} field
 * @param {string} path
 * @returns {Promise<import("./packet.mjs").Packet>}
 */
export async function loadPacket(hub, feed, key, runId, field, path) {
  const { rows } = feed;
  // Of a run that changes its packet over and over, those of before would be asked for first, and hold up the last.
  const isCurrent = () => {
    const run = rows.get(key)?.run;
    return run?.id === runId && run[field]?.data === path;
  };
  // A token that was renewed has a feed of its own, with the same rows.
  const wanted = () =>
    isCurrent() ? [...hub.feeds.values(), feed].find((one) => one.rows === rows && isShown(one)) : undefined;

  /** @param {boolean} isAgain whether its turn came too late before @returns {Promise<Got>} */
  const load = async (isAgain) => {
    const get = (/** @type {string} */ url, isOfRelay = true) => getFrom(hub.page, url, wanted, isOfRelay, isAgain);
    const ask = (/** @type {string} */ at) => get(`${hub.url()}/api/v1/${at}`);
    const where = `runs/${encodeURIComponent(runId)}/packets/${field}`;
    let found = await ask(where);
    for (let ms = 0; found.token && found.status === 401 && ms < RENEWAL_MS; ms += RENEWAL_TICK_MS) {
      await new Promise((resolve) => setTimeout(resolve, RENEWAL_TICK_MS));
      if (wanted()?.subject.token !== found.token) found = await ask(where);
    }
    // Servers of before know the path alone.
    if (found.status === 404 && !/(^|\/)\.\.?(\/|$)/.test(path))
      found = await ask(`packets/${path.split("/").map(encodeURIComponent).join("/")}`);
    if (!found.ok) throw new Error(`it is stored elsewhere, and asking where was answered with ${found.status}`);
    const { presignedUrl } = JSON.parse(found.text);
    const got = Date.now();
    const stored = await get(presignedUrl, false);
    // Among many packets its turn may have come when the URL was good no longer. The next one is used before those that wait: behind
    // them it would be too late each time, for this packet and for all of them.
    return stored.status === 403 && !isAgain && Date.now() - got > URL_LIFE_MS ? load(true) : stored;
  };

  const stored = await load(false);
  if (!stored.ok) throw new Error(`the store answered ${stored.status}`);
  const type = stored.type ?? "application/json";
  // Whoever triggers a run writes it: it would be asked for over and over.
  if (/^\s*application\/store\s*(;|$)/i.test(type)) throw new Error("what is stored says that it is stored elsewhere");
  return { data: stored.text, type };
}

/** Whether somebody here waits for what a feed shows: other tabs hold with nothing that is called. @param {import("./feed.mjs").Feed} feed */
const isShown = ({ holders }) => [...holders.values()].some(Boolean);

/**
 * Gets what is at a URL, again where what failed may pass. Where nobody waits for it any more, the promise is rejected with nothing.
 *
 * @param {any} page
 * @param {string} url
 * @param {() => import("./feed.mjs").Feed | undefined} wanted the feed that waits for it
 * @param {boolean} isOfRelay whether the token of the feed goes with it
 * @param {boolean} isFirst whether it goes before those that wait
 * @returns {Promise<Got>}
 */
async function getFrom(page, url, wanted, isOfRelay, isFirst) {
  const { origin } = new URL(url, page.location?.href);
  let hasBeenQuiet = false;
  for (let attempt = 1; ; attempt++) {
    let wait = backoff(attempt - 1);
    /** @type {Watch | undefined} */
    let watch;
    try {
      watch = await turnAt(origin, isFirst);
      const feed = wanted();
      if (!feed) break;
      const { token } = feed.subject;
      const headers = isOfRelay && token ? { authorization: `Bearer ${token}` } : undefined;
      const answer = await watch.heard(page.fetch(url, { headers, signal: watch.signal }));
      if (attempt === TRIES || !isPassing(answer)) {
        const got = await gotOf(answer, watch, wanted);
        if (!got) break;
        return { ...got, token };
      }
      const after = Number(answer.headers.get("retry-after")) * 1000 || 0;
      wait = Math.max(wait, Math.min(after, MAX_AFTER_MS));
      answer.body?.cancel().catch(() => {});
    } catch (error) {
      // Who is quiet once may have been cut off, as by the sleep of the machine: who is quiet twice is not waited for again.
      const isQuiet = error instanceof QuietError;
      if (attempt === TRIES || (isQuiet && hasBeenQuiet)) throw error;
      hasBeenQuiet ||= isQuiet;
    } finally {
      watch?.end();
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
  return Promise.reject();
}

/**
 * What an answer brings; nothing where nobody waits for it any more: what trickles, or has no end, would keep its place.
 *
 * @param {Response} answer
 * @param {Watch} watch
 * @param {() => unknown} wanted
 * @returns {Promise<Omit<Got, "token"> | undefined>}
 */
async function gotOf(answer, watch, wanted) {
  const { ok, status, headers } = answer;
  const decoder = new TextDecoder();
  const body = ok ? answer.body?.getReader() : undefined;
  let text = "";
  if (!ok) answer.body?.cancel().catch(() => {});
  for (;;) {
    const { done, value } = (await (body && watch.heard(body.read()))) ?? { done: true };
    if (done) return { ok, status, type: headers.get("content-type"), text: text + decoder.decode() };
    if (!wanted()) return void body?.cancel().catch(() => {});
    text += decoder.decode(value, { stream: true });
  }
}

/** Of a host of which nothing came. */
class QuietError extends Error {}

/** @typedef {ReturnType<typeof watchQuiet>} Watch */

/**
 * Waits for the turn of a request.
 *
 * @param {string} origin
 * @param {boolean} isFirst
 * @returns {Promise<Watch>}
 * @throws {QuietError} where the host answers none of those that are under way
 */
async function turnAt(origin, isFirst) {
  const host = hosts.get(origin) ?? { busy: 0, waiting: [], heard: 0 };
  hosts.set(origin, host);
  if (host.busy >= AT_ONCE) {
    /** @type {Promise<void>} */
    const turn = new Promise((go, fail) => {
      host.waiting[isFirst ? "unshift" : "push"]({ go, fail });
    });
    // The place is handed over: it is busy all the while.
    await turn;
  } else host.busy++;
  return watchQuiet(origin, host);
}

/** Watches that something comes. `signal` is aborted when nothing did. @param {string} origin @param {Host} host */
function watchQuiet(origin, host) {
  const quiet = new AbortController();
  const { signal } = quiet;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** Lets the next one on. */
  const next = () => {
    const one = host.waiting.shift();
    if (one) one.go();
    else if (--host.busy === 0) hosts.delete(origin);
  };

  return {
    signal,

    /**
     * What a promise gives, if it does in time.
     *
     * @template T
     * @param {Promise<T>} promise
     * @returns {Promise<T>}
     */
    heard(promise) {
      clearTimeout(timer);
      const before = host.heard;
      return new Promise((resolve, reject) => {
        timer = setTimeout(() => {
          quiet.abort();
          const error = new QuietError(`it is stored elsewhere, and nothing came for ${MAX_QUIET_MS / 1000} s`);
          reject(error);
          // Those behind would wait as long, one after another.
          if (host.heard === before) for (const one of host.waiting.splice(0)) one.fail(error);
        }, MAX_QUIET_MS);
        promise.then((value) => {
          host.heard++;
          resolve(value);
        }, reject);
      });
    },

    end() {
      clearTimeout(timer);
      next();
    },
  };
}
