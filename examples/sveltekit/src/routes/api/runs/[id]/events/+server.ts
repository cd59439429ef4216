import { runs } from "trigger-native";
import type { RequestHandler } from "./$types";

/** A run and its stream `ai` as server-sent events, for as long as the browser listens. Check here that the user may. */
export const GET: RequestHandler = ({ params, request }) =>
  runs
    .subscribeToRun(params.id)
    .withStreams({ streams: ["ai"] })
    .toResponse(request);
