// Our run object is the official one and two members more; what takes the one takes the other.

import type * as core from "@trigger.dev/core/v3";
import type * as sdk from "@trigger.dev/sdk";
import type * as ours from "trigger-native";
import type { Assignable, Equal, Expect } from "./support.ts";
import type { resize } from "./tasks.ts";

type Ours = ours.RealtimeRun<typeof resize>;
type Theirs = sdk.RealtimeRun<typeof resize>;
type Added = "isFinished" | "decodeErrors";

type _members = Expect<Equal<keyof Omit<Ours, Added>, keyof Theirs>>;
type _forwards = Assignable<Ours, Theirs>;
type _backwards = Assignable<Theirs, Omit<Ours, Added>>;
type _anyForwards = Assignable<ours.AnyRealtimeRun, sdk.AnyRealtimeRun>;
type _anyBackwards = Assignable<sdk.AnyRealtimeRun, Omit<ours.AnyRealtimeRun, Added>>;
type _status = Expect<Equal<ours.RunStatus, Theirs["status"]>>;
type _error = Assignable<core.SerializedError, ours.SerializedError>;
type _errorBack = Assignable<ours.SerializedError, core.SerializedError>;
type _taskTypes = Expect<Equal<ours.TaskPayload<typeof resize>, sdk.TaskPayload<typeof resize>>>;
type _taskOutput = Expect<Equal<ours.TaskOutput<typeof resize>, sdk.TaskOutput<typeof resize>>>;
type _taskId = Expect<Equal<ours.TaskIdentifier<typeof resize>, sdk.TaskIdentifier<typeof resize>>>;

/** User code that must go on compiling: every status, and the compiler sees that it is every one. */
export function label(run: Ours): string {
  switch (run.status) {
    case "PENDING_VERSION":
    case "QUEUED":
    case "DELAYED":
    case "DEQUEUED":
      return "soon";
    case "EXECUTING":
    case "WAITING":
      return "now";
    case "COMPLETED":
      return "done";
    case "CANCELED":
    case "FAILED":
    case "CRASHED":
    case "SYSTEM_FAILURE":
    case "EXPIRED":
    case "TIMED_OUT":
      return "over";
    default: {
      const none: never = run.status;
      return none;
    }
  }
}

/** User code written for the official object takes ours. */
declare function store(run: sdk.AnyRealtimeRun): void;
export function pass(run: Ours) {
  store(run);
}

// @ts-expect-error: a status that nobody sends
export const wrong: ours.RunStatus = "DONE";
