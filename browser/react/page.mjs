"use client";
// The hooks on a page.

export { useTriggerAuthContext, useTriggerAuthContextOptional } from "./context.mjs";
export { useInputStreamSend } from "./input-stream.mjs";
export { useRealtimeBatch, useRealtimeRunsWithTag } from "./lists.mjs";
export { useRun } from "./retrieve.mjs";
export { useRealtimeRun, useRealtimeRunWithStreams } from "./run.mjs";
export { useRealtimeStream } from "./stream.mjs";
export { useRealtimeTaskTrigger, useRealtimeTaskTriggerWithStreams, useTaskTrigger } from "./task-trigger.mjs";
export { useWaitToken } from "./wait-token.mjs";
