// The relay of the targets that look through one: it can be started anew, and leaves nothing.

import { createRealtimeHandler } from "trigger-native";
import { CLOSED_MS } from "../contract.mjs";
import { none } from "../waits.mjs";

/** @param {import("../contract.mjs").World} world is given `restartRelay` */
export function openRelay(world) {
  const start = (/** @type {string} */ accessToken) =>
    createRealtimeHandler({ accessToken, baseURL: world.url, keepMs: 100 });
  let handler = start(world.key);
  world.restartRelay = async (key) => {
    const before = handler;
    handler = start(key);
    await before.close();
  };
  return {
    ask: (/** @type {string} */ url, /** @type {RequestInit | undefined} */ init) => handler(new Request(url, init)),
    /** Closes it, once its viewers have left. */
    async close() {
      await handler.close();
      const held = () => {
        const { viewers, upstream, bytesUnderWay } = handler.stats();
        return viewers.now + upstream.connections + bytesUnderWay;
      };
      await none(held, CLOSED_MS, "viewers, requests and bytes of the relay");
    },
  };
}
