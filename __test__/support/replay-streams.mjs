// Streams again: a run with the recorded records is made for each reader, what came live is
// written live, and what the reader gets must be what was recorded.

import { send } from "./replay-http.mjs";
import { header, requestLine } from "./wire.mjs";

/** Which of the stream routes a path is for. */
export function streamRoute(method, path) {
  if (!path.startsWith("/realtime/v1/streams/")) return undefined;
  const rest = path.split("/").slice(5);
  if (rest[0] === "input" && method === "POST") return "input-send";
  if (["self", "parent", "root"].includes(rest[0]) && rest.length > 1) return "stream-write";
  return "stream-read";
}

/** The events of a body that may end in the middle of one. */
function eventsOf(body) {
  return body
    .split("\n\n")
    .slice(0, -1)
    .filter((event) => event !== "");
}

const isPing = (event) => event.startsWith(": ping") || event.startsWith("event: ping");

/** The events that must be equal: pings are timed, and the first of v2 has the tail. */
function comparableEvents(body) {
  let pinged = false;
  return eventsOf(body)
    .filter((event) => {
      if (!isPing(event)) return true;
      const first = !pinged;
      pinged = true;
      return first;
    })
    .map((event) => (isPing(event) ? event.replace(/"timestamp":\d+,"tail"/, '"timestamp":"now","tail"') : event));
}

/** The records of a recorded answer, in order, and whether each was there when the reader came. */
function recordsOf(exchange, version) {
  const records = [];
  let isLive = false;
  for (const chunk of exchange.response.chunks) {
    for (const event of eventsOf(chunk.text)) {
      if (isPing(event)) {
        isLive ||= version === "v2";
        continue;
      }
      const data = event.match(/^data: (.*)$/m)?.[1] ?? "";
      if (version === "v1") {
        const [timestamp, number] = event
          .match(/^id: (\d+)-(\d+)/)
          .slice(1)
          .map(Number);
        const last = records.at(-1);
        // Lines of one write share an id.
        if (last?.timestamp === timestamp && last.number === number) last.body += `\n${data}`;
        else records.push({ timestamp, number, body: data, isLive: chunk.atMs > 100 });
      } else if (event.startsWith("event: batch")) {
        for (const record of JSON.parse(data).records) {
          const { seq_num: number, timestamp, body, headers } = record;
          records.push({ number, timestamp, body, headers, isLive });
        }
      }
    }
  }
  return records;
}

/** Makes the run of a recorded reader, reads its stream, and resolves to both sides' events. */
export async function replayRead(emulator, exchange, state, control) {
  const { path } = requestLine(exchange);
  const recorded = exchange.response;
  const [, , , , runId, ...rest] = path.split("/");
  const isInput = rest[0] === "input" && rest.length > 1;
  const key = rest.at(-1);
  const own = `${runId}r${exchange.n}`;
  const version = header(recorded, "x-stream-version") === "v2" ? "v2" : "v1";
  const write = (records, more = {}) =>
    control("POST", `/emulator/runs/${own}/${isInput ? "input" : "streams"}/${key}`, {
      records: records.map(({ body, headers, timestamp }) => ({ body, headers: headers ?? [], timestamp })),
      ...more,
    });
  const now = recorded.status === 200 ? recordsOf(exchange, version) : [];
  const place = `${runId}/${key}`;
  const before = state.streams.get(place) ?? new Map();
  state.streams.set(place, before);
  const idOf = (record) => `${record.timestamp}-${String(record.number).padStart(9, "0")}`;
  for (const record of now.filter((one) => !one.isLive)) before.set(idOf(record), record);
  const known = [...before].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
  const live = now.filter((record) => record.isLive);
  for (const record of live) before.set(idOf(record), record);
  // Up to here nothing was waited for: later readers know what this one saw.
  if (recorded.status !== 404) {
    await control("POST", "/emulator/runs", { friendlyId: own, streamsVersion: version });
  }
  if (known.length > 0 && recorded.status === 200) {
    const resumes = /^\d+$/.test(header(exchange.request, "last-event-id") ?? "");
    // What a reader from the start does not see was trimmed.
    const trim = version === "v2" && !resumes ? { trim: now[0]?.number ?? 0 } : {};
    await write(known, trim);
  }
  const wanted = comparableEvents(recorded.body ?? "").length;
  const has = (body) => comparableEvents(body).length;
  // A live record is written when the reader has got everything before it.
  let written = 0;
  const first = wanted - live.length - (recorded.body?.includes("[DONE]") ? 1 : 0);
  const feed = async (body) => {
    while (written < live.length && has(body) >= first + written) {
      written += 1;
      await write([live[written - 1]]);
    }
  };
  const reading = recorded.status === 200 ? { onData: (body) => void feed(body) } : {};
  // Where the client had left, this one leaves when it has got as much.
  if (exchange.endedBy === "client-disconnect" && wanted > 0) reading.until = (body) => has(body) >= wanted;
  if (version === "v1" && first === 0 && live.length > 0) throw new Error("a v1 reader that saw nothing at first");
  // Names are this reader's own: others read meanwhile.
  const ours = await send(emulator.url, exchange, { ...state, names: ownNames(path, own, runId) }, reading);
  const side = ({ status, headers, body, broken }) => ({
    status,
    headers,
    body: status === 200 ? comparableEvents(body).join("\n\n") : body,
    broken,
  });
  return {
    ours: side(ours),
    theirs: side({ ...recorded, body: recorded.body ?? "", broken: exchange.endedBy === "upstream-aborted" }),
  };
}

function ownNames(path, own, runId) {
  const to = path.replace(runId, own);
  return { apply: (text) => text.replace(path, to).replaceAll(`:${runId}"`, `:${own}"`) };
}

/** A write or a message to a run again. */
export async function replayWrite(emulator, exchange, state, control) {
  const { path } = requestLine(exchange);
  const recorded = exchange.response;
  const runId = path.split("/")[4];
  if (!state.runs.has(runId)) {
    // Its first call tells the version where it announces a stream.
    const version = recorded.body?.includes('"v1"') ? "v1" : "v2";
    await control("POST", "/emulator/runs", { friendlyId: runId, streamsVersion: version });
    state.runs.set(runId, true);
  }
  if (recorded.body?.includes("completed run")) {
    await control("PATCH", `/emulator/runs/${runId}`, { status: "COMPLETED_SUCCESSFULLY" });
  }
  return send(emulator.url, exchange, state);
}
