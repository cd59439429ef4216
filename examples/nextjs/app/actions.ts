"use server";

import { tasks } from "trigger-native";
import { visitorTag } from "@/lib/visitor";

export type Task = "progress" | "streamer" | "approval";

/** Starts a run for this visitor and gives its id. What to follow it with comes from `/api/token`. */
export async function start(task: Task): Promise<string> {
  const run = await tasks.trigger(task, { startedFrom: "nextjs" }, { tags: await visitorTag() });
  return run.id;
}
