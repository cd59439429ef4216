/** Types inferred from tasks and handles. They exist for the compiler alone. */

import type { AnyRunHandleOf, HandleBrand } from "./official.js";

/** The types of a run: its task's id, payload and output. */
export type RunTypes<TTaskIdentifier extends string, TPayload, TOutput> = {
  output: TOutput;
  payload: TPayload;
  taskIdentifier: TTaskIdentifier;
};

/** A run whose task is not known. */
export type AnyRunTypes = RunTypes<string, any, any>;

/**
 * Anything with the shape of the official SDK's `task()`, `schemaTask()` and so on. Only the shape counts, so that this
 * package does not need the official one.
 */
export interface AnyTask {
  /** The task's id. */
  id: string;
  /** Its first parameter is the payload. */
  trigger: (payload: any, ...rest: any[]) => PromiseLike<{ id: string }>;
  /** The unwrapped type of its promise is the output. */
  triggerAndWait: (payload: any, ...rest: any[]) => { unwrap(): PromiseLike<any> };
}

/** The id of task `T`. */
export type TaskIdentifier<T extends AnyTask> = T["id"];

/** The payload of task `T`; of a union of tasks, any of theirs. */
export type TaskPayload<T extends AnyTask> = T extends AnyTask
  ? T["trigger"] extends (payload: infer TPayload, ...rest: any[]) => any
    ? TPayload
    : never
  : never;

/** The output of task `T`; of a union of tasks, any of theirs. */
export type TaskOutput<T extends AnyTask> = T extends AnyTask
  ? Awaited<ReturnType<ReturnType<T["triggerAndWait"]>["unwrap"]>>
  : never;

/** The task with id `TIdentifier` among the union `T`. */
export type TaskFromIdentifier<T extends AnyTask, TIdentifier extends T["id"]> = T extends { id: TIdentifier }
  ? T
  : never;

/** A handle of a run, as triggering returns it. Every call that takes a run's id takes one of these too. */
export interface AnyRunHandle {
  /** The run's id, `run_…`. */
  id: string;
  /** The id of its task. */
  taskIdentifier?: string;
}

/** A handle of a batch, as triggering returns it. Every call that takes a batch's id takes one of these too. */
export interface AnyBatchHandle {
  /** The batch's id, `batch_…`. */
  batchId: string;
}

/**
 * The handle of one run. Where the official SDK is installed it is the official type; payload and output are in it for
 * the compiler alone.
 *
 * - `id`: the run's id, `run_…`
 * - `taskIdentifier`: the task's id, for the compiler alone: neither this package nor the official one fills it
 * - `publicAccessToken`: a public token that reads this run and writes its input streams, for an hour unless
 *   `requestOptions.publicAccessToken.expirationTime` says otherwise (docs/calls.md)
 */
export type RunHandle<TTaskIdentifier extends string, TPayload, TOutput> = AnyRunHandleOf<
  TTaskIdentifier,
  TPayload,
  TOutput
>;

/** One run among those of a batch. */
export type BatchedRunHandle<TTaskIdentifier extends string, TPayload, TOutput> = {
  id: string;
  taskIdentifier: TTaskIdentifier;
  /** Whether an earlier run with the same idempotency key was returned instead of a new one. */
  isCached: boolean;
  idempotencyKey?: string;
} & HandleBrand<TPayload, TOutput>;

/**
 * The handle of a batch.
 *
 * - `batchId`: the batch's id, `batch_…`
 * - `runCount`: how many items it has
 * - `publicAccessToken`: a public token that reads the batch and its runs, for an hour unless
 *   `requestOptions.publicAccessToken.expirationTime` says otherwise (docs/calls.md)
 */
export type BatchRunHandle<_TTaskIdentifier extends string, TPayload, TOutput> = {
  batchId: string;
  runCount: number;
  publicAccessToken: string;
} & HandleBrand<TOutput, TPayload>;

/** The handle of a run of these types. */
export type RunHandleFromTypes<TRunTypes extends AnyRunTypes> = RunHandle<
  TRunTypes["taskIdentifier"],
  TRunTypes["payload"],
  TRunTypes["output"]
>;

/** The handle of a batch of runs of these types. */
export type BatchRunHandleFromTypes<TRunTypes extends AnyRunTypes> = TRunTypes extends AnyRunTypes
  ? BatchRunHandle<TRunTypes["taskIdentifier"], TRunTypes["payload"], TRunTypes["output"]>
  : never;

/** The types behind a handle. A batch's handle of one run has no token: it is given one here to be inferred alike. */
type HandleTypes<T> =
  T & { publicAccessToken: string } extends RunHandle<
    infer TTaskIdentifier extends string,
    infer TPayload,
    infer TOutput
  >
    ? RunTypes<TTaskIdentifier, TPayload, TOutput>
    : T extends { taskIdentifier: infer TTaskIdentifier extends string }
      ? RunTypes<TTaskIdentifier, any, any>
      : AnyRunTypes;

/** The types of the run that `T` names: a task's type, a handle's, or anything for a plain id. */
export type InferRunTypes<T> = T extends AnyTask
  ? RunTypes<TaskIdentifier<T>, TaskPayload<T>, TaskOutput<T>>
  : T extends AnyRunHandle
    ? HandleTypes<T>
    : AnyRunTypes;

/** The argument that names a run, given `T`: a task's type is passed as the id of one of its runs. */
export type RunId<T> = T extends AnyTask ? string : T extends AnyRunHandle ? T : T extends string ? T : never;
