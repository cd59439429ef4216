// Options whose value may be `undefined`, in a project with `exactOptionalPropertyTypes`, as Astro's strictest configuration has
// it: what an app has only sometimes need not be left out by hand.

import type {
  AnyTask,
  ApiClientConfiguration,
  ApiRequestOptions,
  BatchTriggerOptions,
  CreatePublicTokenOptions,
  CreateTriggerTokenOptions,
  CreateWaitpointTokenRequestBody,
  CursorPageParams,
  ListRunsQueryParams,
  PublicTokenPermissionProperties,
  PublicTokenPermissions,
  ReadStreamOptions,
  RealtimeHandlerOptions,
  RelayGrant,
  RelayLimits,
  RelayListenOptions,
  RelayUpstream,
  ReplayRunOptions,
  RetryOptions,
  SubscribeToBatchOptions,
  SubscribeToRunOptions,
  SubscribeToRunsFilterOptions,
  SubscribeToRunsOptions,
  ToResponseOptions,
  TriggerOptions,
} from "trigger-native";
import type { ConnectOptions, FollowOptions, FollowRunsOptions } from "trigger-native/client";
import type { AdditionalKey, EmulatorEnvironment, EmulatorOptions, Fault, TaskScript } from "trigger-native/emulator";
import type {
  UseApiClientOptions,
  UseRealtimeRunOptions,
  UseRealtimeRunsWithTagOptions,
  UseRealtimeSingleRunOptions,
  UseRealtimeStreamOptions,
  UseRealtimeTaskTriggerOptions,
  UseRunOptions,
} from "trigger-native/react";

/** The optional properties of a type, each `undefined`. */
type Unset<T> = { [K in keyof T as object extends Pick<T, K> ? K : never]: undefined };

/** The properties that have to be there. */
type Given<T> = { [K in keyof T as object extends Pick<T, K> ? never : K]: T[K] };

declare function unset<T>(): Given<T> & Unset<T>;

unset<AdditionalKey>() satisfies AdditionalKey;
unset<ApiClientConfiguration>() satisfies ApiClientConfiguration;
unset<ApiRequestOptions>() satisfies ApiRequestOptions;
unset<BatchTriggerOptions>() satisfies BatchTriggerOptions;
unset<ConnectOptions>() satisfies ConnectOptions;
unset<CreatePublicTokenOptions>() satisfies CreatePublicTokenOptions;
unset<CreateTriggerTokenOptions>() satisfies CreateTriggerTokenOptions;
unset<CreateWaitpointTokenRequestBody>() satisfies CreateWaitpointTokenRequestBody;
unset<CursorPageParams>() satisfies CursorPageParams;
unset<EmulatorEnvironment>() satisfies EmulatorEnvironment;
unset<EmulatorOptions>() satisfies EmulatorOptions;
unset<Fault>() satisfies Fault;
unset<FollowOptions>() satisfies FollowOptions;
unset<FollowRunsOptions>() satisfies FollowRunsOptions;
unset<ListRunsQueryParams>() satisfies ListRunsQueryParams;
unset<PublicTokenPermissionProperties>() satisfies PublicTokenPermissionProperties;
unset<PublicTokenPermissions>() satisfies PublicTokenPermissions;
unset<ReadStreamOptions>() satisfies ReadStreamOptions;
// `authorize` is a method, so that it may take what a framework calls a request; a method cannot be `undefined`.
unset<Omit<RealtimeHandlerOptions, "authorize">>() satisfies RealtimeHandlerOptions;
unset<RelayGrant>() satisfies RelayGrant;
unset<RelayLimits>() satisfies RelayLimits;
unset<RelayListenOptions>() satisfies RelayListenOptions;
unset<RelayUpstream>() satisfies RelayUpstream;
unset<ReplayRunOptions>() satisfies ReplayRunOptions;
unset<RetryOptions>() satisfies RetryOptions;
unset<SubscribeToBatchOptions>() satisfies SubscribeToBatchOptions;
unset<SubscribeToRunOptions>() satisfies SubscribeToRunOptions;
unset<SubscribeToRunsFilterOptions>() satisfies SubscribeToRunsFilterOptions;
unset<SubscribeToRunsOptions>() satisfies SubscribeToRunsOptions;
unset<TaskScript>() satisfies TaskScript;
unset<ToResponseOptions>() satisfies ToResponseOptions;
unset<TriggerOptions>() satisfies TriggerOptions;
unset<UseApiClientOptions>() satisfies UseApiClientOptions;
unset<UseRealtimeRunOptions>() satisfies UseRealtimeRunOptions;
unset<UseRealtimeRunsWithTagOptions>() satisfies UseRealtimeRunsWithTagOptions;
unset<UseRealtimeSingleRunOptions<AnyTask>>() satisfies UseRealtimeSingleRunOptions<AnyTask>;
unset<UseRealtimeStreamOptions<string>>() satisfies UseRealtimeStreamOptions<string>;
unset<UseRealtimeTaskTriggerOptions>() satisfies UseRealtimeTaskTriggerOptions;
unset<UseRunOptions>() satisfies UseRunOptions;
