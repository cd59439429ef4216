/** Several keys in one process. */

import type { auth } from "./auth.js";
import type { batch } from "./batch.js";
import type { ApiClientConfiguration } from "./config.js";
import type { runs } from "./runs.js";
import type { tasks } from "./trigger.js";

/** The options of {@link TriggerClient}. */
export type TriggerClientConfig = ApiClientConfiguration & {
  /** Whether a trigger takes its version and deployment from the environment variables as well. @default false */
  inheritContext?: boolean | undefined;
};

/**
 * A client with a configuration of its own: an option that is missing comes from the environment, never from
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
  /** The functions of {@link batch}, with this client's configuration. */
  readonly batch: Pick<typeof batch, "trigger" | "triggerByTask" | "retrieve">;
  /** The functions of {@link auth} that make tokens. */
  readonly auth: Pick<typeof auth, "createPublicToken" | "createTriggerPublicToken" | "createBatchTriggerPublicToken">;
  /** @throws {ConfigError} on an option that is unknown or of the wrong type */
  constructor(config?: TriggerClientConfig);
}
