/// <reference lib="esnext.disposable" />

/**
 * The server-side surface of Trigger.dev for a Node server, natively: tokens, live runs and streams, calls.
 *
 * A replacement for the parts of `@trigger.dev/sdk` 4.8 that a server route uses: same names, same options, same values.
 * Additions and differences are marked; `docs/compatibility.md` lists every export. Facts about the server come from
 * recordings of it. "defects.md 5" is a row of `docs/defects.md`, the official client's defects.
 */

export * from "./types/auth.js";
export * from "./types/batch.js";
export * from "./types/client.js";
export * from "./types/config.js";
export * from "./types/error.js";
export * from "./types/idempotency.js";
export * from "./types/page.js";
export * from "./types/relay.js";
export * from "./types/response.js";
export * from "./types/run.js";
export * from "./types/run-calls.js";
export * from "./types/runs.js";
export * from "./types/stream.js";
export * from "./types/subscription.js";
export * from "./types/task.js";
export * from "./types/trigger.js";
export * from "./types/wait.js";
