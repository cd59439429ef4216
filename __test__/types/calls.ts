// Calls: official options go in, results of ours go wherever the official ones go, and what cannot be right is refused.

import type * as core from "@trigger.dev/core/v3";
import * as sdk from "@trigger.dev/sdk";
import * as ours from "trigger-native";
import type { Assignable, Equal, Expect } from "./support.ts";
import type { nothing, resize, validated } from "./tasks.ts";

type Option<F extends (...args: any[]) => unknown, N extends number> = NonNullable<Parameters<F>[N]>;
type Result<F extends (...args: any[]) => unknown> = Awaited<ReturnType<F>>;

// Options: whatever the official type lets through, ours does.
type _trigger = Assignable<core.TriggerOptions, ours.TriggerOptions>;
type _triggerBack = Assignable<ours.TriggerOptions, core.TriggerOptions>;
type _batch = Assignable<core.BatchTriggerOptions, ours.BatchTriggerOptions>;
type _batchBack = Assignable<ours.BatchTriggerOptions, core.BatchTriggerOptions>;
type _replay = Assignable<sdk.ReplayRunOptions, ours.ReplayRunOptions>;
type _replayBack = Assignable<ours.ReplayRunOptions, sdk.ReplayRunOptions>;
type _list = Assignable<core.ListRunsQueryParams, ours.ListRunsQueryParams>;
type _listBack = Assignable<ours.ListRunsQueryParams, core.ListRunsQueryParams>;
type _project = Assignable<core.ListProjectRunsQueryParams, ours.ListProjectRunsQueryParams>;
type _projectBack = Assignable<ours.ListProjectRunsQueryParams, core.ListProjectRunsQueryParams>;
type _tokens = Assignable<core.ListWaitpointTokensQueryParams, ours.ListWaitpointTokensQueryParams>;
type _tokensBack = Assignable<ours.ListWaitpointTokensQueryParams, core.ListWaitpointTokensQueryParams>;
type _create = Assignable<core.CreateWaitpointTokenRequestBody, ours.CreateWaitpointTokenRequestBody>;
type _createBack = Assignable<ours.CreateWaitpointTokenRequestBody, core.CreateWaitpointTokenRequestBody>;
type _request = Assignable<core.ApiRequestOptions, ours.CallOptions>;
type _requestBack = Assignable<ours.CallOptions, core.ApiRequestOptions>;
type _client = Assignable<sdk.TriggerClientConfig, ours.TriggerClientConfig>;
type _reset = Assignable<core.ResetIdempotencyKeyOptions, ours.ResetIdempotencyKeyOptions>;
type _resetBack = Assignable<ours.ResetIdempotencyKeyOptions, core.ResetIdempotencyKeyOptions>;

