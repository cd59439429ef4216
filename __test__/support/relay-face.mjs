// What the tests of the relay's face share: a handler whose server is never reached, what it warns of, servers around it.

import { once } from "node:events";
import http from "node:http";

export const CONFIGURATION = { accessToken: "tr_dev_relayface", baseURL: "http://127.0.0.1:9" };
export const RUN = "/realtime/v1/runs/run_1?offset=-1";

export const ask = (handler, path, init) => handler(new Request(`http://app.example${path}`, init));

/** What `work` warns of on the process. */
export async function warned(work) {
  const texts = [];
  const listen = (warning) => texts.push(warning.message);
  process.on("warning", listen);
  try {
    await work();
    // Warnings come in the next turn.
    await new Promise(setImmediate);
  } finally {
    process.off("warning", listen);
  }
  return texts;
}

/** A server of Node's `http` or `http2`, for as long as `work` takes. */
export async function serving(listener, work, { create = http.createServer } = {}) {
  const server = create(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await work(`http://127.0.0.1:${server.address().port}`, server);
  } finally {
    server.closeAllConnections?.();
    server.close();
    await once(server, "close");
  }
}
