/** Answers that are no live response. They are rare: this module is loaded with the first. */

import { MAX_WAIT_MS } from "./transport.mjs";

/** The longest text of an answer that is shown, in characters. */
const MAX_TEXT = 500;

/** @typedef {{ method: string, headers: Record<string, string>, body: string, signal: AbortSignal }} Init */
/** @typedef {{ id: string }} Want */

/** When to ask again at once, in milliseconds. */
const SOON = 2;

/**
 * Tells the wants of a request that they were refused, where the answer says so and time does not mend it. A body that the
 * relay does not understand is refused whole, for what may be the fault of one want: only those at fault are told, since the
 * others are those of the whole page, and of the tabs beside it. A body that is too long goes over several requests.
 *
 * @param {import("./transport.mjs").Transport} transport
 * @param {import("./live.mjs").LiveRequest} request
 * @param {string} url
 * @param {Response | undefined} answer none where the body is too long to be sent
 * @param {Init} init of the request
 * @param {() => void} hear is called with each further answer
 * @returns {Promise<number | void>} in how many milliseconds to ask again, if that is known
 */
export async function refuse(transport, request, url, answer, init, hear) {
  const { after, ...refused } = answer ? await refusalOf(url, answer) : { status: 413 };
  const { signal } = init;
  if (signal.aborted || !refused.status) return after;
  /** @type {Want[]} */
  const wants = JSON.parse(init.body).wants;
  if (refused.status === 413 && wants.length > 1) {
    // What is before the relay may take less than the relay.
    if (answer) transport.maxBody = bytesOf(init.body) / 2;
    shorten(transport, request, wants);
    return SOON;
  }
  let found = 0;
  const tell = (/** @type {Want[]} */ faulty, /** @type {object} */ told) => {
    /** @type {import("./transport.mjs").Batch} */
    const batch = [];
    for (const want of faulty) {
      const feed = request.feeds.get(want.id);
      const message = misuseOf(want);
      if (feed && !signal.aborted) transport.take(request, feed, "error", message ? { ...told, message } : told, batch);
    }
    found += faulty.length;
    transport.onTold(batch);
  };
  if (refused.status === 400 && wants.length > 1) {
    const passing = await find(transport.hub.page, url, init, wants, hear, tell);
    // Which others are at fault is not known yet: all are asked for again.
    if (passing) return passing.after;
  }
  // The others are asked for at once.
  if (found > 0) return SOON;
  // What is refused whole, and no want of it alone, is refused.
  tell(wants, refused);
}

/** What has to be a text of a want, by what a page calls it. */
const TEXTS = Object.entries({
  token: "accessToken has to be a text, or a function that gives one",
  run: "The id of a run has to be a text",
  batch: "The id of a batch has to be a text",
});

/**
 * What of a want is no text and has to be one: the relay names its place in a body, which says nothing to who wrote the page.
 *
 * @param {Want} want
 */
function misuseOf(want) {
  for (const [field, rule] of TEXTS) {
    const value = /** @type {Record<string, unknown>} */ (want)[field];
    if (value !== undefined && typeof value !== "string") return `${rule}, and is of type ${typeof value}`;
  }
  return undefined;
}

/**
 * Has other requests ask for what does not fit into one.
 *
 * @param {import("./transport.mjs").Transport} transport
 * @param {import("./live.mjs").LiveRequest} request
 * @param {Want[]} wants
 */
function shorten(transport, request, wants) {
  let length = bytesOf(JSON.stringify({ wants: [] }));
  request.isFull = true;
  for (const want of wants) {
    length += bytesOf(JSON.stringify(want)) + 1;
    const feed = request.feeds.get(want.id);
    if (!feed || want === wants[0] || length <= transport.maxBody) continue;
    request.feeds.delete(want.id);
    transport.want(feed);
  }
}

/** @param {string} text */
const bytesOf = (text) => new Blob([text]).size;

/**
 * Finds the wants that are refused alone, by asking for halves, and tells each as soon as it is found: where the search ends
 * early, the next one has less to find. A failure that passes ends it.
 *
 * @param {any} page
 * @param {string} url
 * @param {Init} init
 * @param {Want[]} wants which were refused together
 * @param {() => void} hear
 * @param {(faulty: Want[], told: object) => void} tell
 * @returns {Promise<{ after?: number } | void>} the failure that passes
 */
async function find(page, url, init, wants, hear, tell) {
  const middle = wants.length >> 1;
  for (const half of [wants.slice(0, middle), wants.slice(middle)]) {
    const answer = await page.fetch(url, { ...init, body: JSON.stringify({ wants: half }) });
    hear();
    if (isPassing(answer)) return refusalOf(url, answer);
    if (answer.status !== 400) await answer.body?.cancel();
    else if (half.length === 1) tell(half, await refusalOf(url, answer));
    else {
      const passing = await find(page, url, init, half, hear, tell);
      if (passing) return passing;
    }
  }
}

/**
 * Whether an answer is a failure that passes.
 *
 * @param {Response} answer
 */
export const isPassing = ({ status, headers }) =>
  status === 408 || status === 429 || (status >= 500 && headers.get("x-should-retry") !== "false");

/**
 * The error of an answer that is no live response. Without a status, it passes: `after` how many milliseconds, where it says so.
 *
 * @param {string} url
 * @param {Response} response
 * @returns {Promise<Partial<import("./feed.mjs").Refusal>>}
 */
async function refusalOf(url, response) {
  const { status, headers } = response;
  const text = await response.text();
  const why = whyOf(status, text);
  if (isPassing(response)) {
    // It is asked again, and nothing is shown: a fault of what is mounted there, such as a key that is missing, would not be found.
    if (status === 500) warn(`${url} answers 500: ${why.error}. The server's log may say more.`);
    const seconds = Number(headers.get("retry-after"));
    return seconds > 0 ? { after: Math.min(seconds * 1000, MAX_WAIT_MS) } : {};
  }
  return { status, message: `${url} answered ${status}: ${why.error}`, hint: why.hint };
}

/** @param {number} status @param {string} text */
function whyOf(status, text) {
  /** @type {{ error?: unknown, hint?: unknown }} */
  let told = {};
  try {
    told = JSON.parse(text) ?? told;
  } catch {
    // A page of whatever answered.
  }
  const error = (status !== 404 && shown(told.error)) || "is the relay mounted there, and does it take POST?";
  return { error, hint: shown(told.hint) };
}

/** What the console was told. @type {Set<string>} */
const warned = new Set();

/** Warns whoever develops the page, once for each text. @param {string} text */
function warn(text) {
  if (warned.has(text) || warned.size >= 10) return;
  warned.add(text);
  console.warn(text);
}

/** What of an answer is shown: a text, and not all of a long one. @param {unknown} text */
function shown(text) {
  if (typeof text !== "string") return undefined;
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
