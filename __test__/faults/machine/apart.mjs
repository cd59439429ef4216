// Targets in processes of their own: `world.machine` can stop the process, and tell it addresses and times.

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "../../support/client.mjs";
import { system } from "../../support/system.mjs";
import { deferred } from "../targets/deferred.mjs";
import { within } from "../waits.mjs";

const program = fileURLToPath(new URL("child.mjs", import.meta.url));

/** How long a process may go on by itself once everything in it is closed. A process that does is kept alive by us. */
const LEAVES_MS = 20_000;

function failure({ code, message, stack }) {
  return Object.assign(new Error(message), { code, stack });
}

/**
 * The same target, in a process of its own.
 *
 * @param {import("../contract.mjs").Target} target
 * @returns {import("../contract.mjs").Target}
 */
export function apart(target) {
  return {
    name: target.name,
    async start(world) {
      const { env, tell } = system();
      const child = fork(program, {
        env: { ...cleanEnvironment(), ...env, ...world.front.env },
        stdio: ["ignore", 2, 2, "ipc"],
      });
      const steps = new Map();
      const step = (name) => {
        if (!steps.has(name)) steps.set(name, deferred());
        return steps.get(name);
      };
      const ended = once(child, "exit").then(([code, signal]) => {
        const error = new Error(`the process ended: ${signal ?? code}`);
        for (const waiting of steps.values()) waiting.reject(error);
        return code;
      });
      const gone = (error) => {
        for (const waiting of steps.values()) waiting.reject(error);
      };

      // What the server does is done in order, and while the gate is shut not yet.
      let gate = Promise.resolve();
      let order = Promise.resolve();
      const serve = ({ id, what, args }) => {
        const turn = order.then(() => gate).then(() => world.server[what](...args));
        order = turn.then(
          (value) => child.connected && child.send({ id, value }),
          (error) => child.connected && child.send({ id, error: error.message }),
        );
      };
      child.on("message", (message) => {
        if (message.id !== undefined) return serve(message);
        if (message.failed) return gone(new Error(message.failed));
        const waiting = step(message.step);
        if (message.error) waiting.reject(failure(message.error));
        else waiting.resolve();
      });
      const tellChild = (name, given) => {
        steps.delete(name);
        const waiting = step(name);
        waiting.promise.catch(() => {});
        child.send({ step: name, given });
        return waiting.promise;
      };

      world.machine = {
        tell,
        /** What happens around the next change: `before` and `after` what the server does. */
        around: undefined,
        stop: () => child.kill("SIGSTOP"),
        go: () => child.kill("SIGCONT"),
      };
      for (const name of ["begun", "done"]) step(name).promise.catch(() => {});
      const { url, watch, requestOptions } = world;
      try {
        await tellChild("start", { target: target.name, url, watch, requestOptions });
      } catch (error) {
        child.kill("SIGKILL");
        throw error;
      }
      return {
        begun: step("begun").promise,
        done: step("done").promise,
        async change() {
          const { around } = world.machine;
          const held = deferred();
          gate = held.promise;
          await tellChild("change");
          await around?.before();
          held.resolve();
          await order;
          await around?.after();
        },
        finish: () => tellChild("finish"),
        check: () => tellChild("check"),
        async close() {
          try {
            await tellChild("close");
            child.send({ step: "leave" });
            const code = await within(ended, LEAVES_MS, "the end of a process with nothing left to do");
            if (code !== 0) throw new Error(`the process ended with ${code}`);
          } finally {
            child.kill("SIGCONT");
            child.kill("SIGKILL");
          }
        },
      };
    },
  };
}
