/** One live request and its response, which is asked for again whenever it ends or its wants change. */

import { eventParser } from "./events.mjs";

/** Silence after which a response counts as dead, in milliseconds: the relay sends a comment every 15 s. */
export const MAX_SILENCE_MS = 40_000;
/** When to ask again after `again`, in milliseconds. */
const AT_ONCE = 1;

/** @typedef {import("./feed.mjs").Feed} Feed */

/** The time until the next try, in milliseconds: 0.5 to 15 s, with jitter. @param {number} attempt from 0 */
export const backoff = (attempt) => Math.min(15_000, 500 * 2 ** attempt) * (0.5 + Math.random() / 2);

/**
 * @typedef {object} LiveRequest
 * @property {Map<string, Feed>} feeds those that are not over, by their ids on the wire
 * @property {boolean} isFull whether the longest body was reached: no more is added until something is dropped
 * @property {() => void} askSoon asks in a moment: all that want something at once share a request
 * @property {(silence: number) => void} check see `Carrier`
 * @property {() => void} stop
 */

/** @param {import("./transport.mjs").Transport} transport @returns {LiveRequest} */
export function liveRequest(transport) {
  const { hub } = transport;
  /** @type {Map<string, Feed>} */
  const feeds = new Map();
  /** The present response. @type {AbortController | undefined} */
  let response;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** When to ask next. */
  let due = Infinity;
  /** When something came last, or was asked for. */
  let heard = 0;
  let attempt = 0;
  /** How long a response has to last to be no failure, in milliseconds. */
  let enough = 0;
  /** How many requests in a row were not answered. */
  let unheard = 0;

  /** @param {number} ms */
  const askIn = (ms) => {
    const then = Date.now() + ms;
    if (due <= then) return;
    due = then;
    clearTimeout(timer);
    timer = setTimeout(ask, ms);
  };

  const ask = async () => {
    // From here on nothing of the old response is applied: the places say where the new one begins.
    request.stop();
    const mine = new AbortController();
    response = mine;
    const asked = Date.now();
    heard = asked;
    unheard++;
    enough = 10_000;
    let wait = /** @type {number | void} */ (undefined);
    try {
      if (feeds.size > 0) wait = await read(mine.signal);
    } catch {
      // The network, or an answer that nobody understands.
    }
    if (response !== mine) return;
    request.stop();
    if (feeds.size === 0) return transport.forget(request);
    const lasted = Date.now() - asked;
    if (lasted > enough) attempt = 0;
    // A relay that says `again` at once, over and over, is asked as one that fails.
    if (!wait || (wait === AT_ONCE && lasted < 1000)) wait = backoff(attempt++);
    askIn(wait);
  };

  /** Something came. */
  const hear = () => {
    heard = Date.now();
    unheard = 0;
  };

  /**
   * Reads a response to its end.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<number | void>} in how many milliseconds to ask again, if the relay said so
   */
  const read = async (signal) => {
    const url = `${hub.url()}/relay/v1/live`;
    const wants = Array.from(feeds, ([id, feed]) => ({ id, ...feed.subject, at: feed.places() }));
    const body = JSON.stringify({ wants });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body, signal };
    const isLong = new Blob([body]).size > transport.maxBody && wants[1];
    const answer = isLong ? undefined : await hub.page.fetch(url, init);
    /** @type {import("./transport.mjs").Batch} */
    let batch = [];
    if (!answer?.ok || !/event-stream/i.test(/** @type {string} */ (answer.headers.get("content-type")))) {
      // Until it is known what can be asked for, nothing is asked for beside it.
      clearTimeout(timer);
      due = 0;
      return (await import("./refusal.mjs")).refuse(transport, request, url, answer, init, hear);
    }
    /** @type {number | undefined} */
    let wait;
    const parse = eventParser((name, data) => {
      const [id, told] = JSON.parse(data);
      const feed = feeds.get(id);
      if (name === "again") wait = AT_ONCE;
      else if (feed) transport.take(request, feed, name, told, batch);
    });
    const reader = /** @type {ReadableStream} */ (answer.body).getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted || done) return wait;
      hear();
      try {
        parse(decoder.decode(value, { stream: true }));
      } finally {
        // There are platforms that cut each response after some seconds.
        if (batch[0]) enough = 1000;
        transport.onTold(batch);
        batch = [];
      }
    }
  };

  /** @type {LiveRequest} */
  const request = {
    feeds,
    isFull: false,

    // Where wants change faster than the relay answers, later and later: else no answer would come before the next change.
    askSoon: () => askIn(Math.min(2 * 4 ** unheard, 2000)),

    check(silence) {
      const now = Date.now();
      // A clock that was set back says as little as silence.
      if (response ? Math.abs(now - heard) >= silence : due < (silence < MAX_SILENCE_MS ? Infinity : now)) ask();
    },

    stop() {
      clearTimeout(timer);
      due = Infinity;
      response?.abort();
      response = undefined;
    },
  };
  return request;
}
