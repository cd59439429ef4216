import { auth, tasks } from "trigger-native";

/** Starts a run and mints a token that reads this run, for an hour. Check here that the user may. */
export default defineEventHandler(async (event) => {
  const { id } = await tasks.trigger("streamer", { startedFrom: "nuxt", at: new Date() });
  const token = await auth.createPublicToken({ scopes: { read: { runs: id } }, expirationTime: "1h" });
  setResponseStatus(event, 201);
  return { id, token };
});
