// The demo's work done with the official SDK, in a process of its own, so that its requests can be counted beside
// ours. Takes `{ url, key, task, payload, mode }` as its only argument; the key comes in the environment.

import process from "node:process";
import { auth, configure, runs } from "@trigger.dev/sdk";
import { trigger } from "./calls.mjs";

const { url, task, payload, mode } = JSON.parse(process.argv[2] ?? "{}");
const server = { url, key: process.env.TRIGGER_SECRET_KEY ?? "" };

configure({ baseURL: server.url, accessToken: server.key });
const run = await trigger(server, await auth.createTriggerPublicToken(task), task, payload);
await auth.createPublicToken({ scopes: { read: { runs: [run] } } });
let cancelled = false;
for await (const state of runs.subscribeToRun(run)) {
  if (mode !== "cancel" || cancelled || state.status !== "EXECUTING") continue;
  cancelled = true;
  await runs.cancel(run);
}
process.exit(0);
