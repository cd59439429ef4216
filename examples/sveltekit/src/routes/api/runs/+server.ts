import { json } from "@sveltejs/kit";
import { auth, tasks } from "trigger-native";

/** Starts a run and mints a token that reads this run, for an hour. Check here that the user may. */
export async function POST() {
  const { id } = await tasks.trigger("streamer", { startedFrom: "sveltekit", at: new Date() });
  const token = await auth.createPublicToken({ scopes: { read: { runs: id } }, expirationTime: "1h" });
  return json({ id, token }, { status: 201 });
}
