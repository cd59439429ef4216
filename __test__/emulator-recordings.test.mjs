// Every recorded call that the emulator answers is made to it again, on runs brought to the
// recorded state; its answer must be the server's apart from ids, times, handles and transport.

import assert from "node:assert/strict";
import { request } from "node:http";
import { describe, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

import { startEmulatorProcess } from "./support/emulator-process.mjs";
import {
  bearer,
  claimsOf,
  environmentsOf,
  header,
  recordings,
  renewer,
  requestLine,
  rootKeysOf,
} from "./support/wire.mjs";

const all = recordings();
const everyRootKey = rootKeysOf(all);

// Set by the connection, not by the route.
const transport = new Set(["date", "transfer-encoding", "content-length", "content-encoding", "etag"]);
// They differ from call to call; that they are there is compared.
const varying = new Set([
  "electric-offset",
  "electric-chunk-last-offset",
  "electric-cursor",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
]);

/** Which of the emulator's routes a recorded exchange is for, or why it is not compared. */
function classify(recording, exchange) {
  const { method, path, query } = requestLine(exchange);
  const { response } = exchange;
  if (!response) return { skip: "the client went away before the answer" };
  if (response.status === 429) return { skip: "the emulator has no plan to be over the limit of" };
  if (exchange.request.body?.includes("[shortened by the recorder")) return { skip: "the request is not whole" };
  const scopes = claimsOf(bearer(exchange))?.scopes ?? [];
  if (scopes.some((scope) => scope.startsWith("read:batch"))) return { skip: "batches come later" };
  if (/^\/realtime\/v1\/runs\/[^/]+\/?$/.test(path)) return { route: "feed", live: query.get("live") === "true" };
  if (path === "/realtime/v1/nothing") return { route: "other" };
  if (path === "/api/v1/auth/jwt/claims") return { route: "claims" };
  if (path === "/api/v1/auth/public-tokens") return { route: "public-tokens" };
  if (/^\/api\/v1\/tasks\/[^/]+\/trigger$/.test(path)) {
    const isOneTime = claimsOf(bearer(exchange))?.otu === true;
    if (isOneTime && !recording.server.includes("corrected"))
      return { skip: "the server's one-time check is at fault (protocol.md 3)" };
    return { route: "trigger" };
  }
  if (/^\/api\/v2\/runs\/[^/]+\/cancel$/.test(path)) return { route: "cancel" };
  if (/^\/api\/v3\/runs\/[^/]+$/.test(path)) {
    if (response.body?.includes("PresignedUrl")) return { skip: "stored packets come later" };
    return { route: "retrieve" };
  }
  return { skip: `no such route yet: ${method} ${path.split("/").slice(0, 4).join("/")}` };
}

/** Columns whose recorded text stands for a value of another type. */
const numbers = ["number", "usageDurationMs", "costInCents", "baseCostInCents"];
const arrays = ["runTags", "realtimeStreams"];

/** A recorded row as `POST /emulator/runs` takes it. */
function toColumns(value) {
  const columns = { ...value };
  for (const name of numbers) if (columns[name] != null) columns[name] = Number(columns[name]);
  for (const name of arrays) if (columns[name] != null) columns[name] = fromArrayLiteral(columns[name]);
  if (columns.isTest != null) columns.isTest = columns.isTest === "t";
  return columns;
}

function fromArrayLiteral(text) {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|([^{},"]+)/g)].map(
    ([, quoted, bare]) => bare ?? quoted.replace(/\\(.)/g, "$1"),
  );
}

/** A row that REST would show as the recorded run. */
function columnsOfRest(run) {
  const raw = {
    QUEUED: "PENDING",
    WAITING: "WAITING_TO_RESUME",
    COMPLETED: "COMPLETED_SUCCESSFULLY",
    FAILED: "COMPLETED_WITH_ERRORS",
  };
  const text = (value) => (value === undefined ? null : JSON.stringify(value));
  const error =
    run.error &&
    (run.error.name === undefined
      ? { raw: run.error.message, type: "STRING_ERROR" }
      : { ...run.error, type: "BUILT_IN_ERROR" });
  return {
    friendlyId: run.id,
    taskIdentifier: run.taskIdentifier,
    status: raw[run.status] ?? run.status,
    createdAt: run.createdAt,
    updatedAt: run.updatedAt,
    startedAt: run.startedAt ?? null,
    completedAt: run.finishedAt ?? null,
    delayUntil: run.delayedUntil ?? null,
    expiredAt: run.expiredAt ?? null,
    ttl: run.ttl ?? null,
    costInCents: run.costInCents,
    baseCostInCents: run.baseCostInCents,
    usageDurationMs: run.durationMs,
    isTest: run.isTest,
    runTags: run.tags,
    metadata: text(run.metadata),
    payload: text(run.payload),
    output: text(run.output),
    error: error ?? null,
  };
}

/** Sends a recorded request. Resolves to status, headers and decoded body. */
function send(url, exchange, renew, recordedAt) {
  const { method, target } = requestLine(exchange);
  const headers = {};
  for (const [name, value] of exchange.request.headers) {
    const key = name.toLowerCase();
    if (["host", "connection", "content-length"].includes(key)) continue;
    headers[name] =
      key === "authorization" && claimsOf(value) ? `Bearer ${renew(value.replace(/^Bearer /, ""), recordedAt)}` : value;
  }
  return new Promise((resolve, reject) => {
    const call = request(url + target, { method, headers, agent: false }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const encoding = response.headers["content-encoding"];
        const bytes = Buffer.concat(chunks);
        const decode = { gzip: gunzipSync, br: brotliDecompressSync }[encoding] ?? ((same) => same);
        const names = response.rawHeaders.filter((_, index) => index % 2 === 0);
        const values = response.rawHeaders.filter((_, index) => index % 2 === 1);
        resolve({
          status: response.statusCode,
          headers: names.map((name, index) => [name, values[index]]),
          body: decode(bytes).toString(),
        });
      });
    });
    call.on("error", reject);
    // A moment in a body (Unix seconds) is as far from now as it was then.
    const shift = Math.floor(Date.now() / 1000) - recordedAt;
    const body = (exchange.request.body ?? "").replace(
      /("expirationTime":)(\d{10})\b/,
      (_, name, time) => name + (Number(time) + shift),
    );
    call.end(body);
  });
}

