/** A client against a scripted server: the scenario of most fault and defect tests. */
import { startFaultServer } from "./fault-server.mjs";
import { RUN_ID } from "./rows.mjs";

export const ACCESS_TOKEN = "tr_dev_peerskeypeerskeypeer";

/** Delays short enough for tests; budgets large enough not to be met by accident. */
export const QUICK = { minDelayMs: 1, maxDelayMs: 20 };

/** How long a client is watched that is expected to stay pending. */
export const WATCH_MS = 1_200;

/** A failsafe for what must end by itself. */
export const FAILSAFE_MS = 15_000;

/**
 * @param {(request: import('./fault-server.mjs').FaultRequest) => import('./answers.mjs').Answer} script
 * @param {{ follow: Function }} client
 * @param {Partial<import('./scenario.mjs').Spec>} [spec] default: follow `RUN_ID` until the failsafe
 * @param {object} [watch]
 * @param {(requests: import('./fault-server.mjs').FaultRequest[]) => boolean} [watch.until] stop then,
 *   whatever the client is doing
 * @returns {Promise<import('./scenario.mjs').Followed & { requests: import('./fault-server.mjs').FaultRequest[] }>}
 */
export async function against(script, client, spec = {}, { until } = {}) {
  const server = await startFaultServer(script);
  try {
    const hooks = until ? { stop: server.until(until) } : {};
    const config = { baseURL: server.url, accessToken: ACCESS_TOKEN };
    const result = await client.follow(config, { target: RUN_ID, timeoutMs: FAILSAFE_MS, ...spec }, hooks);
    return { ...result, requests: server.requests.slice() };
  } finally {
    await server.stop();
  }
}

/**
 * The official client, watched for `watchMs`: what it does meanwhile is the finding, so that no answer has to be asked for.
 */
export const watchOfficial = (script, official, spec = {}, watchMs = WATCH_MS) =>
  against((request) => script(request), official, { timeoutMs: watchMs, ...spec });

export const statuses = (followed) => followed.items.map((run) => run.status);
