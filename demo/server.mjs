// The server the demo talks to: the user's own, or an emulator started for it.

import { startEmulator } from "trigger-native/emulator";

/**
 * @typedef {object} Server
 * @property {string} url
 * @property {string} key
 * @property {boolean} local Whether it is an emulator of ours, which counts its requests.
 * @property {() => Promise<Record<string, number>>} requests How many requests came so far, by route.
 * @property {() => Promise<void>} stop
 */

/**
 * @param {{ url: string, key: string } | undefined} own The user's server.
 * @returns {Promise<Server>}
 */
export async function openServer(own) {
  if (own) return { ...own, local: false, requests: async () => ({}), stop: async () => {} };
  const emulator = await startEmulator();
  return {
    url: emulator.url,
    key: emulator.secretKey,
    local: true,
    requests: () => requests(emulator.url, emulator.secretKey),
    stop: () => emulator.stop(),
  };
}

/**
 * @param {string} url
 * @param {string} key
 */
async function requests(url, key) {
  const stats = await call("GET", `${url}/emulator/stats`, key);
  // What is asked of the emulator itself is no cost of a client's.
  return Object.fromEntries(
    Object.entries(/** @type {Record<string, number>} */ (stats.requests)).filter(
      ([route]) => !route.includes("/emulator/"),
    ),
  );
}

/**
 * Triggers a task as a browser does: with a public token, over plain `fetch`.
 *
 * @param {{ url: string }} server
 * @param {string} token A trigger token.
 * @param {string} task
 * @param {unknown} payload
 * @returns {Promise<string>} The run's id.
 */
export async function trigger(server, token, task, payload) {
  const body = { payload: JSON.stringify(payload), options: { payloadType: "application/json" } };
  const answer = await call("POST", `${server.url}/api/v1/tasks/${encodeURIComponent(task)}/trigger`, token, body);
  if (typeof answer.id !== "string") throw new Error("the server triggered the task and named no run");
  return answer.id;
}

/**
 * Cancels a run, as a server does.
 *
 * @param {{ url: string, key: string }} server
 * @param {string} run
 */
export async function cancel(server, run) {
  await call("POST", `${server.url}/api/v2/runs/${encodeURIComponent(run)}/cancel`, server.key);
}

/**
 * Whether the bearer of `token` may read the run: one snapshot of its feed.
 *
 * @param {{ url: string }} server
 * @param {string} token
 * @param {string} run
 * @returns {Promise<number>} The HTTP status.
 */
export async function snapshotStatus(server, token, run) {
  const response = await fetch(`${server.url}/realtime/v1/runs/${encodeURIComponent(run)}?offset=-1&log=full`, {
    headers: { authorization: `Bearer ${token}`, "x-trigger-electric-version": "1.0.0-beta.1" },
    signal: AbortSignal.timeout(30_000),
  });
  await response.body?.cancel();
  return response.status;
}

/**
 * @param {string} method
 * @param {string} url
 * @param {string} bearer
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
async function call(method, url, bearer, body) {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json", "x-trigger-source": "sdk" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`${method} ${new URL(url).pathname} was answered ${response.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text);
}
