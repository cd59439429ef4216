// A project without the official SDK, which checks its libraries too: tasks are told by their shape, handles of ours
// carry payload and output, and those of a foreign handle are `any`.
//
// `Equal` holds of whatever an import that cannot be resolved makes `any`: that something is no `any`, an error that is
// expected says.

import { auth, batch, idempotencyKeys, type RunShape, runs, streams, tasks } from "trigger-native";

declare const ownTask: {
  id: "own";
  trigger(payload: { n: number }): Promise<{ id: string }>;
  triggerAndWait(payload: { n: number }): { unwrap(): Promise<string> };
};
type Own = RunShape<{ taskIdentifier: "own"; payload: { n: number }; output: string }>;

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Expect<T extends true> = T;

export async function use(id: string, handle: { id: string; taskIdentifier: "own" }) {
  for await (const run of runs.subscribeToRun<typeof ownTask>(id)) {
    run satisfies Own;
    type _payload = Expect<Equal<typeof run.payload, { n: number }>>;
    type _output = Expect<Equal<typeof run.output, string | undefined>>;
  }
  for await (const run of runs.subscribeToRun(handle)) {
    type _payload = Expect<Equal<typeof run.payload, any>>;
    type _task = Expect<Equal<typeof run.taskIdentifier, "own">>;
  }
  const own = await tasks.trigger<typeof ownTask>(
    "own",
    { n: 1 },
    { idempotencyKey: await idempotencyKeys.create("a") },
  );
  type _id = Expect<Equal<typeof own.taskIdentifier, "own">>;
  const run = await runs.retrieve(own);
  type _retrievedPayload = Expect<Equal<typeof run.payload, { n: number } | undefined>>;
  type _retrievedOutput = Expect<Equal<typeof run.output, string | undefined>>;
  for await (const live of runs.subscribeToRun(own)) live satisfies Own;
  const many = await batch.triggerByTask([{ task: ownTask, payload: { n: 1 } }]);
  for await (const live of runs.subscribeToBatch<typeof ownTask>(many)) live satisfies Own;
  for await (const chunk of await streams.read<{ delta: string }>(own, "ai")) chunk.delta satisfies string;
  // @ts-expect-error: a handle is no number
  own satisfies number;
  // @ts-expect-error: a handle has no such member
  own.nothing;
  // @ts-expect-error: an output is text
  run.output satisfies { url: string } | undefined;
  // @ts-expect-error: a batch is no number
  many satisfies number;
  const key = await idempotencyKeys.create("a");
  key satisfies string;
  // @ts-expect-error: a key is text
  key satisfies number;
  const plain = await tasks.trigger("own", {});
  // @ts-expect-error: a handle of any task is no number
  plain satisfies number;
  for await (const live of runs.subscribeToRun(own)) {
    // @ts-expect-error: a payload is no number
    live.payload satisfies number;
  }
  // @ts-expect-error: the payload's n is a number
  await tasks.trigger<typeof ownTask>("own", { n: "1" });
  // @ts-expect-error: a number is no run
  runs.subscribeToRun(42);
  return auth.createPublicToken();
}
