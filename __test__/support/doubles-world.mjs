// A relay before a server that records bytes, asked in every way; and what must be true of each answer.

import { createRealtimeHandler } from "trigger-native";
import { PATHS, targetOf } from "./doubles.mjs";
import { startNginx } from "./nginx.mjs";
import { sendHttp2, sendRaw } from "./raw-http.mjs";
import { startRecordingServer } from "./recording-server.mjs";
import { ENVIRONMENT, KEY, serve, tokenFor } from "./relay.mjs";

/** @typedef {import("./doubles.mjs").Asked} Asked @typedef {import("./doubles.mjs").Way} Way */

export const KINDS = Object.keys(PATHS());
export const TOKENS = ["mine", "victim", "all", "none", "forged", "own"];
/** @type {Way[]} */
export const WAYS = ["http1", "http2", "fetch", "node", "nginx", "nginx-uri"];
export const FORMS = ["token", "mounted", "session"];
const MOUNT = "/api/trigger";

/** The scopes that open what a request is about. @param {string} kind @param {string} name */
const scopesOf = (kind, name) =>
  ({
    run: [`read:runs:run_${name}`],
    tags: [`read:tags:${name}`],
    batch: [`read:batch:batch_${name}`],
    stream: [`read:runs:run_${name}`],
    retrieve: [`read:runs:run_${name}`],
    trigger: [`trigger:tasks:${name}`],
  })[kind] ?? [];

/**
 * A plain request. @param {string} kind @param {string} token @param {string} form @param {number} n @returns {Asked}
 */
export function plain(kind, token, form, n) {
  const [mine, victim] = [`mine${n}x`, `victim${n}x`];
  const bearers = {
    mine: () => tokenFor(scopesOf(kind, mine)),
    victim: () => tokenFor(scopesOf(kind, victim)),
    all: () => tokenFor(["admin"]),
    none: () => "",
    forged: () => `${tokenFor(["admin"], { forged: true, n }).slice(0, -8)}AAAAAAAA`,
    own: () => KEY,
  };
  const names = { mine, victim, token: bearers[token](), other: tokenFor(scopesOf(kind, victim)) };
  /** @type {[string, string][]} */
  const headers = [["Authorization", `Bearer ${names.token}`]];
  if (token === "none") headers.pop();
  headers.push(["X-Trigger-Electric-Version", "1.0.0-beta.1"], ["Accept", "*/*"]);
  const query = kind === "tags" ? [`tags=${mine}`, "offset=-1"] : ["run", "batch"].includes(kind) ? ["offset=-1"] : [];
  const asked = { kind, names, headers, query, method: kind === "trigger" ? "POST" : "GET" };
  const path = (form === "mounted" ? MOUNT : "") + PATHS(mine)[kind];
  return { ...asked, path, ...(kind === "trigger" && { body: '{"payload":"1"}' }) };
}

