// REST calls again: batches, wait tokens, stored packets, lists, replays.

import { send } from "./replay-http.mjs";
import { columnsOfRest } from "./replay-rows.mjs";
import { bearer, claimsOf, requestLine } from "./wire.mjs";

const patterns = [
  ["batch-create", "POST", /^\/api\/v3\/batches$/],
  ["batch-items", "POST", /^\/api\/v3\/batches\/[^/]+\/items$/],
  ["batch-retrieve", "GET", /^\/api\/v2\/batches\/[^/]+$/],
  ["batch-results", "GET", /^\/api\/v1\/batches\/[^/]+\/results$/],
  ["token-create", "POST", /^\/api\/v1\/waitpoints\/tokens$/],
  ["token-list", "GET", /^\/api\/v1\/waitpoints\/tokens$/],
  ["token-retrieve", "GET", /^\/api\/v1\/waitpoints\/tokens\/[^/]+$/],
  ["token-complete", "POST", /^\/api\/v1\/waitpoints\/tokens\/[^/]+\/complete$/],
  ["token-complete", "OPTIONS", /^\/api\/v1\/waitpoints\/tokens\/[^/]+\/complete$/],
  ["token-callback", "POST", /^\/api\/v1\/waitpoints\/tokens\/[^/]+\/callback\/[^/]+$/],
  ["packet-upload", "PUT", /^\/api\/v2\/packets\/.+$/],
  ["packet-url", "GET", /^\/api\/v1\/packets\/.+$/],
  ["run-list", "GET", /^\/api\/v1\/runs$/],
  ["run-replay", "POST", /^\/api\/v1\/runs\/[^/]+\/replay$/],
  ["run-reschedule", "POST", /^\/api\/v1\/runs\/[^/]+\/reschedule$/],
  ["run-result", "GET", /^\/api\/v1\/runs\/[^/]+\/result$/],
];

/** Which of these routes a call is for. */
export function callRoute(method, path) {
  return patterns.find(([, verb, pattern]) => verb === method && pattern.test(path))?.[0];
}

/** The routes there are. */
export const callRoutes = [...new Set(patterns.map(([route]) => route))];

/** Brings the emulator to where the server was, makes the call, and notes the names it made. */
export async function replayCall(emulator, exchange, route, state, control) {
  const { path } = requestLine(exchange);
  const recorded = exchange.response;
  await prepare[route]?.({ emulator, exchange, recorded, path, state, control });
  const ours = await send(emulator.url, exchange, state);
  if (ours.status < 300 && recorded.status < 300) note(state.names, ours, recorded);
  return ours;
}

/** The names in both answers: ids, with and without their prefixes, and hashes. */
function note(names, ours, recorded) {
  let [here, there] = [{}, {}];
  try {
    [here, there] = [JSON.parse(ours.body), JSON.parse(recorded.body)];
  } catch {}
  if (typeof there.id === "string" && typeof here.id === "string" && !names.has(there.id)) {
    names.set(there.id, here.id);
    const [prefix, id] = there.id.split("_");
    // Cursors of wait tokens have the bare id.
    if (prefix === "waitpoint") names.set(id, here.id.split("_")[1]);
  }
  if (there.url && here.url) names.set(there.url.split("/").at(-1), here.url.split("/").at(-1));
}

