// One call of the API through the relay, as the official hooks make it.

import { askRefresher } from "./access.mjs";

/** The version of the official client whose requests these are. */
const PROTOCOL_VERSION = "4.8.3";

const RETRY = { maxAttempts: 5, minTimeoutInMs: 1_000, maxTimeoutInMs: 30_000, factor: 1.6, randomize: false };

/** No wait between two attempts is longer, whatever a server says (defects.md 19). */
const MAX_WAIT_MS = 30_000;

/** A refusal by the server or the relay, with the official error's name and fields. */
export class TriggerApiError extends Error {
  name = "TriggerApiError";

  /**
   * @param {number | undefined} status `undefined` where nothing answered
   * @param {any} body the answer as JSON, of any form: hence `any`
   * @param {string} text where it is none
   * @param {Headers} [headers]
   */
  constructor(status, body, text, headers) {
    super(messageOf(status, body?.error, text));
    const fields = typeof body?.error === "object" && body.error ? body.error : body;
    this.status = status;
    this.headers = headers && Object.fromEntries(headers);
    this.body = body;
    this.error = body?.error;
    /** What to do about it, where the relay says so. */
    this.hint = body?.hint;
    this.code = fields?.code;
    this.param = fields?.param;
    this.type = fields?.type;
  }
}

/** @param {number | undefined} status @param {any} error of any form: hence `any` @param {string} text */
function messageOf(status, error, text) {
  const said = error?.message ?? error;
  if (said) return typeof said === "string" ? said : JSON.stringify(said);
  if (status === undefined) return text;
  return `${status} ${text || "status code (no body)"}`;
}

/**
 * Makes a call, again where that can help, and gives its answer. The body is read before anything is waited for: what its
 * maker does with it then is not sent. A refresher is asked once, where there is no token or it is refused.
 *
 * @param {import("./access.mjs").Access} access
 * @param {string} path
 * @param {string} has what the answer has: one without it is another server's
 * @param {unknown} [body] of a POST
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ data: any, headers: Headers, token: string | undefined }>} `any`: a server's JSON; with the token that was taken
 */
export async function request(access, path, has, body, signal) {
  const retry = { ...RETRY, ...access.requestOptions.retry };
  const init = {
    method: body === undefined ? "GET" : "POST",
    headers: headersOf(access),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    cache: /** @type {const} */ ("no-cache"),
    ...(signal ? { signal } : {}),
  };
  let token = access.accessToken;
  let refresh = access.refreshAccessToken;
  const refreshed = async () => {
    const asked = refresh;
    refresh = undefined;
    return asked && askRefresher(asked);
  };
  token ??= await refreshed();
  for (let attempt = 1; ; attempt++) {
    if (token) init.headers.set("authorization", `Bearer ${token}`);
    const answer = await answered(access.baseURL + path, init, has);
    if ("data" in answer) return { ...answer, token };
    const { failure, again } = answer;
    if (refresh && (failure.status === 401 || failure.status === 403)) {
      token = (await refreshed()) ?? token;
      continue;
    }
    if (!again || attempt >= (retry.maxAttempts ?? RETRY.maxAttempts)) throw failure;
    await wait(delayOf(retry, attempt, failure), signal);
  }
}

/**
 * What is answered to one try, and whether another one can help.
 *
 * @param {string} url
 * @param {RequestInit} init
 * @param {string} has
 * @returns {Promise<{ data: any, headers: Headers } | { failure: TriggerApiError, again: boolean }>}
 */
async function answered(url, init, has) {
  try {
    const response = await fetch(url, init);
    const text = await response.text();
    const data = parsed(text);
    const { status, headers, ok } = response;
    if (ok && data?.[has]) return { data, headers };
    const failure = ok
      ? new TriggerApiError(
          status,
          undefined,
          "The answer is not what was asked for: is baseURL the mount point of a relay?",
          headers,
        )
      : new TriggerApiError(status, data, data === undefined ? shownOf(text) : "", headers);
    return { failure, again: mayHelp(response) };
  } catch (error) {
    if (init.signal?.aborted) throw init.signal.reason;
    const failure = new TriggerApiError(undefined, undefined, "Connection error.");
    failure.cause = error;
    return { failure, again: true };
  }
}

/** The longest text that an error shows, in characters: more is a page. */
const MAX_TEXT = 500;

/** What an error shows of an answer that is no JSON. @param {string} text */
function shownOf(text) {
  if (/^\s*</.test(text)) return "with a page: is baseURL the mount point of a relay?";
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

/** @param {import("./access.mjs").Access} access */
function headersOf({ previewBranch, requestOptions }) {
  const headers = new Headers({
    "content-type": "application/json",
    "trigger-version": PROTOCOL_VERSION,
    "x-trigger-source": "sdk",
  });
  for (const [name, value] of Object.entries(requestOptions.additionalHeaders ?? {})) {
    if (!headers.has(name) || name.toLowerCase() === "x-trigger-source") headers.set(name, value);
  }
  if (previewBranch) headers.set("x-trigger-branch", previewBranch);
  headers.set("x-trigger-client", "browser");
  headers.set("x-trigger-api-version", "2025-07-16");
  headers.set("x-trigger-realtime-streams-version", "v2");
  headers.set("x-trigger-request-idempotency-key", uuid());
  return headers;
}

/** A random id; `crypto.randomUUID` itself is there on secure origins alone. */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** @param {Response} response */
function mayHelp({ status, headers, ok }) {
  const said = headers.get("x-should-retry");
  if (said === "true" || said === "false") return said === "true";
  return !ok && (status === 408 || status === 409 || status === 429 || status >= 500);
}

/** @param {import("../../types/config.js").RetryOptions} retry @param {number} attempt @param {TriggerApiError} failure */
function delayOf(retry, attempt, failure) {
  const { minTimeoutInMs: least, maxTimeoutInMs: most, factor, randomize } = { ...RETRY, ...retry };
  const reset = failure.status === 429 ? Number(failure.headers?.["x-ratelimit-reset"]) - Date.now() : Number.NaN;
  const wanted =
    reset > 0 ? reset + Math.random() * 1_000 : least * factor ** (attempt - 1) * (randomize ? Math.random() + 1 : 1);
  return Math.min(wanted, reset > 0 ? MAX_WAIT_MS : most);
}

/** @param {number} ms @param {AbortSignal} [signal] @returns {Promise<void>} */
function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
