// Viewers of a relay: their tokens, the runs they look at, and the ways to reach it.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { createRealtimeHandler } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";

export const ENVIRONMENT = "env_access";
export const KEY = "tr_dev_accessnotasecret";
export const OTHER = { id: "env_other", secretKey: "tr_dev_othernotasecret" };
export const ADDITIONAL = "tr_dev_sk_000000000000000000000000";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
export const seconds = () => Math.floor(Date.now() / 1000);

/** A public token; `claims` replace its own, and `undefined` leaves one out. */
export function token(scopes, { key = KEY, alg = "HS256", ...claims } = {}) {
  const now = seconds();
  const all = {
    sub: ENVIRONMENT,
    pub: true,
    scopes,
    iss: "https://id.trigger.dev",
    aud: "https://api.trigger.dev",
    exp: now + 900,
    iat: now,
    ...claims,
  };
  const message = `${part({ alg })}.${part(all)}`;
  const signature = alg === "none" ? "" : createHmac("sha256", key).update(message).digest("base64url");
  return `${message}.${signature}`;
}

/** An emulator with runs of two tasks, with and without tags, the last of them in a batch. */
export async function startWithRuns() {
  const emulator = await startEmulator({
    environmentId: ENVIRONMENT,
    secretKey: KEY,
    additionalKeys: [{ key: ADDITIONAL, scopes: ["admin"] }],
    environments: [OTHER],
    tasks: { a: { queued: null }, b: { queued: null } },
  });

  /** A call of the server's own; resolves to the text of a 2xx answer. */
  async function call(method, path, body) {
    const response = await fetch(`${emulator.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${path}: ${response.status} ${text}`);
    return text;
  }

  const runs = [];
  for (const [task, tags] of [
    ["a", ["x", "user:1"]],
    ["b", ["y"]],
    ["a", []],
  ]) {
    const payload = JSON.stringify({ secret: "payload" });
    const options = { tags, payloadType: "application/json" };
    const { id } = JSON.parse(await call("POST", `/api/v1/tasks/${task}/trigger`, { payload, options }));
    runs.push({ id, task, tags });
  }
  const batch = JSON.parse(await call("POST", "/api/v3/batches", { runCount: 1 })).id;
  const options = { payloadType: "application/json", tags: ["y"] };
  const item = { index: 0, task: "b", payload: JSON.stringify({ secret: "payload" }), options };
  await call("POST", `/api/v3/batches/${batch}/items`, `${JSON.stringify(item)}\n`);
  const feed = await fetch(`${emulator.url}/realtime/v1/batches/${batch}?offset=-1`, {
    headers: { authorization: `Bearer ${KEY}` },
  });
  const [row] = await feed.json();
  runs.push({ id: row.value.friendlyId, task: "b", tags: ["y"], batch });

  return { emulator, runs, batch, call, patch: (id, columns) => call("PATCH", `/emulator/runs/${id}`, columns) };
}

/**
 * The relays and servers under test. Each takes an emulator and the options of a relay, and gives
 * `ask(path, bearer, init)` and `stop()`.
 */
export const targets = {
  async emulator(emulator) {
    return over(emulator.url, async () => {});
  },

  async relay(emulator, options) {
    const handler = relayOf(emulator, options);
    const ask = (path, bearer, init) => handler(new Request(`http://app.example${path}`, headed(bearer, init)));
    return { ask, stop: () => handler.close() };
  },

  async "relay that listens"(emulator, options) {
    const handler = relayOf(emulator, options);
    const listening = await handler.listen();
    return over(listening.url, () => handler.close());
  },
};

const relayOf = (emulator, options) => createRealtimeHandler({ accessToken: KEY, baseURL: emulator.url, ...options });

const headed = (bearer, init = {}) => ({
  redirect: "manual",
  ...init,
  headers: { ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }), ...init.headers },
});

function over(url, stop) {
  return { url, ask: (path, bearer, init) => fetch(`${url}${path}`, headed(bearer, init)), stop };
}

/**
 * A server before another one, that keeps what reached it.
 *
 * @param {string} url where everything goes on to; without it, what came is echoed
 * @param {Record<string, string>} keys bearer tokens that are replaced
 */
export async function startFront(url, keys = {}) {
  const seen = [];
  const server = http.createServer(async (req, res) => {
    const body = Buffer.concat(await req.toArray());
    seen.push({ method: req.method, path: req.url, headers: req.headers, raw: req.rawHeaders, body: `${body}` });
    if (url === undefined) return res.end(JSON.stringify(seen.at(-1)));
    const { host: _, connection: __, ...headers } = req.headers;
    const bearer = headers.authorization?.replace("Bearer ", "");
    if (keys[bearer]) headers.authorization = `Bearer ${keys[bearer]}`;
    const onward = http.request(`${url}${req.url}`, { method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.on("error", () => res.destroy());
      answer.pipe(res);
    });
    onward.on("error", () => res.destroy());
    res.on("close", () => onward.destroy());
    onward.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen,
    /** Requests with a bearer token. */
    with: (bearer) => seen.filter(({ headers }) => headers.authorization === `Bearer ${bearer}`),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
