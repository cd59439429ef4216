// Feeds of tags and batches again: rows are made and changed as they were recorded, and each
// request goes on from where the emulator's own answers ended.

import { send } from "./replay-http.mjs";
import { toColumns } from "./replay-rows.mjs";
import { header, requestLine } from "./wire.mjs";

/** Whether an exchange is about a feed of several runs. */
export function isGroup(path) {
  return /^\/realtime\/v1\/(runs|batches\/[^/]+)$/.test(path);
}

export async function replayGroup(emulator, exchange, state, control) {
  const { path, query } = requestLine(exchange);
  const recorded = exchange.response;
  const batch = path.startsWith("/realtime/v1/batches/") ? path.split("/")[4] : undefined;
  const knows = state.groups;
  if (batch && recorded.status !== 404 && !knows.has(batch)) {
    await control("POST", "/emulator/batches", { id: batch });
    knows.set(batch, true);
  }
  if (recorded.status === 200) {
    const shift = Date.now() - state.recordedAt * 1000;
    const messages = JSON.parse(recorded.body).filter((message) => message.value);
    if (query.get("offset") === "-1") await forget(emulator, query.get("tags"), messages, state, control);
    for (const { value } of messages) {
      const { id, friendlyId, updatedAt, createdAt, ...changes } = toColumns(value);
      if (!state.runs.has(friendlyId)) {
        // As long ago as it was then: feeds have windows of time.
        const at = new Date(Date.parse(`${createdAt}Z`) + shift).toISOString();
        await control("POST", "/emulator/runs", { id, friendlyId, createdAt: at, ...changes, ...(batch && { batch }) });
        state.runs.set(friendlyId, true);
      } else if (query.get("live") === "true" || (!batch && !query.get("tags"))) {
        await control("PATCH", `/emulator/runs/${friendlyId}`, changes);
      }
    }
  }
  // Runs and batches keep their recorded names here; only handles and offsets are the emulator's.
  const ours = await send(emulator.url, widened(exchange), { ...state, names: state.places });
  for (const name of ["electric-handle", "electric-offset"]) {
    const theirs = header(recorded, name);
    if (theirs && header(ours, name)) state.places.set(theirs, header(ours, name));
  }
  return ours;
}

/**
 * A window of seconds made one of an hour: what falls out of it as the replay goes on is no part of what is compared.
 */
function widened(exchange) {
  const line = exchange.request.line.replace(/createdAt=\d+s\b/, "createdAt=1h");
  return { ...exchange, request: { ...exchange.request, line } };
}

/**
 * Before a snapshot nothing is there but what it shows, as it shows it: the recorded server reads
 * a replica that can lag behind.
 */
async function forget(emulator, tags, messages, state, control) {
  const shown = new Set(messages.map(({ value }) => value.friendlyId));
  if (tags) {
    const { data } = await emulator.call("GET", `/api/v1/runs?filter%5Btag%5D=${encodeURIComponent(tags)}`);
    for (const { id } of data) shown.add(id);
  }
  for (const id of shown) {
    await control("DELETE", `/emulator/runs/${id}`).catch(() => undefined);
    state.runs.delete(id);
  }
}

/** Masks the values that differ from feed to feed. */
export function maskGroup({ headers, ...rest }) {
  const shape = (name, value) => {
    if (name === "electric-handle")
      return value
        .replace(/^batch_[a-z0-9]+_/i, "batch_ID_")
        .replace(/\d+/g, "N")
        .replace(/_[0-9a-fN]+$/, "_H");
    return value;
  };
  return {
    ...rest,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, shape(name, value)])),
    body: rest.body.replace(/"(updatedAt|createdAt)":"[^"]*"/g, '"$1":"…"'),
  };
}
