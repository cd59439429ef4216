/**
 * `trigger-native/react`: the realtime hooks of `@trigger.dev/react-hooks` by the same names, options and results, over
 * one connection to the relay (docs/react.md).
 */

import type { Context } from "react";
import type { RealtimeRunSkipColumns } from "./auth.js";
import type { ApiRequestOptions } from "./config.js";
import type { RealtimeRun } from "./run.js";
import type { RetrieveRunResult } from "./run-calls.js";
import type { AnyTask, InferRunTypes, RunHandleFromTypes, TaskIdentifier, TaskPayload } from "./task.js";
import type { TriggerOptions } from "./trigger.js";

/** `isFinished` may be missing: so the run of an official hook is one of these, too. */
type WithFinished<TRun> = TRun extends unknown
  ? Omit<TRun, "isFinished"> & {
      /** Whether the run is over: succeeded, failed or cancelled. Not enumerable. */
      readonly isFinished?: boolean;
    }
  : never;

/** A run of task `TTask`, as the official hooks give it, and `isFinished`. */
export type HookRun<TTask extends AnyTask> = WithFinished<RealtimeRun<TTask>>;

/** Where hooks send their requests, and with which token. */
export type UseApiClientOptions = {
  /** A public access token. Leave it out where the relay's `authorize` knows the session. */
  accessToken?: string | undefined;
  /**
   * The relay's mount point: a path of the page's own origin, or a URL.
   *
   * @default "/api/trigger"
   */
  baseURL?: string | undefined;
  /** The preview branch, sent with calls. */
  previewBranch?: string | undefined;
  /** How calls are tried again, and headers to send with them. */
  requestOptions?: ApiRequestOptions | undefined;
  /** Makes a fresh token when the one in use is refused or over. What is followed goes on. */
  refreshAccessToken?: (() => Promise<string>) | undefined;
  /** `false` waits: nothing is asked for. @default true */
  enabled?: boolean | undefined;
  /**
   * Whether the tabs of the origin share the connection. A text is the user, where a session opens the relay: tabs with
   * another do not share.
   *
   * @default true
   */
  share?: boolean | string | undefined;
};

/** The value of {@link TriggerAuthContext}. An option of a hook wins over it. */
export type TriggerAuth = Omit<UseApiClientOptions, "enabled"> & {
  /** @deprecated Hooks do not read it, as the official ones do not: no page may have a secret key. */
  secretKey?: string | undefined;
  /** Not read by hooks. */
  externalDeploymentId?: string | undefined;
  /** Not read by hooks. */
  future?: { v2RealtimeStreams?: boolean } | undefined;
};

/** What all hooks below it use. */
export declare const TriggerAuthContext: Context<TriggerAuth | undefined>;

/** The context's value. @throws {Error} outside a provider */
export declare function useTriggerAuthContext(): TriggerAuth;

/** The context's value, or an empty object outside a provider. Throws nothing. */
export declare function useTriggerAuthContextOptional(): TriggerAuth | Partial<TriggerAuth>;

/** The options of every hook that follows runs. */
export type UseRealtimeRunOptions = UseApiClientOptions & {
  /** Components that name the same `id` show the same, and one that comes back shows what was there. @default its own */
  id?: string | undefined;
  /** `false` waits: nothing is asked for. @default true */
  enabled?: boolean | undefined;
  /** The least time between two updates of a list or of streams, in milliseconds; 0 shows each at once. @default 16 */
  throttleInMs?: number | undefined;
};

/** The options of {@link useRealtimeRun} and {@link useRealtimeRunWithStreams}. */
export type UseRealtimeSingleRunOptions<TTask extends AnyTask = AnyTask> = UseRealtimeRunOptions & {
  /**
   * Called once for each run that is over, however it ended, with its last state. With `stopOnCompletion: false` that is
   * the first state in which it is over.
   */
  onComplete?: ((run: HookRun<TTask>, err?: Error) => void) | undefined;
  /** Whether to leave when the run is over. `false` shows later changes, of its metadata, within 30 s. @default true */
  stopOnCompletion?: boolean | undefined;
  /** Columns to leave out. @default [] */
  skipColumns?: RealtimeRunSkipColumns | undefined;
};