// Results: the same values, member by member, in both directions.
type Theirs = sdk.RetrieveRunResult<typeof resize>;
type Ours = ours.RetrieveRunResult<typeof resize>;
type _run = Assignable<Ours, Theirs>;
type _runBack = Assignable<Theirs, Ours>;
type _runKeys = Expect<Equal<keyof Ours, keyof Theirs>>;
type _listed = Assignable<ours.ListedRun, core.ListRunResponseItem>;
type _listedBack = Assignable<core.ListRunResponseItem, ours.ListedRun>;
type _listedKeys = Expect<Equal<keyof ours.ListedRun, keyof core.ListRunResponseItem>>;
type _retrievedBatch = Assignable<ours.RetrievedBatch, core.RetrieveBatchV2Response>;
type _retrievedBatchBack = Assignable<core.RetrieveBatchV2Response, ours.RetrievedBatch>;
type _token = Expect<Equal<Result<typeof ours.wait.createToken>, Result<typeof sdk.wait.createToken>>>;
type _waiting = Assignable<ours.WaitpointRetrievedToken<1>, sdk.WaitpointRetrievedToken<1>>;
type _waitingBack = Assignable<sdk.WaitpointRetrievedToken<1>, ours.WaitpointRetrievedToken<1>>;
type _tokenItem = Assignable<ours.WaitpointListTokenItem, core.WaitpointListTokenItem>;
type _tokenItemBack = Assignable<core.WaitpointListTokenItem, ours.WaitpointListTokenItem>;
type _key = Expect<Equal<ours.IdempotencyKey, sdk.IdempotencyKey>>;
type _handle = Expect<Equal<ours.RunHandle<"a", 1, 2>, sdk.RunHandle<"a", 1, 2>>>;
type _batchHandle = Assignable<ours.BatchRunHandle<"a", 1, 2>, sdk.BatchRunHandle<"a", 1, 2>>;
type _batchHandleBack = Assignable<sdk.BatchRunHandle<"a", 1, 2>, ours.BatchRunHandle<"a", 1, 2>>;
type _batched = Assignable<ours.BatchedRunHandle<"a", 1, 2>, core.BatchedRunHandle<"a", 1, 2>>;
type _batchedBack = Assignable<core.BatchedRunHandle<"a", 1, 2>, ours.BatchedRunHandle<"a", 1, 2>>;
type _byTask = Assignable<
  Result<typeof ours.batch.triggerByTask<[typeof resize, typeof nothing]>>,
  Result<typeof sdk.batch.triggerByTask<[typeof resize, typeof nothing]>>
>;
type _status = Expect<Equal<ours.WaitpointTokenStatus, core.WaitpointTokenStatus>>;
type _machine = Expect<Equal<ours.MachinePresetName, core.MachinePresetName>>;
type _metadata = Assignable<Option<typeof sdk.tasks.trigger, 2>["metadata"], ours.TriggerOptions["metadata"]>;

/** What comes from one package goes into the other. */
export async function mixed(signal: AbortSignal) {
  const mine = await ours.tasks.trigger<typeof resize>("resize", { url: "u" }, {}, { signal, timeoutInMs: 1_000 });
  const theirs = await sdk.tasks.trigger<typeof resize>("resize", { url: "u" });
  (await sdk.runs.retrieve(mine)).output?.bytes.toFixed();
  (await ours.runs.retrieve(theirs)).output?.bytes.toFixed();
  (await ours.runs.retrieve(mine)).payload?.url.trim();
  (await ours.runs.poll(mine)).output?.at.toISOString();
  for await (const run of sdk.runs.subscribeToRun(mine)) run.payload.url.trim();
  for await (const run of ours.runs.subscribeToRun(mine)) run.payload.url.trim();
  for await (const run of ours.runs.subscribeToRun(theirs)) run.payload.url.trim();
  const batch = await ours.tasks.batchTrigger<typeof resize>("resize", [{ payload: { url: "u" } }]);
  for await (const run of ours.runs.subscribeToBatch<typeof resize>(batch, { signal })) run.payload.url.trim();
  const key = await ours.idempotencyKeys.create("a", { scope: "global" });
  await sdk.tasks.trigger<typeof nothing>("nothing", undefined, { idempotencyKey: key });
  await ours.tasks.trigger<typeof nothing>("nothing", undefined, {
    idempotencyKey: await sdk.idempotencyKeys.create("a"),
  });
  await ours.idempotencyKeys.reset("nothing", key, undefined, { signal });
}

/** Wherever an id can stand, a handle can. */
export async function handles(run: { id: string }, batch: { batchId: string }) {
  await ours.runs.cancel(run);
  await ours.runs.replay(run, { delay: "1m" });
  await ours.runs.reschedule(run, { delay: new Date() }, { timeoutInMs: 1_000 });
  await ours.runs.retrieve(run);
  await ours.batch.retrieve(batch);
  await ours.runs.fetchStream<string>(run, "ai");
  await ours.wait.completeToken(run, null);
}

