/** Answers that are no live response. They are rare: this module is loaded with the first. */

import { MAX_WAIT_MS } from "./transport.mjs";

/** The longest text of an answer that is shown, in characters. */
const MAX_TEXT = 500;

/** @typedef {{ method: string, headers: Record<string, string>, body: string, signal: AbortSignal }} Init */

/**
 * Tells the wants of a request that they were refused, where the answer says so and time does not mend it. A body that the
 * relay does not understand is refused whole, for what may be the fault of one want: only those at fault are told, since the
 * others are those of the whole page, and of the tabs beside it.
 *
 * @param {import("./transport.mjs").Transport} transport
 * @param {import("./live.mjs").LiveRequest} request
 * @param {string} url
 * @param {Response} answer
 * @param {Init} init of the request
 * @returns {Promise<number | void>} in how many milliseconds to ask again, if that is known
 */
export async function refuse(transport, request, url, answer, init) {
  const { after, ...refused } = await refusalOf(url, answer);
  const { signal } = init;
  if (signal.aborted || !refused.status) return after;
  /** @type {{ id: string }[]} */
  const wants = JSON.parse(init.body).wants;
  /** @type {import("./transport.mjs").Batch} */
  const batch = [];
  const isOfForm = refused.status === 400 || refused.status === 413;
  const found = isOfForm && wants.length > 1 ? await faults(transport, url, init, wants) : [];
  // Which are at fault is not known yet: all are asked for again.
  if (!Array.isArray(found)) return found.after;
  // What is refused whole, and no want of it alone, is refused.
  const faulty = found.length > 0 ? found : /** @type {typeof found} */ ([[wants, refused]]);
  if (signal.aborted) return;
  for (const [ids, told] of faulty) {
    for (const { id } of ids) {
      const feed = request.feeds.get(id);
      if (feed) transport.take(request, feed, "error", told, batch);
    }
  }
  transport.onTold(batch);
  // The others are asked for at once.
  return found.length > 0 ? 2 : undefined;
}

/**
 * Finds the wants that are refused alone, by asking for halves. A failure that passes ends the search.
 *
 * @template T
 * @param {import("./transport.mjs").Transport} transport
 * @param {string} url
 * @param {Init} init
 * @param {T[]} wants which were refused together
 * @returns {Promise<[T[], object][] | { after?: number }>} each with its refusal, or when to ask again
 */
async function faults(transport, url, init, wants) {
  const middle = wants.length >> 1;
  /** @type {[T[], object][]} */
  const found = [];
  for (const half of [wants.slice(0, middle), wants.slice(middle)]) {
    const answer = await transport.hub.page.fetch(url, { ...init, body: JSON.stringify({ wants: half }) });
    if (isPassing(answer)) return refusalOf(url, answer);
    if (answer.status !== 400 && answer.status !== 413) await answer.body?.cancel();
    else if (half.length > 1) {
      const more = await faults(transport, url, init, half);
      if (!Array.isArray(more)) return more;
      found.push(...more);
    } else found.push([half, await refusalOf(url, answer)]);
  }
  return found;
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
  if (isPassing(response)) {
    const seconds = Number(headers.get("retry-after"));
    return seconds > 0 ? { after: Math.min(seconds * 1000, MAX_WAIT_MS) } : {};
  }
  /** @type {{ error?: unknown, hint?: unknown }} */
  let told = {};
  try {
    told = JSON.parse(text) ?? told;
  } catch {
    // A page of whatever answered.
  }
  const why = (status !== 404 && shown(told.error)) || "is the relay mounted there, and does it take POST?";
  return { status, message: `${url} answered ${status}: ${why}`, hint: shown(told.hint) };
}

/** What of an answer is shown: a text, and not all of a long one. @param {unknown} text */
function shown(text) {
  if (typeof text !== "string") return undefined;
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
