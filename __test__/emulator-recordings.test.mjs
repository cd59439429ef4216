// Every recorded call that the emulator answers is made to it again, on runs brought to the
// recorded state; its answer must be the server's apart from ids, times, handles and transport.

import assert from "node:assert/strict";
import { describe } from "node:test";

import { leftOut, listedPlaces } from "./support/emulator-left-out.mjs";
import { startEmulatorProcess } from "./support/emulator-process.mjs";
import { recordings as everyRecording, withRecordings } from "./support/recordings.mjs";
import { callRoute, callRoutes, maskCall, ownerOf, replayCall, shown } from "./support/replay-calls.mjs";
import { isGroup, maskGroup, replayGroup } from "./support/replay-groups.mjs";
import { Names, send } from "./support/replay-http.mjs";
import { columnsOfRest, toColumns } from "./support/replay-rows.mjs";
import { replayRead, replayWrite, streamRoute } from "./support/replay-streams.mjs";
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

// Set by the connection, not by the route.
const transport = new Set(["date", "transfer-encoding", "content-length", "content-encoding", "etag"]);
// They differ from call to call; that they are there is compared.
const varying = new Set([
  "x-ratelimit-limit",
  "electric-offset",
  "electric-chunk-last-offset",
  "electric-cursor",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
]);

/** Which of the emulator's routes a recorded exchange is for; undefined where it is not compared. */
function classify(recording, exchange) {
  if (leftOut(recording.name, exchange.n)) return undefined;
  const { method, path, query } = requestLine(exchange);
  if (!exchange.response && query.get("live") === "true") return { route: "held" };
  if (isGroup(path) && method === "OPTIONS") return { route: "other" };
  if (isGroup(path) && path.includes("/batches/")) return { route: "batch-feed" };
  if (isGroup(path)) return { route: query.getAll("tags").at(-1) ? "tag-feed" : "environment-feed" };
  const stream = streamRoute(method, path);
  if (stream) return { route: method === "OPTIONS" ? "other" : stream };
  const call = callRoute(method, path);
  if (call) return { route: call };
  if (/^\/realtime\/v1\/runs\/[^/]+\/?$/.test(path)) return { route: "feed", live: query.get("live") === "true" };
  if (path === "/realtime/v1/nothing") return { route: "other" };
  if (path === "/api/v1/auth/jwt/claims") return { route: "claims" };
  if (path === "/api/v1/auth/public-tokens") return { route: "public-tokens" };
  if (/^\/api\/v1\/tasks\/[^/]+\/trigger$/.test(path)) return { route: "trigger" };
  if (/^\/api\/v2\/runs\/[^/]+\/cancel$/.test(path)) return { route: "cancel" };
  if (/^\/api\/v3\/runs\/[^/]+$/.test(path)) {
    return { route: "retrieve" };
  }
  return undefined;
}

const UP_TO_DATE = '[{"headers":{"control":"up-to-date"}}]';

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
  const whole = { status: answer.status, headers: Object.fromEntries(Object.entries(headers).sort()), body };
  if (answer.broken) whole.broken = true;
  if (route === "environment-feed") return inAnyOrder(maskGroup(whole));
  if (route === "tag-feed" || route === "batch-feed") return maskGroup(whole);
  return callRoutes.includes(route) || route === "retrieve" || route === "stream-write" ? maskCall(whole) : whole;
}

/** The server lists the runs of an environment in its own order (by task, as recorded), and promises none. */
function inAnyOrder(answer) {
  const told = JSON.parse(answer.body);
  return { ...answer, body: Array.isArray(told) ? told.map((message) => JSON.stringify(message)).sort() : told };
}

/** An exchange that goes on from another offset. */
function movedTo(exchange, updatedAt) {
  const moved = structuredClone(exchange);
  const offset = `${Date.parse(`${updatedAt}Z`)}_1`;
  moved.request.line = moved.request.line.replace(/offset=[^& ]*/, `offset=${offset}`);
  return moved;
}

