/** Triggering one task. */

import type { BatchItem, BatchTriggerOptions } from "./batch.js";
import type { TriggerApiRequestOptions } from "./config.js";
import type { IdempotencyKey } from "./idempotency.js";
import type { MachinePresetName } from "./run-calls.js";
import type {
  AnyTask,
  BatchRunHandleFromTypes,
  InferRunTypes,
  RunHandleFromTypes,
  TaskIdentifier,
  TaskPayload,
} from "./task.js";

/** A value that metadata can hold. */
export type SerializableJson =
  | string
  | number
  | boolean
  | null
  | undefined
  | symbol
  | Date
  | { [key: string]: SerializableJson }
  | SerializableJson[];

/** The options of a run. Periods are texts such as `"30s"`, `"15m"`, `"1h"`, `"2d"`, `"1w"`. */
export type TriggerOptions = {
  /**
   * A second trigger of the task with the same key returns the run of the first. Strings are sent hashed; a key of
   * {@link idempotencyKeys.create} is sent as it is.
   */
  idempotencyKey?: IdempotencyKey | string | string[] | undefined;
  /** How long the key holds: a period. */
  idempotencyKeyTTL?: string | undefined;
  /** How often the task is tried, the first attempt included. @default the task's own */
  maxAttempts?: number | undefined;
  /** The queue's name. A run in a queue that there is not waits as `PENDING_VERSION`. @default the task's own */
  queue?: string | undefined;
  /** Names of the concurrency limits to hold, in place of the task's named ones. */
  concurrency?: string | string[] | undefined;
  /** Each key has its own copy of the queue, with the queue's limit. */
  concurrencyKey?: string | undefined;
  /** When to start: a period from now, or a `Date`. @default at once */
  delay?: string | Date | undefined;
  /**
   * How long it may wait to be started before it expires: a period, or a number of **seconds**; 0 for ever.
   *
   * @default 10 minutes in development, else for ever
   */
  ttl?: string | number | undefined;
  /** How many **seconds** ahead of others it is queued. @default 0 */
  priority?: number | undefined;
  /** Up to 10 tags, each below 128 characters. */
  tags?: string | string[] | undefined;
  /** Metadata, up to 256 KB as JSON. */
  metadata?: Record<string, SerializableJson> | undefined;
  /** The longest it may execute, in **seconds** of compute time, 5 or more. @default the task's own */
  maxDuration?: number | undefined;
  /** The machine. @default the task's own */
  machine?: MachinePresetName | undefined;
  /** The version of the deployment to run on. @default `TRIGGER_VERSION`, else the current one */
  version?: string | undefined;
  /**
   * The deployment to run on, by the external id it was deployed with; `version` wins over it.
   *
   * @default that of the configuration, then `TRIGGER_EXTERNAL_DEPLOYMENT_ID`, then the commit that the host or CI
   * names, where `TRIGGER_AUTOMATIC_SKEW_VERSION_PROTECTION` is on
   */
  externalDeploymentId?: string | undefined;
  /** The region. @default the project's own */
  region?: string | undefined;
  /** Makes one delayed run out of several triggers with the same key. */
  debounce?:
    | {
        /** Up to 512 characters; keys of different tasks are different. */
        key: string;
        /** How long each further trigger puts the run off: a period of 1 second or more, no date. */
        delay: string;
        /** Whether the run has the payload and options of the first or of the last trigger. @default "leading" */
        mode?: "leading" | "trailing" | undefined;
        /** The longest it is put off in all, from the first trigger: a period. @default for ever */
        maxDelay?: string | undefined;
      }
    | undefined;
};

/**
 * Triggering tasks from outside. Payloads are sent as superjson: dates, maps, sets, bigints and `undefined` arrive as
 * they are. From 128 KiB on they are uploaded first (docs/calls.md).
 *
 * These throw:
 * - {@link ConfigError} without a key, and at once for a public token whose scopes do not allow the trigger;
 * - {@link ArgumentError} on an id that cannot be one (defects.md 8) and a payload that cannot be written as JSON;
 * - {@link ApiError} and its kin when the server refuses or does not answer, {@link TimeoutError} when it does not in
 *   time (defects.md 19).
 */
export const tasks: {
  /**
   * Triggers a task and returns the run's handle.
   *
   * @example
   * const handle = await tasks.trigger<typeof sendMail>("send-mail", { to: user.email }, { tags: [`user:${user.id}`] });
   * for await (const run of runs.subscribeToRun(handle)) console.log(run.status);
   */
  trigger<TTask extends AnyTask>(
    id: TaskIdentifier<TTask>,
    payload: TaskPayload<TTask>,
    options?: TriggerOptions,
    requestOptions?: TriggerApiRequestOptions,
  ): Promise<RunHandleFromTypes<InferRunTypes<TTask>>>;
  /**
   * Triggers a task once for each item and returns the batch's handle. Items of an async iterable or a stream are sent
   * as they come, and not held.
   *
   * @throws {BatchTriggerError} with the phase that failed and its cause
   */
  batchTrigger<TTask extends AnyTask>(
    id: TaskIdentifier<TTask>,
    items:
      | Array<BatchItem<TaskPayload<TTask>>>
      | AsyncIterable<BatchItem<TaskPayload<TTask>>>
      | ReadableStream<BatchItem<TaskPayload<TTask>>>,
    options?: BatchTriggerOptions,
    requestOptions?: TriggerApiRequestOptions,
  ): Promise<BatchRunHandleFromTypes<InferRunTypes<TTask>>>;
};
