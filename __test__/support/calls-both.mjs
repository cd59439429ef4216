// The same calls through both packages, each against a server of its own, and what each sent and got.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { SuperJSON } from "superjson";
import { startServer } from "./calls-server.mjs";
import { claimsOf } from "./wire.mjs";

const plain = new SuperJSON();
const child = fileURLToPath(new URL("./calls-child.mjs", import.meta.url));

/** What the server or a proxy acts on. */
const HEADERS = [
  "authorization",
  "content-type",
  "trigger-version",
  "x-trigger-api-version",
  "x-trigger-branch",
  "x-trigger-source",
  "x-trigger-realtime-streams-version",
  "x-team",
];

/** Environment variables that would change the requests. */
const CLEAN = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^TRIGGER_|^VERCEL_|COMMIT|GIT_|_SHA/.test(name)),
);

/**
 * One of the packages in a process of its own, which makes calls until it is closed.
 *
 * @param {"official" | "ours"} which
 */
function startCaller(which) {
  const process = spawn(globalThis.process.execPath, [child, which], {
    env: CLEAN,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(process, "close");
  const lines = createInterface({ input: process.stdout });
  return {
    /**
     * @param {object[]} calls see `calls-child.mjs`; the string `$URL` in them is the server's
     * @param {Parameters<typeof startServer>[0]} answer
     * @param {object} [options]
     * @param {object} [options.env] variables for these calls
     * @param {import("./chunks.mjs").Mode} [options.chunks] how answers are cut into writes
     */
    async make(calls, answer, { env = {}, chunks } = {}) {
      const statuses = [];
      const server = await startServer(async (request, index, url) => {
        const given = await answer(request, index, url);
        statuses[index] = given.status ?? 200;
        return given;
      }, chunks);
      try {
        const line = Promise.race([
          once(lines, "line"),
          ended.then(([code]) => Promise.reject(new Error(`${which} ended: ${code}`))),
        ]);
        process.stdin.write(`${plain.stringify({ calls, url: server.url, env }).replaceAll("$URL", server.url)}\n`);
        const outcomes = plain.parse((await line)[0].replaceAll(server.url, "$URL"));
        return { outcomes, requests: server.requests.map((request) => comparable(request, server.url)), statuses };
      } finally {
        await server.stop();
      }
    },
    async close() {
      process.stdin.end();
      await ended;
    },
  };
}

/** Both packages, to make the same calls. */
export function startBoth() {
  const [official, ours] = [startCaller("official"), startCaller("ours")];
  return {
    ours,
    /**
     * @param {object[]} calls
     * @param {() => Parameters<typeof startServer>[0]} answerer makes the answers, anew for each package
     * @param {{ env?: object }} [options]
     */
    async make(calls, answerer, options) {
      const made = [official, ours].map((caller) => caller.make(calls, answerer(), options));
      const [theirs, own] = await Promise.all(made);
      return { official: theirs, ours: own };
    },
    async close() {
      await Promise.all([official.close(), ours.close()]);
    },
  };
}

/** A request as both packages have to send it. */
function comparable({ method, target, headers, body, cut }, url) {
  const [path, query = ""] = target.split("?");
  const id = headers?.["x-trigger-request-idempotency-key"];
  return {
    method,
    path: named(decodeURIComponent(path)),
    query: [...new URLSearchParams(query)],
    headers: Object.fromEntries(HEADERS.map((name) => [name, headers?.[name]])),
    // Random, but there or not. An object store knows none.
    idempotencyKey:
      id === undefined || path.startsWith("/packets/")
        ? undefined
        : /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}$/.test(id),
    body: cut ? "cut" : bodyOf(headers, named(body).replaceAll(url, "$URL")),
  };
}

/**
 * Fails where the requests differ, apart from two promises: a 404 is requested three
 * times instead of five (docs/server-protocol.md 6), and claims are asked for once (defect 14).
 *
 * @param {{ official: object, ours: object }} both
 * @param {object} [options]
 * @param {boolean} [options.anyOrder] for requests made at the same time
 * @param {string} [options.key] signs tokens that are sent: those must say the same
 */
export function assertSameRequests({ official, ours }, { anyOrder = false, key } = {}) {
  const [theirs, own] = [official, ours].map((made) =>
    attempts(packetsSorted(claimsOnce(key ? withReadTokens(made, key) : made))),
  );
  if (anyOrder) for (const list of [theirs, own]) list.sort((a, b) => (inspect(a) < inspect(b) ? -1 : 1));
  assert.deepEqual(
    own.map(({ request }) => request),
    theirs.map(({ request }) => request),
  );
  for (const [index, { request, status, times }] of own.entries()) {
    const expected = status === 404 ? Math.min(3, theirs[index].times) : theirs[index].times;
    assert.equal(times, expected, `attempts of ${request.method} ${request.path}, answered ${status}`);
  }
}

/** Without the second and later requests of an environment for its claims. */
function claimsOnce({ requests, statuses }) {
  const asked = new Set();
  const isAgain = ({ path, headers }) => {
    if (path !== "/api/v1/auth/jwt/claims") return false;
    const who = `${headers.authorization} ${headers["x-trigger-branch"]}`;
    return asked.has(who) || !asked.add(who);
  };
  const kept = requests.map((request, index) => [request, statuses[index]]).filter(([request]) => !isAgain(request));
  return { requests: kept.map(([request]) => request), statuses: kept.map(([, status]) => status) };
}

/** The packets of a run are fetched at once: their order is the network's. */
function packetsSorted({ requests, statuses }) {
  const all = requests.map((request, index) => ({ request, status: statuses[index] }));
  const isFetched = ({ request: { method, path } }) => method === "GET" && path.startsWith("/packets/");
  for (let at = 0; at < all.length; at++) {
    const end = all.findIndex((one, index) => index >= at && !isFetched(one));
    const group = all.slice(at, end < 0 ? all.length : end);
    group.sort((a, b) => (a.request.path < b.request.path ? -1 : 1));
    all.splice(at, group.length, ...group);
    at += group.length;
  }
  return { requests: all.map(({ request }) => request), statuses: all.map(({ status }) => status) };
}

/** With what a token says in place of the token. */
function withReadTokens({ requests, statuses }, key) {
  const read = ({ headers, ...request }) => {
    const authorization = claimed(headers.authorization?.replace("Bearer ", "") ?? "", key);
    return { ...request, headers: { ...headers, authorization } };
  };
  return { requests: requests.map(read), statuses };
}

/** The same request again and again, once. */
function attempts({ requests, statuses }) {
  const counted = [];
  for (const [index, request] of requests.entries()) {
    const last = counted.at(-1);
    if (last?.status >= 400 && inspect(last.request, { depth: 9 }) === inspect(request, { depth: 9 })) last.times += 1;
    else counted.push({ request, times: 1 });
    counted.at(-1).status = statuses[index];
  }
  return counted;
}

/** Without the random part of a packet's name. */
function named(text) {
  return text.replace(/packet_[1-9a-km-z]{21}/g, "packet_*");
}

function bodyOf(headers, body) {
  if (body === "") return undefined;
  if (headers["content-type"] === "application/x-ndjson") {
    return body
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  }
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

/**
 * Fails where the packages differ, apart from tokens signed by each: those must say the same.
 *
 * @param {{ official: object, ours: object }} both
 * @param {object[]} calls
 * @param {string} key signs the tokens
 */
export function assertSame({ official, ours }, calls, key) {
  for (const [index, { name, args }] of calls.entries()) {
    assert.deepEqual(
      withClaims(ours.outcomes[index], key),
      withClaims(official.outcomes[index], key),
      `${name}(${inspect(args).slice(0, 300)})`,
    );
  }
}

function withClaims(outcome, key) {
  const read = structuredClone(outcome);
  // A code of ours stands where the server gave none.
  for (const error of [read.error, read.error?.cause]) {
    if (error && /^ERR_/.test(error.code)) error.code = undefined;
  }
  const { value } = read;
  if (typeof value === "string") read.value = claimed(value, key);
  for (const handle of [value, value?.data]) {
    if (handle?.publicAccessToken) handle.publicAccessToken = claimed(handle.publicAccessToken, key);
  }
  return read;
}

/** What a token signed by the package itself says, or the text as it is. */
function claimed(token, key) {
  const claims = claimsOf(token);
  if (!claims) return token;
  const cut = token.lastIndexOf(".");
  const signature = createHmac("sha256", key).update(token.slice(0, cut)).digest("base64url");
  // Only our one-time tokens have a claim that tells them apart (defect 2).
  const { iat, exp, jti, ...rest } = claims;
  return { rest, life: exp - iat, signed: signature === token.slice(cut + 1) };
}