/** Pages, iterated in each way. */
export async function pages() {
  const promise = ours.runs.list({ limit: 10 });
  for await (const run of promise) type_<ours.ListedRun>(run);
  const page = await promise;
  for await (const run of page) type_<ours.ListedRun>(run);
  for await (const one of page.iterPages()) type_<ours.ListedRun[]>(one.data);
  if (page.hasNextPage()) type_<ours.CursorPage<ours.ListedRun>>(await page.getNextPage());
  const { data, response } = await ours.wait.listTokens({ status: ["WAITING"] }).withResponse();
  type_<ours.WaitpointListTokenItem[]>(data.data);
  type_<Response>(response);
}
declare function type_<T>(value: T): void;

/** Several keys, and what their namespaces hold. */
export async function clients(client: ours.TriggerClient) {
  type Tasks = Expect<Equal<typeof client.tasks, typeof ours.tasks>>;
  type Runs = Expect<Equal<typeof client.runs, typeof ours.runs>>;
  (await client.tasks.trigger<typeof validated>("validated", { name: "Ada", age: 36 })).id.trim();
  new ours.TriggerClient({ accessToken: () => "token", inheritContext: true });
  // @ts-expect-error: configuring is not one client's to do
  client.auth.configure({});
  // @ts-expect-error: managing a project stays with the official SDK
  client.schedules;
  // @ts-expect-error: unknown option
  new ours.TriggerClient({ apiKey: "k" });
  type _both = [Tasks, Runs];
}

export async function refused(run: { id: string }) {
  // @ts-expect-error: no such task
  await ours.tasks.trigger<typeof resize>("rezise", { url: "u" });
  // @ts-expect-error: the payload lacks its url
  await ours.tasks.trigger<typeof resize>("resize", { width: 1 });
  // @ts-expect-error: a payload is needed
  await ours.tasks.trigger<typeof resize>("resize");
  // @ts-expect-error: no such machine
  await ours.tasks.trigger<typeof resize>("resize", { url: "u" }, { machine: "huge" });
  // @ts-expect-error: no such option
  await ours.tasks.trigger<typeof resize>("resize", { url: "u" }, { retries: 3 });
  // @ts-expect-error: the signal belongs to the request options
  await ours.tasks.trigger<typeof resize>("resize", { url: "u" }, { signal: AbortSignal.abort() });
  // @ts-expect-error: a list of items
  await ours.tasks.batchTrigger<typeof resize>("resize", { payload: { url: "u" } });
  // @ts-expect-error: an item's payload is wrapped
  await ours.tasks.batchTrigger<typeof resize>("resize", [{ url: "u" }]);
  // @ts-expect-error: an item names its task
  await ours.batch.trigger<typeof resize>([{ payload: { url: "u" } }]);
  // @ts-expect-error: one of the two tasks
  await ours.batch.trigger<typeof resize | typeof nothing>([{ id: "other", payload: undefined }]);
  // @ts-expect-error: a run's handle is no batch
  await ours.batch.retrieve(run);
  // @ts-expect-error: a number is no run
  await ours.runs.cancel(42);
  // @ts-expect-error: when is needed
  await ours.runs.reschedule(run, {});
  // @ts-expect-error: no such status
  await ours.runs.list({ status: "DONE" });
  // @ts-expect-error: the one without a project knows no environments
  await ours.runs.list({ env: "prod" });
  // @ts-expect-error: no such scope
  await ours.idempotencyKeys.create("a", { scope: "day" });
  // @ts-expect-error: data is needed
  await ours.wait.completeToken("waitpoint_1");
  // @ts-expect-error: waiting is for tasks
  await ours.wait.for({ seconds: 1 });
  // @ts-expect-error: so is triggering and waiting
  await ours.tasks.triggerAndWait("resize", {});
  // @ts-expect-error: a time is a number
  await ours.runs.retrieve(run, { timeoutInMs: "1s" });
}