/** The result of {@link useRealtimeRun}. */
export type UseRealtimeRunInstance<TTask extends AnyTask = AnyTask> = {
  /** The run, as soon as it is known. */
  run: HookRun<TTask> | undefined;
  /** Why it is followed no more. What may pass is tried again and not shown. */
  error: Error | undefined;
  /** Leaves at once; what is shown stays. */
  stop: () => void;
};

/** Follows one run. Throws nothing: what fails is in `error`. */
export declare function useRealtimeRun<TTask extends AnyTask>(
  runId?: string,
  options?: UseRealtimeSingleRunOptions<TTask>,
): UseRealtimeRunInstance<TTask>;

/** The values of each stream so far. */
export type StreamResults<TStreams extends Record<string, any>> = { [K in keyof TStreams]: Array<TStreams[K]> };

/** The result of {@link useRealtimeRunWithStreams}. */
export type UseRealtimeRunWithStreamsInstance<
  TTask extends AnyTask = AnyTask,
  TStreams extends Record<string, any> = Record<string, any>,
> = UseRealtimeRunInstance<TTask> & {
  /** The values of the run's streams, by key. One that nothing was read of has no key yet. */
  streams: StreamResults<TStreams>;
};

/** Follows one run and all its streams. A stream's failure is in `error`. Throws nothing: what fails is in `error`. */
export declare function useRealtimeRunWithStreams<
  TTask extends AnyTask = AnyTask,
  TStreams extends Record<string, any> = Record<string, any>,
>(runId?: string, options?: UseRealtimeSingleRunOptions<TTask>): UseRealtimeRunWithStreamsInstance<TTask, TStreams>;

/** The result of {@link useRealtimeRunsWithTag} and {@link useRealtimeBatch}. */
export type UseRealtimeRunsInstance<TTask extends AnyTask = AnyTask> = {
  /** By the time they were made, the oldest first. A run that was deleted is gone. */
  runs: HookRun<TTask>[];
  error: Error | undefined;
  /** Leaves at once; what is shown stays. */
  stop: () => void;
};

/** The options of {@link useRealtimeRunsWithTag}. */
export type UseRealtimeRunsWithTagOptions = UseRealtimeRunOptions & {
  /** Only runs created within this time before: a period such as `"30m"`, a week at most. @default "24h" by the server */
  createdAt?: string | undefined;
  /** Columns to leave out. @default [] */
  skipColumns?: RealtimeRunSkipColumns | undefined;
};

/** Follows all runs that have every one of the tags. An array that is made at each render is the same while its tags are. Throws nothing: what fails is in `error`. */
export declare function useRealtimeRunsWithTag<TTask extends AnyTask>(
  tag: string | string[],
  options?: UseRealtimeRunsWithTagOptions,
): UseRealtimeRunsInstance<TTask>;

/** Follows the runs of a batch. Throws nothing: what fails is in `error`. */
export declare function useRealtimeBatch<TTask extends AnyTask>(
  batchId: string | undefined,
  options?: UseRealtimeRunOptions,
): UseRealtimeRunsInstance<TTask>;

/** A part of a stream, with its event's id and when it was written, in Unix milliseconds. */
export type StreamPart<TPart> = { id: string; chunk: TPart; timestamp: number };

/** The result of {@link useRealtimeStream}. */
export type UseRealtimeStreamInstance<TPart> = {
  /** The values so far. */
  parts: Array<TPart>;
  /** The place after the last part: keep it, and pass it on as `lastEventId` to go on there. Of a v2 stream it is the event id. */
  lastEventId: string | undefined;
  error: Error | undefined;
  /** Leaves at once; what is shown stays. */
  stop: () => void;
};

