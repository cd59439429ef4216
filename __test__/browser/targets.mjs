// What the page's hooks speak to: the emulator itself, or a relay before it, in every way it is mounted.

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createRealtimeHandler } from "trigger-native";

/** How late a token may be used (seconds): a relay forgives other clocks so much. */
const RELAY_LEEWAY = 5;

const direct = {
  name: "the emulator, on another origin",
  leeway: 0,
  mount: (emulator) => ({ baseURL: emulator.url, close: async () => {} }),
};

const relays = [
  {
    name: "a relay's own listener, on another origin",
    leeway: RELAY_LEEWAY,
    isRelay: true,
    async mount(emulator) {
      const handler = createRealtimeHandler({ baseURL: emulator.url, accessToken: emulator.secretKey });
      const { url, close } = await handler.listen({ port: 0, host: "127.0.0.1" });
      return { baseURL: url, close: () => close().then(() => handler.close()) };
    },
  },
  {
    name: "a relay as a fetch handler of the page's own server",
    leeway: RELAY_LEEWAY,
    isRelay: true,
    async mount(emulator) {
      const handler = mounted(emulator);
      return { api: (request, response) => fetchHandler(handler, request, response), close: () => handler.close() };
    },
  },
  {
    name: "a relay as a Node handler of the page's own server",
    leeway: RELAY_LEEWAY,
    isRelay: true,
    async mount(emulator) {
      const handler = mounted(emulator);
      return { api: (request, response) => handler.node(request, response), close: () => handler.close() };
    },
  },
];

/**
 * Each with `mount(emulator)`, which gives the hooks' `baseURL` or, for the page's own origin, the `api` that its server
 * calls; and `close()`.
 */
export const targets = [direct, ...relays];

function mounted({ url, secretKey }) {
  return createRealtimeHandler({ baseURL: url, accessToken: secretKey, basePath: "/api/trigger" });
}

/** Calls a fetch handler as servers on Node's http do. */
async function fetchHandler(handler, incoming, outgoing) {
  const left = new AbortController();
  outgoing.on("close", () => left.abort());
  const { method, url, headers } = incoming;
  const body = method === "GET" || method === "HEAD" ? undefined : Readable.toWeb(incoming);
  const request = new Request(`http://${headers.host}${url}`, {
    method,
    headers: Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => [name, one])),
    body,
    duplex: "half",
    signal: left.signal,
  });
  try {
    const answer = await handler(request);
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
    // A browser that waits for the headers of a stream gets them before its first chunk.
    outgoing.flushHeaders();
    if (answer.body) await pipeline(Readable.fromWeb(answer.body), outgoing);
    else outgoing.end();
  } catch (error) {
    // The browser left: no response is needed.
    if (!left.signal.aborted) throw error;
  }
}
