// The subscription: official options, and every way of reading it.

import type * as sdk from "@trigger.dev/sdk";
import * as ours from "trigger-native";
import type { Assignable, Equal, Expect } from "./support.ts";

type TheirOptions = NonNullable<Parameters<typeof sdk.runs.subscribeToRun>[1]>;
type _options = Assignable<TheirOptions, ours.SubscribeToRunOptions>;
type _official = Expect<
  Equal<
    Pick<Required<ours.SubscribeToRunOptions>, keyof TheirOptions>,
    Pick<Required<TheirOptions>, keyof TheirOptions>
  >
>;

export async function everyWay(id: string, signal: AbortSignal) {
  await using subscription = ours.runs.subscribeToRun(id, {
    signal,
    skipColumns: ["payload"],
    stopOnCompletion: false,
    onRetry: ({ attempt, delayMs, status, reason }) => [attempt + delayMs, status?.toFixed(), reason.trim()],
    onStateChange: (state) => state === "live",
  });
  const first = await subscription.next();
  if (!first.done) first.value.status satisfies ours.RunStatus;
  else first.value satisfies undefined;
  await subscription.return();
  subscription.close();
  const { value } = await subscription.getReader().read();
  value?.status satisfies ours.RunStatus | undefined;
  subscription.toReadableStream() satisfies ReadableStream<ours.AnyRealtimeRun>;
  subscription satisfies AsyncIterable<ours.AnyRealtimeRun>;
  subscription.stats().requests satisfies number;
  ours.runs.subscribeToRun(id, { retry: { maxElapsedMs: 60_000 }, silenceTimeoutMs: 30_000 });
  // @ts-expect-error: retry has no such member
  ours.runs.subscribeToRun(id, { retry: { maxAttempts: 3 } });

  // @ts-expect-error: a state that there is not
  ours.runs.subscribeToRun(id, { onStateChange: (state) => state === "open" });
  // @ts-expect-error: an option that there is not
  ours.runs.subscribeToRun(id, { stopOnComplete: true });
}
