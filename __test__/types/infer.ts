// Payload and output are inferred as the official SDK infers them, from its own tasks and handles.

import type * as core from "@trigger.dev/core/v3";
import { runs as official, tasks } from "@trigger.dev/sdk";
import { runs } from "trigger-native";
import type { Equal, Expect } from "./support.ts";
import type { nothing, resize, validated } from "./tasks.ts";

type Yielded<T> = T extends { next(): Promise<IteratorResult<infer R, undefined>> } ? R : never;
type OfficiallyYielded<T> = T extends { [Symbol.asyncIterator](): AsyncIterator<infer R> } ? R : never;

export async function byTask(id: string) {
  for await (const run of runs.subscribeToRun<typeof resize>(id)) {
    type _payload = Expect<Equal<typeof run.payload, { url: string; width?: number }>>;
    type _output = Expect<Equal<typeof run.output, { bytes: number; at: Date } | undefined>>;
    type _task = Expect<Equal<typeof run.taskIdentifier, "resize">>;
    type _finished = Expect<Equal<typeof run.isFinished, boolean>>;
    type _failures = Expect<Equal<typeof run.decodeErrors, Record<string, Error> | undefined>>;
    // @ts-expect-error: no such member of the payload
    run.payload.height;
    // @ts-expect-error: there may be no output yet
    run.output.bytes;
    // @ts-expect-error: what was added is not to be written
    run.isFinished = true;
  }
  const ours = runs.subscribeToRun<typeof validated>(id);
  const theirs = official.subscribeToRun<typeof validated>(id);
  type Ours = Yielded<typeof ours>;
  type Theirs = OfficiallyYielded<typeof theirs>;
  type _payload = Expect<Equal<Ours["payload"], Theirs["payload"]>>;
  type _output = Expect<Equal<Ours["output"], Theirs["output"]>>;
  const empty = runs.subscribeToRun<typeof nothing>(id);
  const theirEmpty = official.subscribeToRun<typeof nothing>(id);
  type _empty = Expect<Equal<Yielded<typeof empty>["output"], OfficiallyYielded<typeof theirEmpty>["output"]>>;
  type _void = Expect<Equal<Yielded<typeof empty>["payload"], OfficiallyYielded<typeof theirEmpty>["payload"]>>;
}

export async function byHandle(handle: core.RunHandle<"resize", { url: string }, { bytes: number }>) {
  for await (const run of runs.subscribeToRun(handle)) {
    type _payload = Expect<Equal<typeof run.payload, { url: string }>>;
    type _output = Expect<Equal<typeof run.output, { bytes: number } | undefined>>;
    type _task = Expect<Equal<typeof run.taskIdentifier, "resize">>;
  }
  const triggered = await tasks.trigger<typeof resize>("resize", { url: "https://example.com" });
  for await (const run of runs.subscribeToRun(triggered)) {
    type _output = Expect<Equal<typeof run.output, { bytes: number; at: Date } | undefined>>;
  }
}

export async function byBareHandle(handle: { id: string }) {
  for await (const run of runs.subscribeToRun(handle)) {
    type _payload = Expect<Equal<typeof run.payload, any>>;
    type _task = Expect<Equal<typeof run.taskIdentifier, string>>;
  }
}

export async function byId(id: string) {
  for await (const run of runs.subscribeToRun(id)) {
    type _payload = Expect<Equal<typeof run.payload, any>>;
    type _output = Expect<Equal<typeof run.output, any>>;
  }
}

export async function byOneOfSeveralTasks(id: string) {
  for await (const run of runs.subscribeToRun<typeof resize | typeof validated>(id)) {
    // The task's id tells which payload it is.
    if (run.taskIdentifier === "resize") {
      type _payload = Expect<Equal<typeof run.payload, { url: string; width?: number }>>;
    } else {
      type _output = Expect<Equal<typeof run.output, string | undefined>>;
    }
  }
}

export function wrongUses(batch: { batchId: string }) {
  // @ts-expect-error: a number is no run
  runs.subscribeToRun(42);
  // @ts-expect-error: nothing is no run
  runs.subscribeToRun(undefined);
  // @ts-expect-error: a batch is no run
  runs.subscribeToRun(batch);
  // @ts-expect-error: a number is no task
  runs.subscribeToRun<number>("run_1");
  // @ts-expect-error: with a task's type, the run is named by its id
  runs.subscribeToRun<typeof resize>(42);
}
