// The emulator of one cell, and calls of the test's own. Node's `fetch` keeps 23 KB for each origin that it ever saw, which
// would hide what a cell leaves: these go by `node:http`.

import http from "node:http";
import { text } from "node:stream/consumers";
import { startEmulator } from "trigger-native/emulator";
import { ENVIRONMENT, KEY } from "../support/relay.mjs";

/** @param {object} options of the emulator @returns {Promise<import("./contract.mjs").Server & { faults: Function, stop: Function }>} */
export async function openServer(options) {
  const emulator = await startEmulator({ environmentId: ENVIRONMENT, secretKey: KEY, ...options });
  const agent = new http.Agent({ keepAlive: true });
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };

  async function call(method, path, body) {
    const response = await new Promise((resolve, reject) => {
      const request = http.request(emulator.url + path, { method, headers, agent }, resolve);
      request.on("error", reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
    const answer = await text(response);
    if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${answer}`);
    return answer === "" ? undefined : JSON.parse(answer);
  }

  return {
    url: emulator.url,
    call,
    makeRun: async (columns = {}) => (await call("POST", "/emulator/runs", columns)).id,
    change: (id, columns) => call("PATCH", `/emulator/runs/${id}`, columns),
    write: (id, key, records) => call("POST", `/emulator/runs/${id}/streams/${key}`, { records }),
    faults: (faults) => call("PUT", "/emulator/faults", { faults }),
    async stop() {
      agent.destroy();
      await emulator.stop();
    },
  };
}
