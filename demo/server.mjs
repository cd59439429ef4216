// The server the demo talks to: the user's own, or an emulator started for it.

import { call } from "./calls.mjs";

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
 * @returns {Promise<Record<string, number>>} Without what was asked of the emulator itself.
 */
async function requests(url, key) {
  const stats = await call("GET", `${url}/emulator/stats`, key);
  return stats.byRoute;
}
