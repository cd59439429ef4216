// What the official hooks showed of the real server, and the same runs played to them here.

import { toColumns } from "../../support/replay-rows.mjs";
import { recordings, requestLine } from "../../support/wire.mjs";
import { named } from "../tab.mjs";

/** Where the recorded pages found the server. */
const RECORDED_API = /http:\/\/127\.0\.0\.1:\d+/;

/** The recordings that can be played row by row, and how their hook is opened. */
const PLAYED = {
  "browser-hooks-useRealtimeRun.json": {},
  "browser-hooks-useRealtimeRun-strict.json": { strict: true },
  "browser-hooks-useRealtimeRun-skip.json": { options: { skipColumns: ["payload", "output"] } },
  "browser-hooks-useRealtimeRun-stay.json": { options: { stopOnCompletion: false } },
  "browser-hooks-useRealtimeRun-cancelled-queued.json": {},
};

/** The rows that the page received, each once, in order. */
function rowsOf({ exchanges }) {
  const rows = [];
  for (const exchange of exchanges) {
    const { method, path } = requestLine(exchange);
    if (method !== "GET" || !path.startsWith("/realtime/v1/runs/") || exchange.response?.status !== 200) continue;
    const [message] = JSON.parse(exchange.response.body).filter(({ value }) => value);
    if (message && rows.at(-1)?.updatedAt !== message.value.updatedAt) rows.push(message.value);
  }
  return rows;
}

/** What the recorded page showed, each state once. */
function statesOf({ clientNotes }) {
  const rendered = clientNotes.flatMap((note) => (note.rendered ? [note.rendered] : []));
  const api = JSON.stringify(rendered).match(RECORDED_API)?.[0] ?? "http://nowhere.invalid";
  return named(rendered, api);
}

/** A row's columns, as a worker would change them. */
function changesOf(row) {
  const { id, friendlyId, updatedAt, ...columns } = toColumns(row);
  return columns;
}

export const recorded = recordings()
  .filter(({ name }) => PLAYED[name])
  .map((recording) => {
    const { strict, options } = PLAYED[recording.name];
    const states = statesOf(recording);
    return {
      name: `as recorded: ${recording.name.replace(/^browser-hooks-|\.json$/g, "")}`,
      hook: "useRealtimeRun",
      async play({ control, open }) {
        const [first, ...rest] = rowsOf(recording).map(changesOf);
        const runId = await control.run(first);
        const tab = await open("useRealtimeRun", { runId, strict, options }, control.reader(runId));
        await tab.shows((state) => state.run);
        for (const [index, row] of rest.entries()) {
          await control.change(runId, row);
          // The state without a run comes first, so that of the next row is the third.
          await tab.shows((_, count) => window.states.length >= count, index + 3);
        }
        await tab.shows((_, count) => window.states.length >= count, states.length);
        return tab;
      },
      // The page of that recording did not show what ended.
      hide: JSON.stringify(states).includes("onComplete") ? [] : ["onComplete"],
      states: () => states,
    };
  });

/** The states that the official hook went through on the real server, by recording. */
export const recordedStates = new Map(
  recordings()
    .filter(({ name }) => name.startsWith("browser-hooks-"))
    .map((recording) => [recording.name, statesOf(recording)]),
);
