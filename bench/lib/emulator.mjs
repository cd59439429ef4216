// The emulator as the server of a case that measures waiting.

import { require } from "./client.mjs";

/**
 * Starts one.
 *
 * @param {import("../../emulator.js").EmulatorOptions} [options]
 */
export async function emulator(options = {}) {
  const { startEmulator } = require("../../emulator.js");
  const { url, secretKey: key, stop } = await startEmulator(options);
  const call = async (method, path, body) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
    return response.json();
  };
  return {
    url,
    key,
    stop,
    /** How many live requests it holds, held at most, and refused. */
    limits: () => call("GET", "/emulator/limits"),
    makeRun: async () => (await call("POST", "/emulator/runs", { status: "EXECUTING", metadata: { step: 0 } })).id,
    change: (id, columns) => call("PATCH", `/emulator/runs/${id}`, columns),
  };
}
