// A relay over an emulator, reached in each way that an app can mount it.

import { createHmac } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createRealtimeHandler } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";

export const ENVIRONMENT = "env_relay";
export const KEY = "tr_dev_relaynotasecret";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A public token of the emulator's environment. @param {string[]} scopes @param {object} [claims] @param {string} [key] */
export function tokenFor(scopes, claims = {}, key = KEY) {
  const now = Math.floor(Date.now() / 1000);
  const all = { sub: ENVIRONMENT, pub: true, scopes, iss: "https://id.trigger.dev", aud: "https://api.trigger.dev" };
  const message = `${part({ alg: "HS256" })}.${part({ ...all, exp: now + 3600, iat: now, ...claims })}`;
  return `${message}.${createHmac("sha256", key).update(message).digest("base64url")}`;
}

/** The headers of a viewer with these scopes, as the present clients send them. */
export const bearer = (...scopes) => ({
  authorization: `Bearer ${tokenFor(scopes)}`,
  "x-trigger-electric-version": "1.0.0-beta.1",
});

/** An emulator with this environment, and calls of its own. */
export async function startServer(options = {}) {
  const emulator = await startEmulator({ environmentId: ENVIRONMENT, secretKey: KEY, ...options });
  const call = async (method, path, body) => {
    const response = await fetch(emulator.url + path, {
      method,
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  return {
    url: emulator.url,
    stats: () => emulator.stats(),
    stop: () => emulator.stop(),
    call,
    makeRun: async (columns = {}) => (await call("POST", "/emulator/runs", columns)).id,
    change: (id, columns) => call("PATCH", `/emulator/runs/${id}`, columns),
    write: (id, key, records) => call("POST", `/emulator/runs/${id}/streams/${key}`, { records }),
    faults: (faults) => call("PUT", "/emulator/faults", { faults }),
    /** How many requests the emulator holds. */
    held: async () => (await call("GET", "/emulator/limits")).live,
  };
}

/** A handler over `server`; polls are held long, so that only what a test does ends them. */
export const handlerOver = (server, options = {}) =>
  createRealtimeHandler({ accessToken: KEY, baseURL: server.url, holdMs: 60_000, ...options });

/** A server of Node's `http` that is closed with all its connections. */
export async function serve(listener) {
  const server = http.createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Ends every connection. */
    cut: () => server.closeAllConnections(),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** How a handler is reached: each gives `ask(path, init)`, the `url` if it has one, and `stop()`. */
export const WAYS = [
  {
    name: "the handler",
    open: async (handler) => ({
      ask: (path, init) => handler(new Request(`http://app.example${path}`, init)),
      stop: async () => {},
    }),
  },
  {
    name: "Node's http",
    async open(handler) {
      const { url, stop } = await serve(handler.node);
      return { url, ask: (path, init) => fetch(url + path, { redirect: "manual", ...init }), stop };
    },
  },
  {
    name: "listen()",
    async open(handler) {
      const { url, close } = await handler.listen();
      return { url, ask: (path, init) => fetch(url + path, { redirect: "manual", ...init }), stop: close };
    },
  },
];

/** Waits until `check` gives something true; a failsafe ends it. */
export async function until(check, what, ms = 10_000) {
  for (const end = performance.now() + ms; performance.now() < end; await sleep(10)) {
    const given = await check();
    if (given) return given;
  }
  throw new Error(`never: ${what}`);
}

/** A run's present state, and where a live poll goes on. */
export async function snapshot(ask, id, headers = bearer(`read:runs:${id}`), init = {}) {
  const path = `/realtime/v1/runs/${id}`;
  const response = await ask(`${path}?offset=-1`, { headers, ...init });
  const messages = await response.json();
  if (response.status !== 200) throw new Error(`${response.status} ${JSON.stringify(messages)}`);
  const query = new URLSearchParams({
    live: "true",
    offset: response.headers.get("electric-offset"),
    handle: response.headers.get("electric-handle"),
  });
  return { live: `${path}?${query}`, headers, response, messages };
}
