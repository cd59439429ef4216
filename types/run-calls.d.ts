/** Runs as calls return them, and the options of those calls (docs/calls.md). */

import type { IdempotencyKey } from "./idempotency.js";
import type { CursorPageParams } from "./page.js";
import type { RunStatus, SerializedError } from "./run.js";
import type { InferRunTypes } from "./task.js";
import type { TriggerOptions } from "./trigger.js";

/** The members of every run that a call returns. Money is in US cents, durations in milliseconds. */
interface CommonRun {
  /** `run_…` */
  id: string;
  /** See {@link RunStatus}. */
  status: RunStatus;
  taskIdentifier: string;
  idempotencyKey?: string | undefined;
  /** The version of the deployment it runs on, once it is locked to one. */
  version?: string | undefined;
  isQueued: boolean;
  isExecuting: boolean;
  isWaiting: boolean;
  /** The run is over. Unlike in feeds it is true for CANCELED and false for EXPIRED. */
  isCompleted: boolean;
  isSuccess: boolean;
  isFailed: boolean;
  isCancelled: boolean;
  isTest: boolean;
  createdAt: Date;
  updatedAt: Date;
  startedAt?: Date | undefined;
  finishedAt?: Date | undefined;
  delayedUntil?: Date | undefined;
  /** How long it may wait to be started: `"10m"`. */
  ttl?: string | undefined;
  expiredAt?: Date | undefined;
  tags: string[];
  /** Cost of the machine time so far, in US cents. */
  costInCents: number;
  /** Cost of having been started, in US cents. */
  baseCostInCents: number;
  /** Time spent executing so far, in milliseconds. */
  durationMs: number;
  metadata?: Record<string, any> | undefined;
  taskKind?: string | undefined;
  region?: string | undefined;
}

/** How a run came to be. */
type TriggerFunction = "trigger" | "triggerAndWait" | "batchTrigger" | "batchTriggerAndWait";

/** A run related to another. */
interface RelatedRun extends CommonRun {
  /** How many parents it has above it. */
  depth: number;
  triggerFunction: TriggerFunction;
  batchId?: string | undefined;
}

/** A run in a list. */
export interface ListedRun extends CommonRun {
  /** The environment it runs in. */
  env: { id: string; name: string; user?: string | undefined };
}

/** A whole run, whatever its task. */
export interface RetrievedRun extends RelatedRun {
  /** Where a large payload is, when it was not fetched along. */
  payloadPresignedUrl?: string | undefined;
  /** Where a large output is, when it was not fetched along. */
  outputPresignedUrl?: string | undefined;
  /** The payload it was triggered with, as JSON: dates and maps come as plain JSON. */
  payload?: any;
  /** The value it returned, as JSON. */
  output?: any;
  /** Why it failed, if it did. */
  error?: SerializedError | undefined;
  schedule?:
    | {
        id: string;
        externalId?: string | undefined;
        deduplicationKey?: string | undefined;
        generator: { type: "CRON"; expression: string; description: string };
      }
    | undefined;
  relatedRuns: {
    root?: RelatedRun | undefined;
    parent?: RelatedRun | undefined;
    children?: RelatedRun[] | undefined;
  };
  attemptCount: number;
}

type Prettify<T> = { [K in keyof T]: T[K] } & {};

/** A whole run, of the task, handle or id `T`. */
export type RetrieveRunResult<T> = Prettify<
  Omit<RetrievedRun, "output" | "payload"> & {
    output?: InferRunTypes<T>["output"];
    payload?: InferRunTypes<T>["payload"];
  }
>;

/** A whole run of an unknown task. */
export type AnyRetrieveRunResult = RetrieveRunResult<any>;

/** A machine's name. */
export type MachinePresetName = "micro" | "small-1x" | "small-2x" | "medium-1x" | "medium-2x" | "large-1x" | "large-2x";

/** A queue's kind and name. */
export type QueueTypeName = { type: "task" | "custom"; name: string };

/** Which runs to list. Every member narrows the list; a list in a member widens it. */
export interface ListRunsQueryParams extends CursorPageParams {
  /** In any of these statuses. */
  status?: RunStatus | RunStatus[] | undefined;
  /** Of any of these tasks, by id. */
  taskIdentifier?: string | string[] | undefined;
  /** On any of these versions of the deployment. */
  version?: string | string[] | undefined;
  /** Created since: a `Date`, or Unix **milliseconds**. */
  from?: Date | number | undefined;
  /** Created until: a `Date`, or Unix **milliseconds**. */
  to?: Date | number | undefined;
  /** Created within this time before now: `"1d"`. */
  period?: string | undefined;
  /** Touched by this bulk action, by its id. */
  bulkAction?: string | undefined;
  /** With any of these tags. */
  tag?: string | string[] | undefined;
  /** Started by this schedule, by its id. */
  schedule?: string | undefined;
  /** Whether they are test runs. @default both */
  isTest?: boolean | undefined;
  /** Of this batch, by its id. */
  batch?: string | undefined;
  /** In any of these queues. */
  queue?: QueueTypeName | QueueTypeName[] | undefined;
  /** On any of these machines. */
  machine?: MachinePresetName | MachinePresetName[] | undefined;
  /** In any of these regions. */
  region?: string | string[] | undefined;
}

/** Which runs of a project to list. Needs a personal access token. */
export interface ListProjectRunsQueryParams extends ListRunsQueryParams {
  /** In any of these environments. @default all */
  env?: "dev" | "staging" | "prod" | Array<"dev" | "staging" | "prod"> | undefined;
}

/** The options that a replay changes. One that is missing is as in the original run. */
export type ReplayRunOptions = Pick<
  TriggerOptions,
  | "metadata"
  | "tags"
  | "queue"
  | "concurrencyKey"
  | "machine"
  | "version"
  | "region"
  | "delay"
  | "ttl"
  | "idempotencyKeyTTL"
  | "maxAttempts"
  | "maxDuration"
  | "priority"
> & {
  /** The payload of the new run. */
  payload?: unknown | undefined;
  /** A plain string is sent as it is, unlike when triggering. */
  idempotencyKey?: IdempotencyKey | string | undefined;
};

/** When a delayed run starts instead. */
export type RescheduleRunRequestBody = {
  /** A `Date`, or a period from now: `"1h"`, `"30d"`. */
  delay: string | Date;
};
