/** Public tokens. */

import type { ApiClientConfiguration, CallBounds, configure } from "./config.js";
import type { AnyBatchHandle, AnyRunHandle } from "./task.js";

/** Columns that a run feed can leave out. */
export type RealtimeRunSkipColumn =
  | "startedAt"
  | "delayUntil"
  | "queuedAt"
  | "expiredAt"
  | "completedAt"
  | "number"
  | "isTest"
  | "usageDurationMs"
  | "costInCents"
  | "baseCostInCents"
  | "ttl"
  | "payload"
  | "payloadType"
  | "metadata"
  | "output"
  | "outputType"
  | "runTags"
  | "error";

/** A list of columns to leave out. */
export type RealtimeRunSkipColumns = Array<RealtimeRunSkipColumn>;

/**
 * Resources that a token opens for reading or writing. An id is a non-blank string; a list grants each of its ids. Where a handle can stand for
 * an id, so can a run.
 */
export type PublicTokenPermissionProperties = {
  /** Runs of these tasks, by task id. */
  tasks?: string | string[] | undefined;
  /** Runs with one of these tags. */
  tags?: string | string[] | undefined;
  /** These runs, by id; `true` for every run of the environment. */
  runs?: string | AnyRunHandle | Array<string | AnyRunHandle> | true | undefined;
  /** These batches and their runs, by id. */
  batch?: string | AnyBatchHandle | Array<string | AnyBatchHandle> | undefined;
  /** These wait tokens, by id. */
  waitpoints?: string | { id: string } | Array<string | { id: string }> | undefined;
  /** The input streams of these runs, by run id. */
  inputStreams?: string | AnyRunHandle | Array<string | AnyRunHandle> | undefined;
  /** These sessions, by id or external id; an id can be narrowed, as in `my-session:out`. */
  sessions?: string | string[] | undefined;
};

/** Everything a public token can grant. */
export type PublicTokenPermissions = {
  /** Resources that the bearer may read. */
  read?: PublicTokenPermissionProperties | undefined;
  /** Resources that the bearer may write. */
  write?: PublicTokenPermissionProperties | undefined;
  /** Tasks the bearer may trigger, again and again: {@link auth.createTriggerPublicToken} makes one-time tokens. */
  trigger?: { tasks: string | string[] } | undefined;
  /** Tasks the bearer may trigger in batches: see {@link auth.createBatchTriggerPublicToken}. */
  batchTrigger?: { tasks: string | string[] } | undefined;
};

/**
 * When a token ends: a `Date`, cut to whole seconds; a number of Unix **seconds**; or a period from
 * now such as `"15m"`, `"1h"`, `"2 days"`, `"1.5 hours"`. It must be in the future, and before the year 5138.
 */
export type TokenExpiration = number | Date | string;

/** The options of {@link auth.createPublicToken}. */
export type CreatePublicTokenOptions = {
  /**
   * The permissions of the token. A token without scopes can do nothing: under a root key it is made all the same, as
   * in the official SDK, with one warning per process; under any other key it is an error.
   */
  scopes?: PublicTokenPermissions | undefined;
  /** When it ends. @default 15 minutes from now */
  expirationTime?: TokenExpiration | undefined;
  /** Limits on the feeds the token opens. */
  realtime?:
    | {
        /** Columns the server leaves out, on top of those a request leaves out. @default [] */
        skipColumns?: RealtimeRunSkipColumns | undefined;
      }
    | undefined;
};

/** The options of {@link auth.createTriggerPublicToken} and {@link auth.createBatchTriggerPublicToken}. */
export type CreateTriggerTokenOptions = {
  /** When it ends. @default 15 minutes from now */
  expirationTime?: TokenExpiration | undefined;
  /** Whether it can be used more than once. @default false */
  multipleUse?: boolean | undefined;
  /** Limits on the feeds opened with the token of the run it triggers. */
  realtime?:
    | {
        /** Columns the server leaves out. @default [] */
        skipColumns?: RealtimeRunSkipColumns | undefined;
      }
    | undefined;
};

/**
 * Public tokens: JSON Web Tokens that a browser may hold.
 *
 * With a root secret key they are signed here. The first one of a process asks the server once for the
 * environment's claims; those are kept for each base URL, key and branch, and no later token needs the network
 * (defects.md 14). With an additional key (`tr_…_sk_…`) or a run's token, the server makes each one.
 *
 * All of these throw:
 * - {@link ConfigError} when there is no key, or it is a public token, which never signs;
 * - {@link ArgumentError} on blank ids, unknown scope names, and an expiry that is past, negative, `NaN` or no period;
 * - {@link ApiError} and its kin when the server refuses or does not answer, {@link TimeoutError} when it does not in
 *   time. The failure is not kept, and the next call asks again.
 */
export const auth: {
  /** The same as {@link configure}. */
  configure: typeof configure;
  /**
   * Makes a public token.
   *
   * @example
   * const token = await auth.createPublicToken({ scopes: { read: { runs: [run.id] } }, expirationTime: "1h" });
   */
  createPublicToken(options?: CreatePublicTokenOptions, requestOptions?: CallBounds): Promise<string>;
  /**
   * Makes a token that triggers the named task or tasks, once unless `multipleUse`. Each one-time token carries a
   * unique `jti`, so that two made in the same second are two tokens (defects.md 2).
   */
  createTriggerPublicToken(
    task: string | string[],
    options?: CreateTriggerTokenOptions,
    requestOptions?: CallBounds,
  ): Promise<string>;
  /** The same for triggering in batches. */
  createBatchTriggerPublicToken(
    task: string | string[],
    options?: CreateTriggerTokenOptions,
    requestOptions?: CallBounds,
  ): Promise<string>;
  /**
   * Calls `fn` with a configuration that holds inside it, across every `await`, and nowhere else: concurrent requests
   * of several users never see each other's key. An option that is missing comes from the configuration around it.
   *
   * @returns the result of `fn`
   * @throws {ConfigError} on an option that is unknown or of the wrong type
   */
  withAuth<R extends (...args: any[]) => Promise<any>>(config: ApiClientConfiguration, fn: R): Promise<ReturnType<R>>;
  /** Makes a public token and calls `fn` with it in place of the key, as {@link auth.withAuth} does. */
  withPublicToken<R = void>(options: CreatePublicTokenOptions, fn: () => Promise<R>): Promise<R>;
  /** Makes a token that triggers and calls `fn` with it in place of the key, as {@link auth.withAuth} does. */
  withTriggerPublicToken<R = void>(
    task: string | string[],
    options: CreateTriggerTokenOptions | undefined,
    fn: () => Promise<R>,
  ): Promise<R>;
  /** The same for triggering in batches. */
  withBatchTriggerPublicToken<R = void>(
    task: string | string[],
    options: CreateTriggerTokenOptions | undefined,
    fn: () => Promise<R>,
  ): Promise<R>;
};
