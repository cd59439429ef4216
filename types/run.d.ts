/** The run object that feeds give. */

import type { AnyRunTypes, AnyTask, InferRunTypes } from "./task.js";

/** A JSON value. */
export type DeserializedJson =
  | string
  | number
  | boolean
  | null
  | { [key: string]: DeserializedJson }
  | DeserializedJson[];

/**
 * The status of a run.
 *
 * Exactly the official union, so that an exhaustive `switch` and an assignment to the official type still compile. A
 * newer server may send a status that is not in it: it arrives unchanged, not disguised as `QUEUED` (defects.md 21),
 * so keep a `default` branch where that matters.
 */
export type RunStatus =
  | "PENDING_VERSION"
  | "QUEUED"
  | "DEQUEUED"
  | "EXECUTING"
  | "WAITING"
  | "COMPLETED"
  | "CANCELED"
  | "FAILED"
  | "CRASHED"
  | "SYSTEM_FAILURE"
  | "DELAYED"
  | "EXPIRED"
  | "TIMED_OUT";

/** The error of a failed run. */
export interface SerializedError {
  /** The message of the error. */
  message: string;
  /** The error's class, where the task threw one. */
  name?: string | undefined;
  /** The stack in the task's own code. */
  stackTrace?: string | undefined;
  /** The errors behind it, outermost first, where there are any. */
  causes?: { name?: string | undefined; message: string; stackTrace?: string | undefined }[] | undefined;
}

/**
 * A run in a feed (docs/feeds.md): the official object, and {@link RunShape.isFinished} and
 * {@link RunShape.decodeErrors}.
 *
 * A column that was skipped or has no value is 0, `[]` or `false` where the type is a number, a list or a flag, and
 * `undefined` elsewhere. Money is in US cents, durations in milliseconds.
 */
export type RunShape<TRunTypes extends AnyRunTypes> = TRunTypes extends AnyRunTypes
  ? {
      /** `run_…` */
      id: string;
      /** The id of the task. */
      taskIdentifier: TRunTypes["taskIdentifier"];
      /** The payload it was triggered with. `undefined` when skipped. */
      payload: TRunTypes["payload"];
      /** The value it returned, once it has. */
      output?: TRunTypes["output"];
      createdAt: Date;
      updatedAt: Date;
      /** See {@link RunStatus}. */
      status: RunStatus;
      /** Time spent executing so far, in milliseconds. */
      durationMs: number;
      /** Cost of the machine time so far, in US cents. */
      costInCents: number;
      /** Cost of having been started, in US cents. */
      baseCostInCents: number;
      tags: string[];
      idempotencyKey?: string;
      expiredAt?: Date;
      /** How long it may wait to be started, as it was given: `"10m"`. */
      ttl?: string;
      /** Stays `undefined` for a run that was cancelled before it started (defects.md 22): see `isFinished`. */
      finishedAt?: Date;
      startedAt?: Date;
      delayedUntil?: Date;
      queuedAt?: Date;
      metadata?: Record<string, DeserializedJson>;
      /** Why it failed, if it did. */
      error?: SerializedError;
      isTest: boolean;
      /** Not started: PENDING_VERSION, QUEUED, DELAYED. */
      isQueued: boolean;
      /** DEQUEUED or EXECUTING. */
      isExecuting: boolean;
      /** WAITING. */
      isWaiting: boolean;
      /** Succeeded or failed. False for a cancelled run: see `isFinished`. */
      isCompleted: boolean;
      /** FAILED, CRASHED, SYSTEM_FAILURE, EXPIRED or TIMED_OUT. */
      isFailed: boolean;
      /** COMPLETED. */
      isSuccess: boolean;
      /** CANCELED. */
      isCancelled: boolean;
      /** The keys of the run's streams. */
      realtimeStreams: string[];
      /**
       * Whether the run is over: succeeded, failed or cancelled (defects.md 21, 22). Added to the official
       * object; not enumerable, so that `JSON.stringify`, spreading and deep equality see the official object.
       */
      readonly isFinished: boolean;
      /**
       * The decode errors, by property; such a property is `undefined`, and the rest of the run is intact (defects.md
       * 16). Missing where there are none.
       */
      decodeErrors?: Record<string, Error>;
    }
  : never;

/** A run of an unknown task. */
export type AnyRunShape = RunShape<AnyRunTypes>;

/** A run of task `TTask`. */
export type TaskRunShape<TTask extends AnyTask> = RunShape<InferRunTypes<TTask>>;

/** A run of task `TTask`: the name the official SDK exports. */
export type RealtimeRun<TTask extends AnyTask> = TaskRunShape<TTask>;

/** A run of an unknown task: the name the official SDK exports. */
export type AnyRealtimeRun = AnyRunShape;
