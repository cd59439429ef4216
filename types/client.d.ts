/** Several keys in one process. */

import type { auth } from "./auth.js";
import type { batch } from "./batch.js";
import type { ApiClientConfiguration } from "./config.js";
import type { runs } from "./runs.js";
import type { tasks } from "./trigger.js";

/** What {@link TriggerClient} takes. */
export type TriggerClientConfig = ApiClientConfiguration & {
  /** Whether a trigger takes its version and deployment from the environment variables as well. @default false */
  inheritContext?: boolean;
};

/**
 * A client with a configuration of its own: what is not given comes from the environment, nothing from
 * {@link configure}. Clients can be used at the same time.
 *
 * @example
 * const staging = new TriggerClient({ accessToken: process.env.STAGING_KEY });
 * await staging.tasks.trigger("my-task", payload);
 */
export class TriggerClient {
  /** As {@link tasks}, with this client's configuration. */
  readonly tasks: typeof tasks;
  /** As {@link runs}. */
  readonly runs: typeof runs;
  /** Of {@link batch}, what needs no process-wide configuration. */
  readonly batch: Pick<typeof batch, "trigger" | "triggerByTask" | "retrieve">;
  /** Of {@link auth}, what makes tokens. */
  readonly auth: Pick<typeof auth, "createPublicToken" | "createTriggerPublicToken" | "createBatchTriggerPublicToken">;
  /** @throws {ConfigError} on an option that is unknown or of the wrong type */
  constructor(config?: TriggerClientConfig);
}
