import { runs } from "trigger-native";
import { runOf } from "../visitor.server";
import type { Route } from "./+types/run-events";

/** A run and its stream `ai` as server-sent events, for as long as the browser listens. */
export async function loader({ params, request }: Route.LoaderArgs) {
  const { id } = await runOf(request, params.id);
  return runs
    .subscribeToRun(id)
    .withStreams({ streams: ["ai"] })
    .toResponse(request);
}
