import { runs } from "trigger-native";

/** A run and its stream `ai` as server-sent events, for as long as the browser listens. Check here that the user may. */
export default defineEventHandler((event) => {
  // The web requests of Nuxt do not tell that a browser left: the connection does.
  const left = new AbortController();
  event.node.res.once("close", () => left.abort());
  const request = { headers: event.headers, signal: left.signal };
  return runs
    .subscribeToRun(getRouterParam(event, "id") ?? "")
    .withStreams({ streams: ["ai"] })
    .toResponse(request);
});
