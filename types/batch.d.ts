/** Triggering several runs as one batch. */

import type { CallOptions, TriggerApiRequestOptions } from "./config.js";
import type { IdempotencyKey } from "./idempotency.js";
import type { HandleBrand } from "./official.js";
import type { ApiPromise } from "./page.js";
import type {
  AnyBatchHandle,
  AnyRunTypes,
  AnyTask,
  BatchedRunHandle,
  BatchRunHandleFromTypes,
  InferRunTypes,
  TaskIdentifier,
  TaskOutput,
  TaskPayload,
} from "./task.js";
import type { TriggerOptions } from "./trigger.js";

/** An item of a batch of one task. */
export type BatchItem<TInput> = {
  /** The payload of the task. */
  payload: TInput;
  /** The options of the run. */
  options?: TriggerOptions | undefined;
};

/**
 * An item of a batch that names its task by id. For a union of tasks, id and payload are each that of any of them, as
 * in the official SDK: whether they belong together is not checked.
 */
export type BatchByIdItem<TRunTypes extends AnyRunTypes> = {
  /** The task's id. */
  id: TRunTypes["taskIdentifier"];
  /** The payload of the task. */
  payload: TRunTypes["payload"];
  /** The options of the run. */
  options?: TriggerOptions | undefined;
};

/** An item of a batch that has the task itself. */
export type BatchByTaskItem<TTask extends AnyTask> = {
  /** The task itself. */
  task: TTask;
  /** The payload of the task. */
  payload: TaskPayload<TTask>;
  /** The options of the run. */
  options?: TriggerOptions | undefined;
};

/** The options of a batch. */
export type BatchTriggerOptions = {
  /** For items without one of their own: this key and the item's index. */
  idempotencyKey?: IdempotencyKey | string | string[] | undefined;
  /** How long that key holds: a period. */
  idempotencyKeyTTL?: string | undefined;
  /** Whether runs are created one after another, in the batch's order. @default false */
  triggerSequentially?: boolean | undefined;
};

/** The handle of a batch that was triggered by its tasks. {@link batch.retrieve} has the ids of its runs. */
export type BatchTasksRunHandle<TTasks extends readonly AnyTask[]> = {
  /** The batch's id, `batch_…`. */
  batchId: string;
  /** How many items it has. */
  runCount: number;
  /** @deprecated Declared by the official SDK, and filled by neither: always `undefined`. */
  isCached: boolean;
  /** @deprecated Declared by the official SDK, and filled by neither: always `undefined`. */
  idempotencyKey?: string;
  /** @deprecated Declared by the official SDK, and filled by neither: always `undefined`. */
  runs: {
    [K in keyof TTasks]: BatchedRunHandle<TaskIdentifier<TTasks[K]>, TaskPayload<TTasks[K]>, TaskOutput<TTasks[K]>>;
  };
  /** A public token that reads the batch and its runs, for an hour unless the call says otherwise. */
  publicAccessToken: string;
} & HandleBrand<any, any>;

/** A batch as the server has it. */
export interface RetrievedBatch {
  /** `batch_…` */
  id: string;
  status: "PENDING" | "PROCESSING" | "COMPLETED" | "PARTIAL_FAILED" | "ABORTED";
  idempotencyKey?: string | undefined;
  createdAt: Date;
  updatedAt: Date;
  runCount: number;
  /** Ids of its runs. */
  runs: string[];
  processing: {
    completedAt?: Date | undefined;
    /** Items that did not become a run. */
    errors: { index: number; taskIdentifier: string; error: string; errorCode?: string | undefined }[];
  };
}

/** The items of a batch: an array, or an iterable or stream, which is not held in memory. */
type Items<TItem> = AsyncIterable<TItem> | ReadableStream<TItem>;

/** Items of several tasks in one batch. They throw what {@link tasks} throws, and {@link BatchTriggerError}. */
export const batch: {
  /**
   * Triggers tasks by their ids.
   *
   * @example
   * const { batchId } = await batch.trigger<typeof resize | typeof publish>([
   *   { id: "resize", payload: { url } },
   *   { id: "publish", payload: { post } },
   * ]);
   */
  trigger<TTask extends AnyTask>(
    items: Array<BatchByIdItem<InferRunTypes<TTask>>>,
    options?: BatchTriggerOptions,
    requestOptions?: TriggerApiRequestOptions,
  ): Promise<BatchRunHandleFromTypes<InferRunTypes<TTask>>>;
  trigger<TTask extends AnyTask>(
    items: Items<BatchByIdItem<InferRunTypes<TTask>>>,
    options?: BatchTriggerOptions,
    requestOptions?: TriggerApiRequestOptions,
  ): Promise<BatchRunHandleFromTypes<InferRunTypes<TTask>>>;
  /** Triggers tasks by the tasks themselves: `[{ task: resize, payload: { url } }]`. */
  triggerByTask<TTasks extends readonly AnyTask[]>(
    items: { [K in keyof TTasks]: BatchByTaskItem<TTasks[K]> },
    options?: BatchTriggerOptions,
    requestOptions?: TriggerApiRequestOptions,
  ): Promise<BatchTasksRunHandle<TTasks>>;
  triggerByTask<TTasks extends readonly AnyTask[]>(
    items: Items<BatchByTaskItem<TTasks[number]>>,
    options?: BatchTriggerOptions,
    requestOptions?: TriggerApiRequestOptions,
  ): Promise<BatchTasksRunHandle<TTasks>>;
  /** A batch by its id or handle. */
  retrieve(batch: string | AnyBatchHandle, requestOptions?: CallOptions): ApiPromise<RetrievedBatch>;
};
