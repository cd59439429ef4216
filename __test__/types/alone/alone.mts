// A project without the official SDK, which checks its libraries too: tasks are told by their shape, and a handle's
// payload and output are `any`.

import { auth, type RunShape, runs } from "trigger-native";

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
  // @ts-expect-error: a number is no run
  runs.subscribeToRun(42);
  return auth.createPublicToken();
}
