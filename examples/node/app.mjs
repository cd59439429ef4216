// What all three servers do.

import { auth, createRealtimeHandler, runs, tasks } from "trigger-native";

/** Starts a run and mints a token that reads this run, for an hour. Check here that the user may. */
export async function start() {
  const run = await tasks.trigger("streamer", { startedFrom: "node" });
  const token = await auth.createPublicToken({ scopes: { read: { runs: run.id } }, expirationTime: "1h" });
  return { id: run.id, token };
}

/**
 * Follows a run and its stream `ai` as server-sent events, for as long as the browser listens. Check here that the user
 * may.
 *
 * @param {string} id
 * @param {import("trigger-native").EventsRequest} request a browser that comes back says in its headers where it was
 */
export function follow(id, request) {
  return runs
    .subscribeToRun(id)
    .withStreams({ streams: ["ai"] })
    .toResponse(request);
}

/** What the official hooks speak to, with `/api/trigger` of this server as their `baseURL`. */
export const relay = createRealtimeHandler();
