import { runs } from "trigger-native";
import { visitorTag } from "@/lib/visitor";

/** One run and its stream `ai` as server-sent events, for as long as the browser listens. */
export async function GET(request: Request, { params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  const run = await runs.retrieve(id, { signal: request.signal });
  if (!run.tags.includes(await visitorTag())) return new Response("Not found", { status: 404 });
  return runs
    .subscribeToRun(id)
    .withStreams({ streams: ["ai"] })
    .toResponse(request);
}