const id = /\b(run[_-])?c[a-z0-9]{24}\b/g;

/** What of an answer must be equal, in a form that shows the difference. */
function comparable(answer, { route, method }) {
  const headers = {};
  for (const [name, value] of answer.headers) {
    const key = name.toLowerCase();
    if (transport.has(key)) continue;
    // Node's own client in this test closes; a kept connection is the server's default.
    if (key === "connection" || key === "keep-alive") continue;
    if (key === "x-trigger-jwt") headers[key] = shown(claimsOf(value));
    else if (key === "x-trigger-jwt-claims") headers[key] = shown(JSON.parse(value));
    else
      headers[key] = varying.has(key)
        ? value.replace(/\d+/g, "N")
        : value.replace(route === "trigger" ? id : /$^/g, "ID");
  }
  let body = method === "HEAD" ? "" : answer.body;
  if (route === "trigger") body = body.replace(id, "ID");
  if (route === "public-tokens" && body.startsWith('{"token"'))
    body = JSON.stringify(shown(claimsOf(JSON.parse(body).token)));
  if (route === "feed") body = body.replace(/"updatedAt":"[^"]*"/, '"updatedAt":"…"');
  if (route === "retrieve") {
    body = body.replace(/"version":"[^"]*"/, '"version":"…"').replace(/"updatedAt":"[^"]*"/, '"updatedAt":"…"');
  }
  return { status: answer.status, headers: Object.fromEntries(Object.entries(headers).sort()), body };
}

/** Claims in their order, with times as a distance and ids masked. */
function shown(claims) {
  const life = claims.exp === undefined ? {} : { exp: `iat + ${Math.round((claims.exp - claims.iat) / 60)} min` };
  const text = JSON.stringify({ ...claims, ...life, iat: "now" });
  return text.replaceAll(/run_c[a-z0-9]{24}/g, "run_ID");
}

/** Brings the emulator to where the server was before an exchange, and makes the call. */
async function replay(emulator, exchange, kind, state) {
  const { environments, renew, recordedAt } = state;
  const { path, query } = requestLine(exchange);
  const recorded = exchange.response;
  const runId = decodeURIComponent(path.split("/")[4] ?? "");
  const owner = ownerOf(exchange, environments);
  const control = (method, where, body) => emulator.call(method, `/emulator/runs${where}`, body, owner.secretKey);
  const put = async (columns) => {
    const before = state.runs.get(columns.friendlyId);
    if (before) await emulator.call("DELETE", `/emulator/runs/${columns.friendlyId}`, undefined, before);
    state.runs.set(columns.friendlyId, owner.secretKey);
    await control("POST", "", columns);
  };
  const rows =
    kind.route === "feed" && recorded.status === 200 && recorded.body.startsWith('[{"key"')
      ? JSON.parse(recorded.body)[0]
      : undefined;
  if (kind.route === "retrieve" && recorded.status === 200 && requestLine(exchange).method === "GET")
    await put(columnsOfRest(JSON.parse(recorded.body)));
  if (kind.route === "cancel" && recorded.status === 200 && !state.runs.has(runId)) await put({ friendlyId: runId });
  // Refusals are about runs that exist, unless the answer says otherwise.
  if (
    [401, 403, 200].includes(recorded.status) &&
    !rows &&
    !state.runs.has(runId) &&
    ["feed", "retrieve"].includes(kind.route)
  ) {
    await put({ friendlyId: runId });
  }
  const moveTo = (updatedAt) => {
    const moved = structuredClone(exchange);
    const offset = `${Date.parse(`${updatedAt}Z`)}_1`;
    moved.request.line = moved.request.line.replace(/offset=[^& ]*/, `offset=${offset}`);
    return moved;
  };
  if (kind.live && recorded.status === 200 && recorded.body === '[{"headers":{"control":"up-to-date"}}]') {
    // Held in vain: the poll begins where the emulator's run is, and says so again.
    const { updatedAt } = await control("PATCH", `/${runId}`, { number: 0 });
    const answer = await send(emulator.url, moveTo(updatedAt), renew, recordedAt);
    const name = header(answer, "electric-offset") === undefined ? "electric-chunk-last-offset" : "electric-offset";
    assert.equal(header(answer, name), requestLine(moveTo(updatedAt)).query.get("offset"));
    assert.equal(header(recorded, name), query.get("offset"));
    return answer;
  }
  if (!rows) return send(emulator.url, exchange, renew, recordedAt);
  const columns = toColumns(rows.value);
  const handle = query.get("handle");
  if (rows.headers.operation === "insert" || handle !== `run-${columns.id}` || !state.runs.has(runId)) {
    // A snapshot, or a live answer of a state that was there before.
    await put(columns);
    return send(emulator.url, exchange, renew, recordedAt);
  }
  // A live answer: the poll is open first, then the run changes. It begins at the offset where
  // the emulator's run is now.
  const { id: _, friendlyId: __, updatedAt: ___, ...changes } = columns;
  const { updatedAt } = await control("PATCH", `/${runId}`, {});
  const answer = send(emulator.url, moveTo(updatedAt), renew, recordedAt);
  await control("PATCH", `/${runId}`, changes);
  return answer;
}