/** The options of {@link useRealtimeStream}. */
export type UseRealtimeStreamOptions<TPart> = UseApiClientOptions & {
  /** Components that name the same `id` show the same, and one that comes back goes on where it was. @default its own */
  id?: string | undefined;
  /** `false` waits: nothing is asked for. @default true */
  enabled?: boolean | undefined;
  /** The least time between two updates, in milliseconds; 0 shows each at once. @default 16 */
  throttleInMs?: number | undefined;
  /** After so many seconds without a part the stream is over. @default with the run */
  timeoutInSeconds?: number | undefined;
  /** How many parts to skip. @default 0 */
  startIndex?: number | undefined;
  /** The event id to go on after. It wins over `startIndex` and `from`. */
  lastEventId?: string | number | undefined;
  /** Not read yet: the relay tells a stream from its beginning. `maxParts: 1` shows its last part alone. */
  from?: "beginning" | "latest" | undefined;
  /** How many parts are kept, the newest. @default all */
  maxParts?: number | undefined;
  /** Called with each value as it comes. */
  onData?: ((data: TPart) => void) | undefined;
  /** Called at each update with the parts that it adds. */
  onParts?: ((parts: Array<StreamPart<TPart>>) => void) | undefined;
};

/** A stream that a task defines: its key, and the type of what is written. */
interface DefinedStream<TPart> {
  id: string;
  read: (...args: any[]) => PromiseLike<AsyncIterable<TPart>>;
}

/** What a defined stream carries. */
type PartOf<TDefinedStream> = TDefinedStream extends DefinedStream<infer TPart> ? TPart : unknown;

/** Follows a stream that a task defines. Throws nothing: what fails is in `error`. */
export declare function useRealtimeStream<TDefinedStream extends DefinedStream<any>>(
  stream: TDefinedStream,
  runId: string | undefined,
  options?: UseRealtimeStreamOptions<PartOf<TDefinedStream>>,
): UseRealtimeStreamInstance<PartOf<TDefinedStream>>;
/** Follows the stream with this key. Throws nothing: what fails is in `error`. */
export declare function useRealtimeStream<TPart>(
  runId: string | undefined,
  streamKey: string,
  options?: UseRealtimeStreamOptions<TPart>,
): UseRealtimeStreamInstance<TPart>;
/** Follows the stream with the key `"default"`. Throws nothing: what fails is in `error`. */
export declare function useRealtimeStream<TPart>(
  runId: string | undefined,
  options?: UseRealtimeStreamOptions<TPart>,
): UseRealtimeStreamInstance<TPart>;

/** The result of {@link useTaskTrigger}. */
export interface TriggerInstance<TTask extends AnyTask> {
  /** Triggers the task. The result is in the other members; of calls that overlap, that of the last one. */
  submit: (payload: TaskPayload<TTask>, options?: TriggerOptions) => void;
  /** Whether a call is under way. */
  isLoading: boolean;
  /** The handle of the last call that succeeded. */
  handle?: RunHandleFromTypes<InferRunTypes<TTask>>;
  /** Why the last call failed. It is no unhandled rejection. */
  error?: Error;
}

/** The options of {@link useTaskTrigger}. */
export type UseTaskTriggerOptions = UseApiClientOptions;

/** Triggers a task, with a token whose scope is `trigger:tasks:{id}`. Throws nothing: what fails is in `error`. */
export declare function useTaskTrigger<TTask extends AnyTask>(
  id: TaskIdentifier<TTask>,
  options?: UseTaskTriggerOptions,
): TriggerInstance<TTask>;

/** The options of the hooks that trigger and follow. */
export type UseRealtimeTaskTriggerOptions = UseTaskTriggerOptions & {
  /** `false` triggers, and does not follow the run. @default true */
  enabled?: boolean | undefined;
  /** As `throttleInMs` of {@link useRealtimeRun}, which wins. */
  experimental_throttleInMs?: number | undefined;
  /** As of {@link useRealtimeRun}. @default 16 */
  throttleInMs?: number | undefined;
  /** Columns to leave out. @default [] */
  skipColumns?: RealtimeRunSkipColumns | undefined;
};

