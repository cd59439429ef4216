// The server the demo talks to: the user's own, or an emulator started for it.

import { call, snapshotStatus } from "./calls.mjs";
import { UsageError } from "./options.mjs";

/** How long a server has to say that it is there, in milliseconds. */
const PROBE_MS = 1_800;

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
 * @throws {UsageError} The server cannot be reached, or does not know the key.
 */
export async function openServer(own) {
  if (own) {
    await probe(own);
    return { ...own, local: false, requests: async () => ({}), stop: async () => {} };
  }
  const { startEmulator } = await import("trigger-native/emulator");
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
 * @returns {Promise<Record<string, number>>} Without the emulator's own calls.
 */
async function requests(url, key) {
  const stats = await call("GET", `${url}/emulator/stats`, key);
  return stats.byRoute;
}

/**
 * Requests a run that does not exist: a server that knows the key answers 404, whatever the key may do.
 *
 * @param {{ url: string, key: string }} own
 */
async function probe({ url, key }) {
  /** @type {number} */
  let status;
  try {
    status = await snapshotStatus({ url }, key, "run_demo_probe", PROBE_MS);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why =
      cause instanceof Error ? cause.message || String(Reflect.get(cause, "code") ?? cause.name) : String(cause);
    throw new UsageError(
      `TRIGGER_API_URL: the server at ${url} cannot be reached (${why}). Set TRIGGER_API_URL to the address of your ` +
        "server, or leave TRIGGER_SECRET_KEY out for a demo on a local emulator.",
    );
  }
  if (status === 401) {
    throw new UsageError(
      `TRIGGER_SECRET_KEY: the server at ${url} does not know this key. Take it from the API keys page of your project ` +
        "there; for a server of your own, set TRIGGER_API_URL too.",
    );
  }
  if (status >= 500) throw new Error(`the server at ${url} (TRIGGER_API_URL) answers ${status}: try again later`);
}
