// Components written for the official hooks: they compile as they are, and with the import replaced (scripts/types.mjs).

import {
  type InputStreamSendInstance,
  type RealtimeTriggerInstance,
  type RealtimeTriggerInstanceWithStreams,
  type StreamResults,
  TriggerAuthContext,
  type TriggerInstance,
  type UseApiClientOptions,
  type UseRealtimeRunInstance,
  type UseRealtimeRunOptions,
  type UseRealtimeRunsInstance,
  type UseRealtimeRunsWithTagOptions,
  type UseRealtimeRunWithStreamsInstance,
  type UseRealtimeSingleRunOptions,
  type UseRealtimeStreamInstance,
  type UseRealtimeStreamOptions,
  type UseRealtimeTaskTriggerOptions,
  type UseTaskTriggerOptions,
  useInputStreamSend,
  useRealtimeBatch,
  useRealtimeRun,
  useRealtimeRunsWithTag,
  useRealtimeRunWithStreams,
  useRealtimeStream,
  useRealtimeTaskTrigger,
  useRealtimeTaskTriggerWithStreams,
  useRun,
  useTaskTrigger,
  useTriggerAuthContext,
  useTriggerAuthContextOptional,
  useWaitToken,
  type WaitTokenInstance,
} from "@trigger.dev/react-hooks";
import type { streams } from "@trigger.dev/sdk";
import type { ReactNode } from "react";
import type { resize, validated } from "./tasks.js";

type Chat = ReturnType<typeof streams.define<{ delta: string }>>;

export function Provider({ children, token }: { children: ReactNode; token: string }) {
  const refreshAccessToken = async () => token;
  return (
    <TriggerAuthContext.Provider value={{ accessToken: token, baseURL: "/api/trigger", refreshAccessToken }}>
      {children}
    </TriggerAuthContext.Provider>
  );
}

export function Status({ id }: { id?: string }) {
  const { accessToken } = useTriggerAuthContext();
  const { baseURL } = useTriggerAuthContextOptional();
  const options: UseRealtimeSingleRunOptions<typeof resize> = {
    accessToken,
    baseURL,
    enabled: id !== undefined,
    skipColumns: ["payload", "output"],
    stopOnCompletion: false,
    throttleInMs: 50,
    onComplete: (run, error) =>
      console.log(run.id, run.output?.bytes.toFixed(), run.finishedAt?.getTime(), error?.message),
  };
  const one: UseRealtimeRunInstance<typeof resize> = useRealtimeRun<typeof resize>(id, options);
  const both: UseRealtimeRunWithStreamsInstance<typeof resize, { ai: { delta: string }; log: string }> =
    useRealtimeRunWithStreams<typeof resize, { ai: { delta: string }; log: string }>(id, options);
  const values: StreamResults<{ log: string }>["log"] = both.streams.log;
  const url: string | undefined = one.run?.payload.url;
  const status: "QUEUED" | "COMPLETED" | undefined =
    one.run?.status === "QUEUED" || one.run?.status === "COMPLETED" ? one.run.status : undefined;
  const progress = one.run?.metadata?.progress;
  return (
    <button type="button" onClick={one.stop} title={url}>
      {status} {typeof progress === "number" ? progress : null} {both.streams.ai.map(({ delta }) => delta.trim())}
      {values.join()} {one.error?.message} {one.run?.tags.length}
    </button>
  );
}

export function Lists({ tags, batch }: { tags: string[]; batch: string }) {
  const options: UseRealtimeRunsWithTagOptions = { createdAt: "1h", skipColumns: ["payload"], id: "list" };
  const tagged: UseRealtimeRunsInstance<typeof resize | typeof validated> = useRealtimeRunsWithTag<
    typeof resize | typeof validated
  >(tags, options);
  const more: UseRealtimeRunOptions = { enabled: true };
  const { runs } = useRealtimeBatch<typeof validated>(batch, more);
  return (
    <ul>
      {tagged.runs.map((run) => (
        <li key={run.id}>{run.taskIdentifier === "resize" ? run.createdAt.toISOString() : run.taskIdentifier}</li>
      ))}
      {runs.map((run) => run.output?.toUpperCase())}
    </ul>
  );
}

export function Streams({ id, chat }: { id: string; chat: Chat }) {
  const options: UseRealtimeStreamOptions<string> = {
    from: "latest",
    maxParts: 1,
    startIndex: 2,
    lastEventId: 4,
    timeoutInSeconds: 60,
    onData: (part) => part.trim(),
    onParts: (parts) => parts.map(({ id: event, chunk, timestamp }) => [event, chunk.trim(), timestamp.toFixed()]),
  };
  const keyed: UseRealtimeStreamInstance<string> = useRealtimeStream<string>(id, "ai", options);
  const plain = useRealtimeStream<string>(id, options);
  const defined = useRealtimeStream(chat, id, { onData: (part) => part.delta.trim() });
  return (
    <p>
      {keyed.parts.join("")} {plain.lastEventId} {defined.parts.map(({ delta }) => delta).join("")}
    </p>
  );
}

export function Calls({ id, token }: { id?: string; token: string }) {
  const access: UseApiClientOptions = {
    accessToken: token,
    previewBranch: "a",
    requestOptions: { retry: { maxAttempts: 1 } },
  };
  const triggerOptions: UseTaskTriggerOptions = access;
  const followed: UseRealtimeTaskTriggerOptions = { ...access, skipColumns: ["payload"], enabled: true };
  const trigger: TriggerInstance<typeof resize> = useTaskTrigger<typeof resize>("resize", triggerOptions);
  const realtime: RealtimeTriggerInstance<typeof resize> = useRealtimeTaskTrigger<typeof resize>("resize", followed);
  const withStreams: RealtimeTriggerInstanceWithStreams<typeof resize, { ai: string }> =
    useRealtimeTaskTriggerWithStreams<typeof resize, { ai: string }>("resize", followed);
  const wait: WaitTokenInstance<{ approved: boolean }> = useWaitToken<{ approved: boolean }>(id, access);
  const input: InputStreamSendInstance<string> = useInputStreamSend<string>("approval", id, access);
  const { run, isLoading, isValidating, isError, error } = useRun<typeof resize>("run_1", {
    refreshInterval: 1_000,
    revalidateOnFocus: true,
    revalidateOnReconnect: true,
  });
  const submit = () => {
    trigger.submit({ url: "x" }, { tags: ["a"], idempotencyKey: "k", delay: "1h" });
    // @ts-expect-error: the payload is the task's
    realtime.submit({ width: 1 });
    withStreams.submit({ url: "x", width: 1 });
    if (wait.isReady && !wait.isCompleted) wait.complete({ approved: true });
    if (input.isReady && !input.isLoading) input.send("yes");
  };
  return (
    <button type="button" onClick={submit} disabled={isLoading || isValidating || isError}>
      {run?.output?.bytes} {error?.message} {trigger.handle?.id} {trigger.handle?.publicAccessToken}
      {realtime.run?.output?.bytes} {withStreams.streams.ai.join("")} {withStreams.handle?.id}
    </button>
  );
}
