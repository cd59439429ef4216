// The options of tokens and of the client are the official ones.

import type * as core from "@trigger.dev/core/v3";
import type * as sdk from "@trigger.dev/sdk";
import * as ours from "trigger-native";
import type { Assignable, Equal, Expect } from "./support.ts";

type Options<F extends (...args: any[]) => unknown, N extends number> = NonNullable<Parameters<F>[N]>;

type TheirToken = Options<typeof sdk.auth.createPublicToken, 0>;
type TheirTrigger = Options<typeof sdk.auth.createTriggerPublicToken, 1>;
type TheirBatch = Options<typeof sdk.auth.createBatchTriggerPublicToken, 1>;

type _token = Assignable<TheirToken, ours.CreatePublicTokenOptions>;
// But for handles in the place of ids, which the official one does not take.
type _tokenBack = Assignable<Omit<ours.CreatePublicTokenOptions, "scopes">, TheirToken>;
type _scopeNames = Expect<
  Equal<keyof ours.PublicTokenPermissionProperties, keyof NonNullable<NonNullable<TheirToken["scopes"]>["read"]>>
>;
type _actions = Expect<Equal<keyof ours.PublicTokenPermissions, keyof NonNullable<TheirToken["scopes"]>>>;
type _trigger = Assignable<TheirTrigger, ours.CreateTriggerTokenOptions>;
type _triggerBack = Assignable<ours.CreateTriggerTokenOptions, TheirTrigger>;
type _batch = Assignable<TheirBatch, ours.CreateTriggerTokenOptions>;
type _skip = Expect<Equal<ours.RealtimeRunSkipColumns, core.RealtimeRunSkipColumns>>;
type _config = Assignable<
  Omit<ours.ApiClientConfiguration, "accessToken"> & { accessToken?: string },
  core.ApiClientConfiguration
>;
type _configBack = Assignable<core.ApiClientConfiguration, ours.ApiClientConfiguration>;
type _results = Expect<
  Equal<ReturnType<typeof ours.auth.createPublicToken>, ReturnType<typeof sdk.auth.createPublicToken>>
>;

export async function uses() {
  ours.configure({
    accessToken: "k",
    baseURL: "https://example.com",
    previewBranch: "b",
    requestOptions: { retry: {} },
  });
  ours.auth.configure({});
  await ours.auth.createPublicToken();
  await ours.auth.createPublicToken({
    scopes: { read: { runs: true, tags: ["a"], batch: "b" }, write: { waitpoints: "w" }, trigger: { tasks: "t" } },
    expirationTime: new Date(),
    realtime: { skipColumns: ["payload"] },
  });
  await ours.auth.createTriggerPublicToken(["a", "b"], { multipleUse: true, expirationTime: "1h" });
  await ours.auth.createBatchTriggerPublicToken("a", { expirationTime: 1_900_000_000 });

  const run = await ours.tasks.trigger("t", {});
  const batch = await ours.batch.trigger([{ id: "t", payload: {} }]);
  await ours.auth.createPublicToken({
    scopes: { read: { runs: [run, "run_1"], batch }, write: { inputStreams: run, waitpoints: { id: "w" } } },
  });

  await ours.auth.createPublicToken({}, { signal: AbortSignal.timeout(1000), timeoutInMs: 1000 });

  ours.configure({ accessToken: async () => "token", refreshAccessToken: async () => "token" });
  // @ts-expect-error: what bounds one call is not a setting of all
  ours.configure({ requestOptions: { timeoutInMs: 1000 } });

  // @ts-expect-error: unknown scope
  await ours.auth.createPublicToken({ scopes: { read: { run: "run_1" } } });
  // @ts-expect-error: a tag has no handle
  await ours.auth.createPublicToken({ scopes: { read: { tags: { id: "a" } } } });
  // @ts-expect-error: an action needs its resources
  await ours.auth.createPublicToken({ scopes: { read: true } });
  // @ts-expect-error: only runs can be granted as a whole
  await ours.auth.createPublicToken({ scopes: { read: { tags: true } } });
  // @ts-expect-error: the id of a run is always sent
  await ours.auth.createPublicToken({ realtime: { skipColumns: ["id"] } });
  // @ts-expect-error: a task is needed
  await ours.auth.createTriggerPublicToken();
  // @ts-expect-error: unknown option
  ours.configure({ apiKey: "k" });
}
