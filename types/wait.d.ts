/** Wait tokens: a run waits for one until it is completed. */

import type { CallOptions } from "./config.js";
import type { ApiPromise, CursorPageParams, CursorPagePromise } from "./page.js";

/** The state of a wait token. */
export type WaitpointTokenStatus = "WAITING" | "COMPLETED" | "TIMED_OUT";

/** The options of {@link wait.createToken}. */
export type CreateWaitpointTokenRequestBody = {
  /** A second token with the same key is the first one again, completed or not. */
  idempotencyKey?: string | undefined;
  /** How long the key holds: a period such as `"1h"`. */
  idempotencyKeyTTL?: string | undefined;
  /** When it times out: a period from now such as `"10m"`, or a `Date`. @default the server's */
  timeout?: string | Date | undefined;
  /** Up to 10 tags. */
  tags?: string | string[] | undefined;
};

/** A new wait token. */
export type CreateWaitpointTokenResponse = {
  /** `waitpoint_…` */
  id: string;
  /** Whether it is an earlier token with the same idempotency key. */
  isCached: boolean;
  /** A POST there completes it with the body as data: for webhooks. */
  url: string;
  /** A public token that completes it, for 24 hours. */
  publicAccessToken: string;
};

/** A wait token in a list. */
export interface WaitpointListTokenItem {
  /** `waitpoint_…` */
  id: string;
  /** A POST there completes it with the body as data. */
  url: string;
  status: WaitpointTokenStatus;
  completedAt?: Date | undefined;
  timeoutAt?: Date | undefined;
  idempotencyKey?: string | undefined;
  idempotencyKeyExpiresAt?: Date | undefined;
  tags: string[];
  createdAt: Date;
}

/** A whole wait token. */
export type WaitpointRetrievedToken<T> = {
  /** `waitpoint_…` */
  id: string;
  /** A POST there completes it with the body as data. */
  url: string;
  status: WaitpointTokenStatus;
  completedAt?: Date;
  timeoutAt?: Date;
  idempotencyKey?: string;
  idempotencyKeyExpiresAt?: Date;
  tags: string[];
  createdAt: Date;
  /** The data it was completed with. */
  output?: T;
  /** Why there is no output: the token timed out. */
  error?: Error;
};

/** Which wait tokens to list. */
export interface ListWaitpointTokensQueryParams extends CursorPageParams {
  /** In any of these states. */
  status?: WaitpointTokenStatus | WaitpointTokenStatus[] | undefined;
  /** Made with this key. */
  idempotencyKey?: string | undefined;
  /** With any of these tags. */
  tags?: string | string[] | undefined;
  /** Created within this time before now: `"24h"`. */
  period?: string | undefined;
  /** Created since: a `Date`, or Unix **milliseconds**. */
  from?: Date | number | undefined;
  /** Created until: a `Date`, or Unix **milliseconds**. */
  to?: Date | number | undefined;
}

/**
 * Wait tokens. Waiting itself (`wait.for`, `wait.forToken` …) is for tasks and stays with the official SDK.
 *
 * These throw:
 * - {@link ArgumentError} on an id that cannot be one (defects.md 8), and on data that cannot be written as JSON;
 * - {@link ConfigError} without a key;
 * - {@link ApiError} and its kin when the server refuses or does not answer, {@link TimeoutError} when it does not in
 *   time (defects.md 19).
 */
export const wait: {
  /** Makes a token. */
  createToken(
    options?: CreateWaitpointTokenRequestBody,
    requestOptions?: CallOptions,
  ): ApiPromise<CreateWaitpointTokenResponse>;
  /** Lists tokens, newest first; `for await` goes through all pages. */
  listTokens(
    params?: ListWaitpointTokensQueryParams,
    requestOptions?: CallOptions,
  ): CursorPagePromise<WaitpointListTokenItem>;
  /**
   * Completes a token, with data that the waiting run gets as plain JSON. Completing one that is completed or timed out
   * already succeeds and changes nothing.
   *
   * @throws {NotFoundError} when there is no such token
   */
  completeToken<T>(token: string | { id: string }, data: T, requestOptions?: CallOptions): Promise<{ success: true }>;
  /**
   * A token with its output. A token's own public token cannot retrieve it.
   *
   * @throws {InternalServerError} when there is no such token: servers answer 500
   */
  retrieveToken<T>(token: string | { id: string }, requestOptions?: CallOptions): Promise<WaitpointRetrievedToken<T>>;
};
