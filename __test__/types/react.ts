// What `trigger-native/react` declares and what the official hooks declare can stand for each other.

import type * as official from "@trigger.dev/react-hooks";
import type * as ours from "trigger-native/react";
import type { resize, validated } from "./tasks.js";

/** Compiles where each is assignable to the other. */
function both<A, B>(_there: (value: A) => B, _back: (value: B) => A) {}

type Streams = { ai: string; log: { n: number } };

both<ours.UseApiClientOptions, official.UseApiClientOptions>(
  (a) => a,
  (b) => b,
);
both<ours.UseRealtimeRunOptions, official.UseRealtimeRunOptions>(
  (a) => a,
  (b) => b,
);
both<ours.UseRealtimeSingleRunOptions<typeof resize>, official.UseRealtimeSingleRunOptions<typeof resize>>(
  (a) => a,
  (b) => b,
);
both<ours.UseRealtimeRunsWithTagOptions, official.UseRealtimeRunsWithTagOptions>(
  (a) => a,
  (b) => b,
);
both<ours.UseRealtimeStreamOptions<string>, official.UseRealtimeStreamOptions<string>>(
  (a) => a,
  (b) => b,
);
both<ours.UseTaskTriggerOptions, official.UseTaskTriggerOptions>(
  (a) => a,
  (b) => b,
);
both<ours.UseRealtimeTaskTriggerOptions, official.UseRealtimeTaskTriggerOptions>(
  (a) => a,
  (b) => b,
);
both<ours.UseRealtimeRunInstance<typeof resize>, official.UseRealtimeRunInstance<typeof resize>>(
  (a) => a,
  (b) => b,
);
both<ours.UseRealtimeRunInstance, official.UseRealtimeRunInstance>(
  (a) => a,
  (b) => b,
);
both<
  ours.UseRealtimeRunWithStreamsInstance<typeof resize, Streams>,
  official.UseRealtimeRunWithStreamsInstance<typeof resize, Streams>
>(
  (a) => a,
  (b) => b,
);
both<
  ours.UseRealtimeRunsInstance<typeof resize | typeof validated>,
  official.UseRealtimeRunsInstance<typeof resize | typeof validated>
>(
  (a) => a,
  (b) => b,
);
both<ours.UseRealtimeStreamInstance<Streams["log"]>, official.UseRealtimeStreamInstance<Streams["log"]>>(
  (a) => a,
  (b) => b,
);
both<ours.StreamResults<Streams>, official.StreamResults<Streams>>(
  (a) => a,
  (b) => b,
);
both<ours.TriggerInstance<typeof resize>, official.TriggerInstance<typeof resize>>(
  (a) => a,
  (b) => b,
);
both<ours.RealtimeTriggerInstance<typeof resize>, official.RealtimeTriggerInstance<typeof resize>>(
  (a) => a,
  (b) => b,
);
both<
  ours.RealtimeTriggerInstanceWithStreams<typeof resize, Streams>,
  official.RealtimeTriggerInstanceWithStreams<typeof resize, Streams>
>(
  (a) => a,
  (b) => b,
);
both<ours.WaitTokenInstance<string>, official.WaitTokenInstance<string>>(
  (a) => a,
  (b) => b,
);
both<ours.InputStreamSendInstance<string>, official.InputStreamSendInstance<string>>(
  (a) => a,
  (b) => b,
);
both<ReturnType<typeof ours.useRun<typeof resize>>, ReturnType<typeof official.useRun<typeof resize>>>(
  (a) => a,
  (b) => b,
);
both<ReturnType<typeof ours.useTriggerAuthContextOptional>, ReturnType<typeof official.useTriggerAuthContextOptional>>(
  (a) => a,
  (b) => b,
);

type Resize = typeof resize;

type StreamHook<TOptions, TInstance> = (runId: string, key: string, options?: TOptions) => TInstance;

/** Our hooks, of one task, each in the place of the official one: they take what that takes, and more. */
export const hooks: {
  run: typeof official.useRealtimeRun<Resize>;
  runWithStreams: typeof official.useRealtimeRunWithStreams<Resize, Streams>;
  runsWithTag: typeof official.useRealtimeRunsWithTag<Resize>;
  batch: typeof official.useRealtimeBatch<Resize>;
  stream: StreamHook<official.UseRealtimeStreamOptions<string>, official.UseRealtimeStreamInstance<string>>;
  trigger: typeof official.useTaskTrigger<Resize>;
  realtimeTrigger: typeof official.useRealtimeTaskTrigger<Resize>;
  realtimeTriggerWithStreams: typeof official.useRealtimeTaskTriggerWithStreams<Resize, Streams>;
  retrieve: typeof official.useRun<Resize>;
  wait: typeof official.useWaitToken<string>;
  input: typeof official.useInputStreamSend<string>;
} = {} as {
  run: typeof ours.useRealtimeRun<Resize>;
  runWithStreams: typeof ours.useRealtimeRunWithStreams<Resize, Streams>;
  runsWithTag: typeof ours.useRealtimeRunsWithTag<Resize>;
  batch: typeof ours.useRealtimeBatch<Resize>;
  stream: StreamHook<ours.UseRealtimeStreamOptions<string>, ours.UseRealtimeStreamInstance<string>>;
  trigger: typeof ours.useTaskTrigger<Resize>;
  realtimeTrigger: typeof ours.useRealtimeTaskTrigger<Resize>;
  realtimeTriggerWithStreams: typeof ours.useRealtimeTaskTriggerWithStreams<Resize, Streams>;
  retrieve: typeof ours.useRun<Resize>;
  wait: typeof ours.useWaitToken<string>;
  input: typeof ours.useInputStreamSend<string>;
};

/** What is not here: sessions are no part of the relay's live stream, and there is no client of the whole API. */
type Missing = "useApiClient" | "useSessionStream" | "useSessionStreamChannel";

// Nothing else is missing, and nothing is added.
both<Exclude<keyof typeof official, Missing>, keyof typeof ours>(
  (a) => a,
  (b) => b,
);
