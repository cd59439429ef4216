/** Packets that are stored elsewhere. Few are: this module is loaded with the first. */

import { backoff } from "./live.mjs";
import { isPassing } from "./refusal.mjs";

/** How often each of the relay and the store is asked, where what fails may pass. */
const TRIES = 5;
/** How long an answer may bring nothing, in milliseconds: a run is not shown before its packets came, or failed. */
const MAX_QUIET_MS = 30_000;

/** What came: `text` is empty where `ok` is false. @typedef {{ ok: boolean, status: number, type: string | null, text: string }} Got */

/**
 * Gets a packet that is stored elsewhere, through the relay, which says where.
 *
 * @param {import("./hub.mjs").Hub} hub
 * @param {string | undefined} token
 * @param {string} runId
 * @param {string} field
 * @param {string} path
 * @returns {Promise<import("./packet.mjs").Packet>}
 */
export async function loadPacket(hub, token, runId, field, path) {
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  const ask = (/** @type {string} */ at) => get(hub.page, `${hub.url()}/api/v1/${at}`, { headers });
  let found = await ask(`runs/${encodeURIComponent(runId)}/packets/${field}`);
  // Servers of before know the path alone.
  if (found.status === 404 && !/(^|\/)\.\.?(\/|$)/.test(path))
    found = await ask(`packets/${path.split("/").map(encodeURIComponent).join("/")}`);
  if (!found.ok) throw new Error(`it is stored elsewhere, and asking where was answered with ${found.status}`);
  const { presignedUrl } = JSON.parse(found.text);
  const stored = await get(hub.page, presignedUrl);
  if (!stored.ok) throw new Error(`the store answered ${stored.status}`);
  return { data: stored.text, type: stored.type ?? "application/json" };
}

/**
 * Gets what is at a URL, again where what failed may pass.
 *
 * @param {any} page
 * @param {string} url
 * @param {RequestInit} [init]
 */
async function get(page, url, init) {
  for (let attempt = 1; ; attempt++) {
    const watch = watchQuiet();
    try {
      const answer = await watch.heard(page.fetch(url, { ...init, signal: watch.signal }));
      if (attempt === TRIES || !isPassing(answer)) return await gotOf(answer, watch);
      answer.body?.cancel().catch(() => {});
    } catch (error) {
      // Who is quiet once is not waited for again.
      if (attempt === TRIES || watch.signal.aborted) throw error;
    } finally {
      watch.end();
    }
    await new Promise((resolve) => setTimeout(resolve, backoff(attempt - 1)));
  }
}

/** @param {Response} answer @param {ReturnType<typeof watchQuiet>} watch @returns {Promise<Got>} */
async function gotOf(answer, watch) {
  const { ok, status, headers } = answer;
  const decoder = new TextDecoder();
  const body = ok ? answer.body?.getReader() : undefined;
  let text = "";
  for (;;) {
    const { done, value } = (await (body && watch.heard(body.read()))) ?? { done: true };
    if (done) return { ok, status, type: headers.get("content-type"), text: text + decoder.decode() };
    text += decoder.decode(value, { stream: true });
  }
}

/** Watches that something comes. `signal` is aborted when nothing did. */
function watchQuiet() {
  const quiet = new AbortController();
  const { signal } = quiet;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
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
      return new Promise((resolve, reject) => {
        timer = setTimeout(() => {
          quiet.abort();
          reject(new Error(`it is stored elsewhere, and nothing came for ${MAX_QUIET_MS / 1000} s`));
        }, MAX_QUIET_MS);
        promise.then(resolve, reject);
      });
    },

    end: () => clearTimeout(timer),
  };
}
