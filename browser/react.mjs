"use client";
// `trigger-native/react`: the realtime hooks of `@trigger.dev/react-hooks` over one connection (docs/react.md).

import * as page from "./react/page.mjs";
import * as server from "./react/server.mjs";

const hooks = typeof window === "undefined" ? server : page;

export { TriggerAuthContext } from "./react/context.mjs";
export const useInputStreamSend = hooks.useInputStreamSend;
export const useRealtimeBatch = hooks.useRealtimeBatch;
export const useRealtimeRun = hooks.useRealtimeRun;
export const useRealtimeRunWithStreams = hooks.useRealtimeRunWithStreams;
export const useRealtimeRunsWithTag = hooks.useRealtimeRunsWithTag;
export const useRealtimeStream = hooks.useRealtimeStream;
export const useRealtimeTaskTrigger = hooks.useRealtimeTaskTrigger;
export const useRealtimeTaskTriggerWithStreams = hooks.useRealtimeTaskTriggerWithStreams;
export const useRun = hooks.useRun;
export const useTaskTrigger = hooks.useTaskTrigger;
export const useTriggerAuthContext = hooks.useTriggerAuthContext;
export const useTriggerAuthContextOptional = hooks.useTriggerAuthContextOptional;
export const useWaitToken = hooks.useWaitToken;
