// The same calls through both packages, each against a server of its own, and what each sent and got.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { buffer } from "node:stream/consumers";
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

/** Variables that would change what is sent. */
const CLEAN = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^TRIGGER_|^VERCEL_|COMMIT|GIT_|_SHA/.test(name)),
);

/**
 * @param {object[]} calls see `calls-child.mjs`; the string `$URL` in them is the server's
 * @param {() => Parameters<typeof startServer>[0]} answerer makes the answers, anew for each package
 * @param {{ env?: object }} [options]
 */
export async function runBoth(calls, answerer, { env = {} } = {}) {
  const [official, ours] = await Promise.all(
    ["official", "ours"].map((which) => runOne(which, calls, answerer(), env)),
  );
  return { official, ours };
}

async function runOne(which, calls, answer, env) {
  const statuses = [];
  const server = await startServer(async (request, index, url) => {
    const given = await answer(request, index, url);
    statuses[index] = given.status ?? 200;
    return given;
  });
  try {
    const process = spawn(globalThis.process.execPath, [child, which], {
      env: { ...CLEAN, TRIGGER_API_URL: server.url, ...env },
      stdio: ["pipe", "pipe", "inherit"],
      timeout: 120_000,
    });
    const ended = new Promise((resolve) => process.on("close", resolve));
    process.stdin.end(plain.stringify({ calls }).replaceAll("$URL", server.url));
    const output = String(await buffer(process.stdout));
    assert.equal(await ended, 0, `${which} failed`);
    const outcomes = plain.parse(output.replaceAll(server.url, "$URL"));
    return { outcomes, requests: server.requests.map((request) => comparable(request, server.url)), statuses };
  } finally {
    await server.stop();
  }
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
 * Fails where the requests differ, apart from the one promise: what is not found is asked for
 * three times instead of five (protocol.md 6).
 *
 * @param {{ official: object, ours: object }} both
 * @param {{ anyOrder?: boolean }} [options] for requests made at the same time
 */
export function assertSameRequests({ official, ours }, { anyOrder = false } = {}) {
  const [theirs, own] = [attempts(official), attempts(ours)];
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
  const { iat, exp, ...rest } = claims;
  return { rest, life: exp - iat, signed: signature === token.slice(cut + 1) };
}