/** Whose run an exchange is about: that of its key or token, else the first. */
function ownerOf(exchange, environments) {
  const key = bearer(exchange);
  const subject = claimsOf(key)?.sub;
  return environments.find((one) => one.secretKey === key || one.id === subject) ?? environments[0];
}

/** Calls that were under way at once have no order: they are compared as a group. */
function grouped(exchanges) {
  const groups = [];
  for (const exchange of exchanges) {
    const group = groups.at(-1);
    const overlaps = group?.some(
      (other) =>
        exchange.startedAtMs < other.startedAtMs + other.durationMs && other.request.line === exchange.request.line,
    );
    if (overlaps && exchange.request.line.startsWith("POST")) group.push(exchange);
    else groups.push([exchange]);
  }
  return groups;
}

/** When a recording began, in Unix ms: no earlier than any of its answers' dates (whole seconds) allow. */
function beginning(recording) {
  const bounds = recording.exchanges
    .filter((exchange) => header(exchange.response, "date"))
    .map(
      (exchange) =>
        Date.parse(header(exchange.response, "date")) - exchange.response.headersAtMs - exchange.startedAtMs,
    );
  return Math.max(...bounds);
}

const compared = new Map();

describe("the emulator answers as the recorded server did", { timeout: 300_000 }, () => {
  for (const recording of all) {
    const exchanges = recording.exchanges
      .map((exchange) => ({ exchange, kind: classify(recording, exchange) }))
      .filter(({ kind }) => kind.route);
    if (exchanges.length === 0) continue;

    test(recording.name, async (t) => {
      const environments = environmentsOf(recording, everyRootKey);
      const [main, ...others] = environments;
      const emulator = await startEmulatorProcess({
        secretKey: main.secretKey,
        environmentId: main.id,
        additionalKeys: main.additionalKeys,
        environments: others,
        // Runs here are changed by hand alone, and a poll without news ends soon.
        tasks: { "*": { queued: null } },
        holdMs: 300,
      });
      t.after(() => emulator.stop());
      const state = { environments, renew: renewer(environments), recordedAt: 0, runs: new Map() };
      const begin = beginning(recording);
      const kinds = new Map(exchanges.map(({ exchange, kind }) => [exchange, kind]));
      for (const group of grouped(exchanges.map(({ exchange }) => exchange))) {
        const ours = [];
        const theirs = [];
        for (const exchange of group) {
          const kind = kinds.get(exchange);
          const where = { ...kind, method: requestLine(exchange).method };
          state.recordedAt = Math.floor((begin + exchange.startedAtMs) / 1000);
          ours.push(comparable(await replay(emulator, exchange, kind, state), where));
          theirs.push(comparable(exchange.response, where));
          compared.set(kind.route, (compared.get(kind.route) ?? 0) + 1);
        }
        const sorted = (answers) =>
          answers
            .map((answer) => JSON.stringify(answer))
            .sort()
            .map((text) => JSON.parse(text));
        assert.deepEqual(sorted(ours), sorted(theirs), `${group[0].n}: ${group[0].request.line}`);
      }
    });
  }

  test("every route was compared", () => {
    for (const route of ["feed", "claims", "public-tokens", "trigger", "cancel", "retrieve", "other"]) {
      assert.ok(compared.get(route) > 0, `${route}: nothing was compared`);
    }
  });
});