/** The members that triggering adds to a run that is followed. */
type Triggered<TTask extends AnyTask> = {
  submit: (payload: TaskPayload<TTask>, options?: TriggerOptions) => void;
  isLoading: boolean;
  handle?: RunHandleFromTypes<InferRunTypes<TTask>>;
};

/** The result of {@link useRealtimeTaskTriggerWithStreams}. */
export type RealtimeTriggerInstanceWithStreams<
  TTask extends AnyTask,
  TStreams extends Record<string, any> = Record<string, any>,
> = UseRealtimeRunWithStreamsInstance<TTask, TStreams> & Triggered<TTask>;

/** Triggers a task and follows its run with its streams. Throws nothing: what fails is in `error`. */
export declare function useRealtimeTaskTriggerWithStreams<
  TTask extends AnyTask,
  TStreams extends Record<string, any> = Record<string, any>,
>(
  id: TaskIdentifier<TTask>,
  options?: UseRealtimeTaskTriggerOptions,
): RealtimeTriggerInstanceWithStreams<TTask, TStreams>;

/** The result of {@link useRealtimeTaskTrigger}. */
export type RealtimeTriggerInstance<TTask extends AnyTask> = UseRealtimeRunInstance<TTask> & Triggered<TTask>;

/** Triggers a task and follows its run. `error` is that of either. Throws nothing: what fails is in `error`. */
export declare function useRealtimeTaskTrigger<TTask extends AnyTask>(
  id: TaskIdentifier<TTask>,
  options?: UseRealtimeTaskTriggerOptions,
): RealtimeTriggerInstance<TTask>;

/** The options of {@link useRun}. */
export type UseRunOptions = UseApiClientOptions & {
  /** Asks again after so many milliseconds, until the run is over; 0 never. A page that nobody sees waits. @default 0 */
  refreshInterval?: number | undefined;
  /** Whether to ask when the browser has a network again. @default false */
  revalidateOnReconnect?: boolean | undefined;
  /** Whether to ask when the window is looked at again. @default false */
  revalidateOnFocus?: boolean | undefined;
};

/** Asks for a run, once for all components that show it. To see changes as they happen use {@link useRealtimeRun}. Throws nothing: what fails is in `error`. */
export declare function useRun<TTask extends AnyTask>(
  runId: string | undefined,
  options?: UseRunOptions,
): {
  run: RetrieveRunResult<TTask> | undefined;
  error: Error | undefined;
  /** Whether the first answer is still waited for. */
  isLoading: boolean;
  /** Whether a request is under way. */
  isValidating: boolean;
  isError: boolean;
};

/** The result of {@link useWaitToken}. */
export interface WaitTokenInstance<TOutput> {
  /** Completes the wait token with a value. */
  complete: (output: TOutput) => void;
  isLoading: boolean;
  isCompleted: boolean;
  /** Why the last call failed. It is no unhandled rejection. */
  error?: Error;
  /** Whether there is an id. */
  isReady: boolean;
}

/** Completes a wait token. Throws nothing: what fails is in `error`. */
export declare function useWaitToken<TOutput>(
  waitpointId?: string,
  options?: UseApiClientOptions,
): WaitTokenInstance<TOutput>;

/** The result of {@link useInputStreamSend}. */
export interface InputStreamSendInstance<TData> {
  /** Sends a value. */
  send: (data: TData) => void;
  isLoading: boolean;
  /** Why the last call failed. It is no unhandled rejection. */
  error?: Error;
  /** Whether there is a run to send to. */
  isReady: boolean;
}

/** Sends to an input stream of a run. Throws nothing: what fails is in `error`. */
export declare function useInputStreamSend<TData>(
  streamId: string,
  runId?: string,
  options?: UseApiClientOptions,
): InputStreamSendInstance<TData>;