/** Makes a poll that begins where the emulator is. */
async function replayHeld(emulator, exchange, state) {
  const { path } = requestLine(exchange);
  if (isGroup(path)) return send(emulator.url, exchange, { ...state, names: state.places });
  const run = state.names.apply(path.split("/")[4]);
  const { secretKey } = ownerOf(exchange, state.environments);
  const { updatedAt } = await emulator.call("PATCH", `/emulator/runs/${run}`, { number: 0 }, secretKey);
  return send(emulator.url, movedTo(exchange, updatedAt), state);
}

/** Brings the emulator to where the server was before an exchange, and makes the call. */
async function replay(emulator, exchange, kind, state) {
  const { environments } = state;
  const { path, query } = requestLine(exchange);
  const recorded = exchange.response;
  const runId = state.names.apply(decodeURIComponent(path.split("/")[4] ?? ""));
  const owner = ownerOf(exchange, environments);
  const call = (method, where, body) => emulator.call(method, where, body, owner.secretKey);
  const control = (method, where, body) => call(method, `/emulator/runs${where}`, body);
  if (kind.route.endsWith("-feed")) return replayGroup(emulator, exchange, state, call);
  if (kind.route === "stream-write" || kind.route === "input-send") return replayWrite(emulator, exchange, state, call);
  if (callRoutes.includes(kind.route)) return replayCall(emulator, exchange, kind.route, state, call);
  const put = async (recordedColumns) => {
    const columns = { ...recordedColumns, friendlyId: state.names.apply(recordedColumns.friendlyId) };
    const before = state.runs.get(columns.friendlyId);
    const key = before && before !== true ? before : owner.secretKey;
    const known = before || state.names.get(recordedColumns.friendlyId);
    if (known) await emulator.call("DELETE", `/emulator/runs/${columns.friendlyId}`, undefined, key);
    state.runs.set(columns.friendlyId, owner.secretKey);
    // A token for a batch reads its runs.
    const scope = claimsOf(bearer(exchange))?.scopes?.find((one) => one.startsWith("read:batch:"));
    await control("POST", "", { ...columns, ...(scope && { batch: scope.slice("read:batch:".length) }) });
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
  if (kind.live && recorded.status === 200 && recorded.body === UP_TO_DATE) {
    // Held in vain: the poll begins where the emulator's run is, and says so again.
    const { updatedAt } = await control("PATCH", `/${runId}`, { number: 0 });
    const answer = await send(emulator.url, movedTo(exchange, updatedAt), state);
    const name = header(answer, "electric-offset") === undefined ? "electric-chunk-last-offset" : "electric-offset";
    assert.equal(header(answer, name), requestLine(movedTo(exchange, updatedAt)).query.get("offset"));
    assert.equal(header(recorded, name), query.get("offset"));
    return answer;
  }
  if (recorded.status === 429) {
    if (!state.runs.has(runId)) await put({ friendlyId: runId });
    await call("PUT", "/emulator/limits", { maxConnections: 0 });
    const answer = await send(emulator.url, exchange, state);
    await call("PUT", "/emulator/limits", { maxConnections: null });
    return answer;
  }
  if (!rows) return send(emulator.url, exchange, state);
  const columns = toColumns(rows.value);
  const handle = query.get("handle");
  if (rows.headers.operation === "insert" || handle !== `run-${columns.id}` || !state.runs.has(runId)) {
    // A snapshot, or a live answer of a state that was there before.
    await put(columns);
    return send(emulator.url, exchange, state);
  }
  // A live answer: the poll is open first, then the run changes. It begins at the offset where
  // the emulator's run is now.
  const { id: _, friendlyId: __, updatedAt: ___, ...changes } = columns;
  const { updatedAt } = await control("PATCH", `/${runId}`, {});
  const answer = send(emulator.url, movedTo(exchange, updatedAt), state);
  await control("PATCH", `/${runId}`, changes);
  return answer;
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

const compared = new Map();
/** How many exchanges of each recording were compared. */
const comparedIn = new Map();

function count(recording, route) {
  comparedIn.set(recording.name, (comparedIn.get(recording.name) ?? 0) + 1);
  compared.set(route, (compared.get(route) ?? 0) + 1);
}

withRecordings("emulator", 50, (_, test) => {
  const all = recordings();
  const everyRootKey = rootKeysOf(all);

  describe("the emulator answers as the recorded server did", { timeout: 300_000 }, () => {
    for (const recording of all) {
      const exchanges = recording.exchanges
        .map((exchange) => ({ exchange, kind: classify(recording, exchange) }))
        .filter(({ kind }) => kind);

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
        const state = {
          recording,
          environments,
          renew: renewer(environments),
          recordedAt: 0,
          names: new Names(),
          places: new Names(),
          runs: new Map(),
          groups: new Map(),
          streams: new Map(),
        };
        // Readers of streams wait for seconds of silence: all at once.
        const readers = [];
        const begin = Date.parse(recording.beganAt);
        const kinds = new Map(exchanges.map(({ exchange, kind }) => [exchange, kind]));
        for (const group of grouped(exchanges.map(({ exchange }) => exchange))) {
          const ours = [];
          const theirs = [];
          for (const exchange of group) {
            const kind = kinds.get(exchange);
            const where = { ...kind, method: requestLine(exchange).method };
            state.recordedAt = Math.floor((begin + exchange.startedAtMs) / 1000);
            if (kind.route === "held") {
              // The server held it until the client left; here the hold ends, and nothing has happened.
              const { status, body } = await replayHeld(emulator, exchange, state);
              assert.deepEqual([status, body], [200, UP_TO_DATE], `${exchange.n}: ${exchange.request.line}`);
              count(recording, kind.route);
              continue;
            }
            if (kind.route === "stream-read") {
              const owner = ownerOf(exchange, environments);
              const call = (method, path, body) => emulator.call(method, path, body, owner.secretKey);
              const { recordedAt } = state;
              readers.push({ exchange, where, sides: replayRead(emulator, exchange, { ...state, recordedAt }, call) });
              // A reader that resumes needs what the readers before it had made known.
              await new Promise((resolve) => setImmediate(resolve));
              continue;
            }
            ours.push(comparable(await replay(emulator, exchange, kind, state), where));
            theirs.push(comparable(exchange.response, where));
            count(recording, kind.route);
          }
          const sorted = (answers) =>
            answers
              .map((answer) => JSON.stringify(answer))
              .sort()
              .map((text) => JSON.parse(text));
          assert.deepEqual(sorted(ours), sorted(theirs), `${group[0].n}: ${group[0].request.line}`);
        }
        for (const { exchange, where, sides } of readers) {
          const { ours, theirs } = await sides;
          count(recording, "stream-read");
          const label = `${exchange.n}: ${exchange.request.line}`;
          assert.deepEqual(comparable(ours, where), comparable(theirs, where), label);
        }
      });
    }

    test("no recorded exchange is passed over: each is compared, or left out with the reason", (t) => {
      const numbers = new Set();
      let [sum, total] = [0, 0];
      for (const { name, exchanges } of everyRecording()) {
        const out = exchanges.filter(({ n }) => leftOut(name, n));
        for (const { n } of out) numbers.add(`${name} #${n}`);
        const done = comparedIn.get(`${name}.json`) ?? 0;
        const why = new Map();
        for (const { n } of out) why.set(leftOut(name, n), [...(why.get(leftOut(name, n)) ?? []), n]);
        const told = [...why].map(([reason, ns]) => `; not #${ns.join(", #")}: ${reason}`).join("");
        t.diagnostic(`${name}: ${done} of ${exchanges.length} compared${told}`);
        assert.equal(done + out.length, exchanges.length, name);
        sum += done;
        total += exchanges.length;
      }
      t.diagnostic(`${sum} of ${total} recorded exchanges compared`);
      assert.deepEqual(
        listedPlaces.filter((one) => !numbers.has(one)),
        [],
        "listed, but not recorded",
      );
    });

    test("every route was compared", () => {
      const own = [
        "feed",
        "claims",
        "public-tokens",
        "trigger",
        "cancel",
        "retrieve",
        "other",
        "tag-feed",
        "batch-feed",
        "environment-feed",
      ];
      for (const route of [...own, "held", "stream-read", "stream-write", "input-send", ...callRoutes]) {
        assert.ok(compared.get(route) > 0, `${route}: nothing was compared`);
      }
    });
  });
});
