/**
 * Drives a client in a process of its own: it can hang, leak or crash there without taking the
 * tests along. One process serves many scenarios, also at once: importing the official SDK costs
 * most of a second of CPU.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "./environment.mjs";

export { cleanEnvironment } from "./environment.mjs";

const CHILD = fileURLToPath(new URL("./client-child.mjs", import.meta.url));

/**
 * @param {'official' | 'ours'} which
 */
export async function startClient(which) {
  const child = fork(CHILD, [which], { serialization: "advanced", env: cleanEnvironment() });
  const pending = new Map();
  let lastId = 0;
  child.on("message", (message) => {
    if (message.type === "ready") return;
    const waiting = pending.get(message.id);
    if (message.type === "item") {
      waiting?.onItem?.(message.count);
      return;
    }
    pending.delete(message.id);
    waiting?.resolve(message.result);
  });
  child.on("exit", (code, signal) => {
    for (const waiting of pending.values())
      waiting.reject(new Error(`the ${which} client's process ended: ${code ?? signal}`));
    pending.clear();
  });
  const [first] = await Promise.race([once(child, "message"), once(child, "exit")]);
  if (first?.type !== "ready") throw new Error(`the ${which} client could not be loaded (exit ${first})`);

  function ask(op, message, { onItem, stop } = {}) {
    lastId += 1;
    const id = lastId;
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject, onItem });
      child.send({ id, op, ...message });
      stop?.then(() => child.connected && pending.has(id) && child.send({ id, op: "stop" }));
    });
  }

  return {
    which,
    /**
     * @param {{ baseURL: string, accessToken: string }} config
     * @param {import('./scenario.mjs').Spec} spec
     * @param {{ onItem?: (count: number) => void, stop?: Promise<void> }} [hooks]
     * @returns {Promise<import('./scenario.mjs').Followed>}
     */
    follow: (config, spec, hooks) => ask("follow", { config, spec }, hooks),
    /**
     * @param {string} call such as `auth.createPublicToken`
     * @returns {Promise<{ value: unknown, error: import('./scenario.mjs').Described | null, unhandled: string[] }>}
     */
    call: (config, call, args) => ask("call", { config, call, args }),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
    },
  };
}

export const startOfficial = () => startClient("official");
export const startOurs = () => startClient("ours");
