// Streams and feeds of many runs: the official options and shapes, and every way of reading them.

import type * as core from "@trigger.dev/core/v3";
import * as sdk from "@trigger.dev/sdk";
import * as ours from "trigger-native";
import type { Assignable, Equal, Expect } from "./support.ts";
import type { resize, validated } from "./tasks.ts";

type _read = Assignable<core.ReadStreamOptions, ours.ReadStreamOptions>;
type _official = Expect<
  Equal<
    Pick<Required<ours.ReadStreamOptions>, keyof core.ReadStreamOptions>,
    Pick<Required<core.ReadStreamOptions>, keyof core.ReadStreamOptions>
  >
>;
type _send = Assignable<core.SendInputStreamOptions, ours.SendInputStreamOptions>;
type _stream = Assignable<ours.RealtimeStream<{ a: 1 }>, core.AsyncIterableStream<{ a: 1 }>>;
type _defined = Assignable<ours.DefinedStream<string>, core.RealtimeDefinedStream<string>>;
type _input = Assignable<ours.DefinedInputStream<string>, core.RealtimeDefinedInputStream<string>>;
type _filters = Assignable<
  NonNullable<Parameters<typeof sdk.runs.subscribeToRunsWithTag>[1]>,
  ours.SubscribeToRunsFilterOptions
>;

// What was defined with either package is read by the types of either.
const mine = ours.streams.define<{ delta: string }>({ id: "ai" });
const theirs = sdk.streams.define<{ delta: string }>({ id: "ai" });
const myInput = ours.streams.input<{ ok: boolean }>({ id: "in" });
const theirInput = sdk.streams.input<{ ok: boolean }>({ id: "in" });
type _inferred = Expect<Equal<ours.InferStreamType<typeof mine>, { delta: string }>>;
type _inferredTheirs = Expect<Equal<ours.InferStreamType<typeof theirs>, { delta: string }>>;
type _inferredByThem = Expect<Equal<sdk.InferStreamType<typeof mine>, { delta: string }>>;
type _inferredInput = Expect<Equal<ours.InferInputStreamType<typeof myInput>, { ok: boolean }>>;
type _inferredTheirInput = Expect<Equal<ours.InferInputStreamType<typeof theirInput>, { ok: boolean }>>;
type _inferredInputByThem = Expect<Equal<sdk.InferInputStreamType<typeof myInput>, { ok: boolean }>>;
type _nothing = Expect<Equal<ours.InferStreamType<string>, unknown>>;

type Part<S> = S extends AsyncIterable<infer P> ? P : never;
type Streams = { ai: string; steps: { n: number } };
const withStreams = ours.runs.subscribeToRun<typeof resize>("run_1").withStreams<Streams>();
const officially = sdk.runs.subscribeToRun<typeof resize>("run_1").withStreams<Streams>();
type _parts = Assignable<Part<typeof withStreams>, Part<typeof officially>>;
type _types = Expect<Equal<Part<typeof withStreams>["type"], Part<typeof officially>["type"]>>;
type _stats = Expect<Equal<ReturnType<(typeof withStreams)["stats"]>["streams"], number>>;

export async function parts() {
  for await (const part of ours.runs
    .subscribeToRunsWithTag<typeof resize | typeof validated>("t")
    .withStreams<Streams>({
      streams: ["ai"],
    })) {
    if (part.type === "steps") type_<number>(part.chunk.n);
    if (part.type === "ai") type_<string>(part.chunk);
    if (part.type === "run" && part.run.taskIdentifier === "validated") type_<string>(part.run.payload.name);
  }
  // @ts-expect-error: no such stream
  ours.runs.subscribeToRun("run_1").withStreams<Streams>({ streams: ["other"] });
}
declare function type_<T>(value: T): void;

export async function everyWay(signal: AbortSignal, request: Request): Promise<Response> {
  await using stream = await ours.streams.read<string>({ id: "run_1" }, "ai", {
    signal,
    timeoutInSeconds: 30,
    from: "latest",
    onRetry: ({ reason }) => reason.trim(),
    onStateChange: (state) => state === "refreshing",
    silenceTimeoutMs: 30_000,
    retry: { maxElapsedMs: 60_000 },
  });
  for await (const chunk of stream) type_<string>(chunk);
  const { value } = await stream.getReader().read();
  type_<string | undefined>(value);
  stream.pipeThrough(new TextEncoderStream());
  type_<number>(stream.stats().unreadBytes);
  stream.close();
  for await (const chunk of await mine.read("run_1")) type_<string>(chunk.delta);
  for await (const chunk of await ours.streams.read<number>("run_1")) type_<number>(chunk);
  await myInput.send("run_1", { ok: true }, { signal, timeoutInMs: 1_000 });

  const feed = ours.runs.subscribeToRunsWithTag<typeof resize>(
    ["a", "b"],
    { createdAt: "1h" },
    {
      signal,
      onItemError: (error) => error.message.trim(),
    },
  );
  feed.unsubscribe();
  type_<Response>(stream.toResponse(request, { superjson: true }));
  type_<Response>(feed.withStreams<Streams>({ streams: ["ai"] }).toResponse(request));
  const event: ours.StreamChunkEvent<"ai", string> = JSON.parse("");
  type_<string>(event.type + event.chunk + event.runId);
  type_<"complete" | "idle">((JSON.parse("") as ours.StreamEndEvent).ending);
  type_<ours.StreamRestartEvent>({ type: "ai", runId: "run_1" });
  type_<number>(feed.stats().requests);
  return feed.toResponse(request);
}

export async function refused() {
  // @ts-expect-error: whole words
  await ours.streams.read("run_1", "ai", { from: "end" });
  // @ts-expect-error: a number of seconds
  await ours.streams.read("run_1", "ai", { timeoutInSeconds: "60" });
  // @ts-expect-error: the id is needed
  ours.streams.define({});
  // @ts-expect-error: another type of data
  await myInput.send("run_1", { ok: "yes" });
  // @ts-expect-error: a number is no tag
  ours.runs.subscribeToRunsWithTag(1);
  // @ts-expect-error: createdAt is a period
  ours.runs.subscribeToRunsWithTag("a", { createdAt: new Date() });
  // @ts-expect-error: a run is no batch
  ours.runs.subscribeToBatch({ id: "run_1" });
  // @ts-expect-error: writing is for tasks
  ours.streams.pipe("ai", new ReadableStream());
}
