/** Idempotency keys. */

import type { CallOptions } from "./config.js";
import type { IdempotencyKeyBrand } from "./official.js";

/** A string that {@link idempotencyKeys.create} made: it is sent as it is. */
export type IdempotencyKey = IdempotencyKeyBrand;

/** The scope in which a key is unique. Outside a task `run` and `attempt` are the same as `global`. */
export type IdempotencyKeyScope = "run" | "attempt" | "global";

/** The options with which {@link idempotencyKeys.reset} finds a key that was given as plain strings. */
export interface ResetIdempotencyKeyOptions {
  /** The scope it was made with. @default "run" */
  scope?: IdempotencyKeyScope | undefined;
  /** The run it was made in, for the scopes `run` and `attempt`. */
  parentRunId?: string | undefined;
  /** The attempt it was made in, for the scope `attempt`. */
  attemptNumber?: number | undefined;
}

/** Idempotency keys: triggering twice with the same one starts one run. */
export const idempotencyKeys: {
  /**
   * Makes a key from its parts: their SHA-256, the same as the official SDK makes outside a task.
   *
   * @example
   * const key = await idempotencyKeys.create(["welcome", user.id]);
   * await tasks.trigger("send-welcome", { to: user.email }, { idempotencyKey: key });
   *
   * @throws {ArgumentError} for a key that is neither a text nor a list of texts, and for an unknown scope
   */
  create(key: string | string[], options?: { scope?: IdempotencyKeyScope }): Promise<IdempotencyKey>;
  /**
   * Frees a key of a task, so that it can be used again.
   *
   * @throws {NotFoundError} when no run has it
   */
  reset(
    taskIdentifier: string,
    idempotencyKey: IdempotencyKey | string | string[],
    options?: ResetIdempotencyKeyOptions,
    requestOptions?: CallOptions,
  ): Promise<{ id: string }>;
};
