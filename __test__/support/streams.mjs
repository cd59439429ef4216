/** Streams of a scripted server, read in this process or by either client in a process of its own. */
import * as trigger from "trigger-native";
import { ACCESS_TOKEN, FAILSAFE_MS, QUICK } from "./against.mjs";
import { startFaultServer } from "./fault-server.mjs";
import { answersOf } from "./scripted.mjs";

/** Each request gets the next answer; the last one is repeated. One that was never asked for fails the test. */
export const inTurn = (list) => {
  const { next, unasked } = answersOf("answers", list);
  return Object.assign(() => next(), { unasked });
};

/**
 * @template R
 * @param {(request: import('./fault-server.mjs').FaultRequest) => import('./answers.mjs').Answer} script
 * @param {(config: { baseURL: string, accessToken: string }, server: any) => Promise<R>} use
 * @returns {Promise<R>}
 */
export async function against(script, use) {
  const server = await startFaultServer(script);
  try {
    return await use({ baseURL: server.url, accessToken: ACCESS_TOKEN }, server);
  } finally {
    await server.stop();
  }
}

/**
 * What a client's process reads of a scripted stream, and what it asked for.
 *
 * @param {"official" | "ours"} which
 * @param {{ read: Function }} client of that kind, see `stream-client.mjs`
 */
export const readBy = (which, client, script, { args = ["run_1", "ai"], options = {}, ...job } = {}) =>
  // The official client may leave answers unasked: that is what some tests show.
  against(which === "ours" ? script : (request) => script(request), async (config, server) => {
    const mine = which === "ours" ? { retry: QUICK, ...options } : options;
    const all = { config, call: "streams.read", args, options: mine, timeoutMs: FAILSAFE_MS, ...job };
    return { ...(await client.read(all)), requests: server.requests.slice() };
  });

/** Opens a stream in this process. */
export async function open(config, options = {}, key = "ai") {
  trigger.configure(config);
  return trigger.streams.read("run_1", key, { retry: QUICK, ...options });
}
