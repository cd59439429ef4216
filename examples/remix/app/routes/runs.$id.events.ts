import type { LoaderFunctionArgs } from "@remix-run/node";
import { runs } from "trigger-native";
import { runOf } from "../visitor.server";

/** A run and its stream `ai` as server-sent events, for as long as the browser listens. */
export async function loader({ params, request }: LoaderFunctionArgs) {
  const { id } = await runOf(request, String(params.id));
  return runs
    .subscribeToRun(id)
    .withStreams({ streams: ["ai"] })
    .toResponse(request);
}