/** The bytes of a request over HTTP/1.1. @param {Asked} one */
export function bytesOf(one) {
  const host = one.host ?? "Host: app.example";
  const lines = one.headers.map(([name, value]) => `${name}: ${value}`);
  const body = one.raw ?? one.body ?? "";
  if (one.raw === undefined && one.body !== undefined) lines.push(`Content-Length: ${body.length}`);
  const head = [`${one.method} ${targetOf(one)} HTTP/1.1`, ...(host === "" ? [] : [host]), ...lines];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

/** @param {Asked} one @returns {[string, string][]} */
function fieldsOf(one) {
  /** @type {[string, string][]} */
  const needed = [
    [":method", one.method],
    [":scheme", "http"],
    [":authority", "app.example"],
    [":path", targetOf(one)],
  ];
  const kept = needed.filter(([name]) => !one.without?.includes(name));
  const known = ["Authorization", "X-Trigger-Electric-Version", "Accept", "Origin"];
  // Names in capitals are an error of their own in HTTP/2: only the double that is about them has them.
  const lower = (/** @type {string} */ name) =>
    name === "X-Upper" && !known.includes(name) ? name : name.toLowerCase();
  return [
    ...(one.pseudo ?? []),
    ...kept,
    ...one.headers.map(([name, value]) => /** @type {[string, string]} */ ([lower(name), value])),
  ];
}

/**
 * @param {Way} way
 * @param {string} form
 */
export async function openWorld(way, form) {
  const server = await startRecordingServer(ENVIRONMENT);
  const handler = createRealtimeHandler({
    accessToken: KEY,
    baseURL: server.url,
    keepMs: 1,
    ...(form === "mounted" && { basePath: MOUNT }),
    ...(form === "session" && { authorize: decide }),
  });
  const [ask, stop] = await opened(way, handler);
  // The relay learns its environment.
  await ask(plain("run", "forged", form, 0));
  server.taken();
  return {
    way,
    form,
    /** @param {Asked} one */
    async ask(one) {
      const answer = await ask(one);
      // The head of a stream may be there before the relay has asked for it.
      if (one.kind === "stream" && answer.status === 200) {
        await server.until(({ line }) => line.includes("/streams/"));
        // The feed of the run tells when the stream is over (docs/relay-streams.md, R10).
        await server.until(({ line }) => line.includes("/runs/"));
      }
      const sent = server.taken().sort((a, b) => (a.line < b.line ? -1 : 1));
      // What decides about the stream may have read that feed already, and let it go after the `keepMs` of this relay.
      const isAgain = (/** @type {number} */ n) =>
        sent[n].line.includes("/runs/") && sent[n].line === sent[n - 1]?.line;
      return { ...answer, sent: one.kind === "stream" ? sent.filter((_, n) => !isAgain(n)) : sent };
    },
    async stop() {
      await handler.close();
      await stop();
      await server.stop();
    },
  };
}

/** The app's decision: everything, for a URL that is about `mine` to the app. @param {Request} request */
function decide(request) {
  const { pathname, searchParams } = new URL(request.url);
  const isMine =
    /^(\/app)?\/(realtime\/v1\/(runs\/run_|batches\/batch_|streams\/run_)|api\/v3\/runs\/run_|api\/v1\/tasks\/)mine\d+x(\/k|\/trigger)?\/?$/;
  const isTags =
    /^(\/app)?\/realtime\/v1\/runs\/?$/.test(pathname) && /^mine\d+x$/.test(searchParams.get("tags") ?? "");
  return isMine.test(decodeURIComponent(pathname)) || isTags ? { scopes: ["admin"] } : null;
}

/** @returns {Promise<[(one: Asked) => Promise<import("./raw-http.mjs").Answer>, () => Promise<void>]>} */
async function opened(way, handler) {
  const portOf = (/** @type {string} */ url) => Number(new URL(url).port);
  if (way === "fetch") return [(one) => askHandler(handler, one), async () => {}];
  if (way === "node") {
    const { url, stop } = await serve(handler.node);
    return [(one) => sendRaw(portOf(url), bytesOf(one), one.kind === "stream"), stop];
  }
  const { url } = await handler.listen();
  if (way === "http1") return [(one) => sendRaw(portOf(url), bytesOf(one), one.kind === "stream"), async () => {}];
  if (way === "http2")
    return [(one) => sendHttp2(portOf(url), fieldsOf(one), one.body, one.kind === "stream"), async () => {}];
  const nginx = await startNginx(url, passing(portOf(url), way === "nginx-uri"));
  return [(one) => sendRaw(portOf(nginx.url), bytesOf(one), one.kind === "stream"), nginx.stop];
}

/** @param {(request: Request) => Promise<Response>} handler @param {Asked} one */
async function askHandler(handler, one) {
  let request;
  try {
    const headers = new Headers(one.headers);
    request = new Request(`http://app.example${targetOf(one)}`, { method: one.method, headers, body: one.body });
  } catch {
    // No web request can say it.
    return { status: 0, head: "", body: "" };
  }
  const answer = await handler(request);
  if (one.kind !== "stream" || answer.status !== 200)
    return { status: answer.status, head: "", body: await answer.text() };
  await answer.body?.cancel();
  return { status: answer.status, head: "", body: "" };
}

/** The directives of an nginx before the relay: the target goes on as it came, or as nginx understood it. */
const passing = (port, isRewritten) => ({
  location: `proxy_pass http://127.0.0.1:${port}${isRewritten ? "/" : ""};
    proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;`,
});