const prepare = {
  async "batch-retrieve"({ emulator, recorded, path, state, control }) {
    if (recorded.status !== 200 || JSON.parse(recorded.body).status !== "COMPLETED") return;
    const own = await emulator.call("GET", state.names.apply(path));
    for (const id of own.runs) await control("PATCH", `/emulator/runs/${id}`, { status: "COMPLETED_SUCCESSFULLY" });
  },
  async "token-retrieve"({ emulator, recorded, path, state }) {
    if (JSON.parse(recorded.body).status !== "TIMED_OUT") return;
    // Its time-out is a second or two of real time.
    while ((await emulator.call("GET", state.names.apply(path))).status === "WAITING") {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
  async "token-complete"({ emulator, recorded, path, state, exchange }) {
    const id = path.split("/")[5];
    if (state.names.has(id) || recorded.status === 404 || !exchange.request.line.startsWith("POST")) return;
    // Made where the recording does not show it: by a run, or for a browser.
    const made = await emulator.call("POST", "/api/v1/waitpoints/tokens", {});
    state.names.set(id, made.id);
  },
  async "run-list"({ emulator, state, control, recorded }) {
    if (state.listed) return;
    state.listed = true;
    const entries = new Map();
    for (const other of state.recording.exchanges) {
      if (!/^GET \/api\/v1\/runs\?/.test(other.request.line) || other.response.status !== 200) continue;
      for (const entry of JSON.parse(other.response.body).data) entries.set(entry.id, entry);
    }
    // Only the runs of the recorded lists are there.
    for (;;) {
      const { data } = await emulator.call("GET", "/api/v1/runs?page%5Bsize%5D=100");
      if (data.length === 0) break;
      for (const run of data) await control("DELETE", `/emulator/runs/${run.id}`);
    }
    state.runs.clear();
    state.shift = Date.now() - state.recordedAt * 1000;
    const batch = /filter%5Bbatch%5D=([^& ]+)/.exec(
      state.recording.exchanges.find((one) => one.response === recorded).request.line,
    )?.[1];
    // The server had older runs of these tasks, which the recorded pages end before.
    const older = new Date(Date.now() - 30 * 86_400_000).toISOString();
    for (const taskIdentifier of new Set([...entries.values()].map((entry) => entry.taskIdentifier)))
      await control("POST", "/emulator/runs", { taskIdentifier, createdAt: older });
    for (const entry of entries.values()) {
      const columns = columnsOfRest(entry);
      columns.id = entry.id.replace(/^run_/, "");
      columns.createdAt = new Date(Date.parse(entry.createdAt) + state.shift).toISOString();
      await control("POST", "/emulator/runs", { ...columns, ...(batch && { batch: state.names.get(batch) ?? batch }) });
    }
    for (const other of state.recording.exchanges) {
      for (const [cursor] of (other.request.line + (other.response?.body ?? "")).matchAll(/eyJj[A-Za-z0-9+/=]+/g)) {
        const { c, r } = JSON.parse(Buffer.from(cursor, "base64"));
        state.names.set(cursor, Buffer.from(JSON.stringify({ c: c + state.shift * 1000, r })).toString("base64"));
      }
    }
  },
  async "run-replay"({ path, recorded, state, control }) {
    if (recorded.status === 200) await ensure(state, control, path.split("/")[4], {});
  },
  async "run-reschedule"({ path, recorded, state, control }) {
    const id = path.split("/")[4];
    if (recorded.status === 200) await ensure(state, control, id, columnsOfRest(JSON.parse(recorded.body)), true);
    if (recorded.status === 400) await ensure(state, control, id, { status: "COMPLETED_SUCCESSFULLY" });
  },
  async "run-result"({ path, recorded, state, control }) {
    const status = recorded.status === 200 ? "CANCELED" : "COMPLETED_SUCCESSFULLY";
    const taskIdentifier = recorded.status === 200 ? JSON.parse(recorded.body).taskIdentifier : "quick";
    await ensure(state, control, path.split("/")[4], { status, taskIdentifier }, true);
  },
};

async function ensure(state, control, friendlyId, columns, anew = false) {
  const own = state.names.get(friendlyId) ?? friendlyId;
  if (state.runs.has(own)) {
    if (!anew) return;
    await control("DELETE", `/emulator/runs/${own}`);
  }
  await control("DELETE", `/emulator/runs/${own}`).catch(() => undefined);
  await control("POST", "/emulator/runs", { ...columns, friendlyId: own });
  state.runs.set(own, true);
}

const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z?/g;

/** Masks the values that differ from call to call. */
export function maskCall(answer) {
  const mask = (text) =>
    text
      .replace(/http:\/\/127\.0\.0\.1:\d+/g, "http://HOST")
      .replace(/\/packets\/proj_[a-z]+\/[^/]+\//g, "/packets/PROJECT/ENVIRONMENT/")
      .replace(/X-Amz-(Date|Credential|Signature)=[^&"]+/g, "X-Amz-$1=…")
      .replace(/(callback\/)[0-9a-f]{64}/g, "$1HASH")
      .replace(/\b(run_|batch_|waitpoint_)?c[a-z0-9]{24}\b/g, "$1ID")
      .replace(/"idempotencyKey":"[A-Za-z0-9_-]{24}"/g, '"idempotencyKey":"…"')
      .replace(/"version":"[^"]*"/g, '"version":"…"')
      .replace(/eyJj[A-Za-z0-9+/=]+/g, (cursor) => `cursor of ${JSON.parse(Buffer.from(cursor, "base64")).r}`)
      .replace(time, "…");
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [name, name.startsWith("x-s2-") ? "…" : mask(String(value))]),
  );
  return { ...answer, headers, body: mask(answer.body) };
}

/** Claims in their order, with times as a distance and ids masked. */
export function shown(claims) {
  const life = claims.exp === undefined ? {} : { exp: `iat + ${Math.round((claims.exp - claims.iat) / 60)} min` };
  const text = JSON.stringify({ ...claims, ...life, iat: "now" });
  return text.replaceAll(/\b(run|batch|waitpoint)_c[a-z0-9]{24}/g, "$1_ID");
}

/** Whose run an exchange is about: that of its key or token, else the first. */
export function ownerOf(exchange, environments) {
  const key = bearer(exchange);
  const subject = claimsOf(key)?.sub;
  return environments.find((one) => one.secretKey === key || one.id === subject) ?? environments[0];
}
