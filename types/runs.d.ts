/** Runs: following them live, and calls about them. */

import type { CallOptions } from "./config.js";
import type { ApiPromise, CursorPagePromise } from "./page.js";
import type {
  ListedRun,
  ListProjectRunsQueryParams,
  ListRunsQueryParams,
  ReplayRunOptions,
  RescheduleRunRequestBody,
  RetrievedRun,
  RetrieveRunResult,
} from "./run-calls.js";
import type { ReadStreamOptions, RealtimeStream } from "./stream.js";
import type {
  RunSubscription,
  SubscribeToBatchOptions,
  SubscribeToRunOptions,
  SubscribeToRunsFilterOptions,
  SubscribeToRunsOptions,
} from "./subscription.js";
import type { AnyBatchHandle, AnyRunHandle, AnyTask, InferRunTypes, RunId } from "./task.js";

/**
 * Runs.
 *
 * Each call takes a run's id, or the handle that triggering returned. Calls throw:
 * - {@link ArgumentError} on an id that is empty, `undefined` or cannot be one (defects.md 8);
 * - {@link ConfigError} when there is no key, or the base URL is none;
 * - {@link NotFoundError}, {@link PermissionDeniedError} and other kin of {@link ApiError} when the server refuses or
 *   does not answer, {@link TimeoutError} when it does not in time (defects.md 19);
 * - {@link ProtocolError} when the server is not a Trigger.dev server.
 */
export const runs: {
  /**
   * Follows one run.
   *
   * The first `next()` sends the first request.
   *
   * @throws {ArgumentError} at once when the id cannot be one, or an option is of the wrong type.
   * @throws {ConfigError} at once when there is no key, or the base URL is none.
   *
   * @example
   * for await (const run of runs.subscribeToRun<typeof myTask>(runId)) {
   *   console.log(run.status, run.payload.name, run.output?.total);
   * }
   */
  subscribeToRun<TRunId extends AnyRunHandle | AnyTask | string>(
    run: RunId<TRunId>,
    options?: SubscribeToRunOptions,
  ): RunSubscription<InferRunTypes<TRunId>>;
  /**
   * Follows all runs that have every one of the tags (docs/feeds.md), later ones too. It does not end by itself.
   *
   * A run that cannot be decoded does not end it (defects.md 16). Its memory depends on the runs that are live, not on
   * those that were (defects.md 10).
   *
   * @example
   * for await (const run of runs.subscribeToRunsWithTag<typeof a | typeof b>("user:7", {}, { signal })) {
   *   if (run.taskIdentifier === "a") console.log(run.output?.total);
   * }
   */
  subscribeToRunsWithTag<TTasks extends AnyTask>(
    tag: string | string[],
    filters?: SubscribeToRunsFilterOptions,
    options?: SubscribeToRunsOptions,
  ): RunSubscription<InferRunTypes<TTasks>>;
  /** Follows all runs of a batch, by its id or handle. It does not end by itself. */
  subscribeToBatch<TTasks extends AnyTask>(
    batch: string | AnyBatchHandle,
    options?: SubscribeToBatchOptions,
  ): RunSubscription<InferRunTypes<TTasks>>;
  /** Reads a stream of a run, as {@link streams.read} does. */
  fetchStream<T>(
    run: string | AnyRunHandle,
    streamKey: string,
    options?: ReadStreamOptions,
  ): Promise<RealtimeStream<T>>;
  /** A whole run, with its payload and output; large ones are fetched along. */
  retrieve<TRunId extends AnyRunHandle | AnyTask | string>(
    run: RunId<TRunId>,
    requestOptions?: CallOptions,
  ): ApiPromise<RetrieveRunResult<TRunId>>;
  /**
   * Lists runs, newest first; `for await` goes through all pages. With a project's ref, its runs in all environments,
   * for which the key has to be a personal access token.
   */
  list(
    projectRef: string,
    params?: ListProjectRunsQueryParams,
    requestOptions?: CallOptions,
  ): CursorPagePromise<ListedRun>;
  list(params?: ListRunsQueryParams, requestOptions?: CallOptions): CursorPagePromise<ListedRun>;
  /** Cancels a run. One that is over stays as it is. */
  cancel(run: string | AnyRunHandle, requestOptions?: CallOptions): ApiPromise<{ id: string }>;
  /** Starts a new run like this one; the result is the new run's id. */
  replay(
    run: string | AnyRunHandle,
    options?: ReplayRunOptions,
    requestOptions?: CallOptions,
  ): ApiPromise<{ id: string }>;
  replay(run: string | AnyRunHandle, requestOptions?: CallOptions): ApiPromise<{ id: string }>;
  /** Changes when a delayed run starts. */
  reschedule(
    run: string | AnyRunHandle,
    body: RescheduleRunRequestBody,
    requestOptions?: CallOptions,
  ): ApiPromise<RetrievedRun>;
  /**
   * Polls until the run is over. {@link runs.subscribeToRun} is sooner, with fewer requests.
   *
   * `pollIntervalMs` is the time between two calls, in milliseconds, by default 1000. `timeoutInMs` bounds the whole
   * wait.
   *
   * @throws {TimeoutError} when it is not over after 500 calls, as many as the official SDK makes
   */
  poll<TRunId extends AnyRunHandle | AnyTask | string>(
    run: RunId<TRunId>,
    options?: { pollIntervalMs?: number },
    requestOptions?: CallOptions,
  ): Promise<RetrieveRunResult<TRunId>>;
};
