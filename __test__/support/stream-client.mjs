/** Reads streams with either client, in a process of its own: it can hang or crash there. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "./client.mjs";

const CHILD = fileURLToPath(new URL("./stream-child.mjs", import.meta.url));

/**
 * @typedef {object} Job
 * @property {{ baseURL: string, accessToken: string }} config
 * @property {string} call `streams.read`, `runs.fetchStream` or `runs.subscribeToRun`
 * @property {unknown[]} args
 * @property {object} [options] follow the arguments, with a signal
 * @property {boolean | object} [parts] read `withStreams()`, with these options
 * @property {number} [take]
 * @property {number} timeoutMs a failsafe: a `next()` pending for so long counts as hung
 *
 * @param {'official' | 'ours'} which
 */
export async function startStreamClient(which) {
  const child = fork(CHILD, [which], { serialization: "advanced", env: cleanEnvironment() });
  const pending = new Map();
  let lastId = 0;
  child.on("message", ({ id, count, result }) => {
    if (result) pending.get(id)?.resolve(result);
    else pending.get(id)?.onValue?.(count);
  });
  child.on("exit", (code, signal) => {
    for (const waiting of pending.values()) waiting.reject(new Error(`the ${which} client ended: ${code ?? signal}`));
  });
  await once(child, "message");
  return {
    /**
     * @param {Job} job
     * @param {(count: number) => void} [onValue] called with the number of values so far
     * @returns {Promise<{ values: any[], error: any, ended: boolean, hung: boolean, unhandled: string[] }>}
     */
    read(job, onValue) {
      lastId += 1;
      const id = lastId;
      return new Promise((resolve, reject) => {
        pending.set(id, { resolve, reject, onValue });
        child.send({ id, job });
      }).finally(() => pending.delete(id));
    },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
    },
  };
}
