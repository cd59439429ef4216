// Errors: the official classes with the official fields, and ours with stable codes.

import type * as core from "@trigger.dev/core/v3";
import * as ours from "trigger-native";
import type { Assignable, Equal, Expect } from "./support.ts";

type _api = Assignable<ours.ApiError, core.ApiError>;
type _apiBack = Assignable<core.ApiError, ours.ApiError>;
type _status = Expect<Equal<ours.RateLimitError["status"], core.RateLimitError["status"]>>;
type _connection = Assignable<ours.ApiConnectionError, core.ApiConnectionError>;

export function tell(error: unknown): string {
  if (error instanceof ours.RateLimitError) return `in ${error.millisecondsUntilReset ?? 0} ms`;
  if (error instanceof ours.NotFoundError) return `${error.status satisfies 404} ${error.code ?? ""}`;
  if (error instanceof ours.ApiError) return error.message;
  if (error instanceof ours.TriggerNativeError) return error.code;
  return ours.isTriggerRealtimeAuthError(error) ? "denied" : "unknown";
}

export function ofOurs(error: ours.ProtocolError | ours.NoProgressError | ours.TimeoutError) {
  error satisfies ours.TriggerNativeError;
  // @ts-expect-error: a code is not to be written
  error.code = "ERR";
}
