"use client";
// Triggering a task, and following its run.

import { useCallback } from "react";
import { useAccess } from "./access.mjs";
import { useCall } from "./call.mjs";
import { request } from "./request.mjs";
import { useRealtimeRun, useRealtimeRunWithStreams } from "./run.mjs";
import { stringify } from "./super-json.mjs";

/** @typedef {import("./access.mjs").Access} Access */
/** @typedef {import("../../types/react.js").UseRealtimeTaskTriggerOptions} Options */
/** @typedef {import("../../types/trigger.js").TriggerOptions} TriggerOptions */

/** @param {string} id @param {Options} [options] */
export function useTaskTrigger(id, options) {
  const access = useAccess(options);
  const [submit, { isLoading, data, error }] = useCall(
    access,
    id,
    /** @param {unknown} payload @param {TriggerOptions} [given] */ (payload, given) =>
      trigger(access, id, payload, given ?? {}),
  );
  return {
    submit: useCallback(
      (/** @type {unknown} */ payload, /** @type {TriggerOptions} */ given) => submit(payload, given),
      [submit],
    ),
    isLoading,
    handle: data,
    error,
  };
}

/** @param {string} id @param {Options} [options] */
export function useRealtimeTaskTrigger(id, options) {
  const triggered = useTaskTrigger(id, options);
  const followed = useRealtimeRun(triggered.handle?.id, ofRun(triggered, options));
  return { ...triggered, ...followed, error: followed.error ?? triggered.error };
}

/** @param {string} id @param {Options} [options] */
export function useRealtimeTaskTriggerWithStreams(id, options) {
  const triggered = useTaskTrigger(id, options);
  const followed = useRealtimeRunWithStreams(triggered.handle?.id, ofRun(triggered, options));
  return { ...triggered, ...followed, error: followed.error ?? triggered.error };
}

/**
 * The options to follow a triggered run with: its handle's token reads it.
 *
 * @param {{ handle?: { id: string, publicAccessToken?: string } | undefined }} triggered
 * @param {Options} [options]
 */
function ofRun({ handle }, options) {
  const {
    accessToken,
    throttleInMs,
    experimental_throttleInMs: experimental,
    ...rest
  } = { throttleInMs: undefined, ...options };
  const token = handle?.publicAccessToken ?? accessToken;
  const throttle = throttleInMs ?? experimental;
  return {
    ...rest,
    // Before there is a run, nothing that others follow is shown as it.
    id: handle?.id,
    ...(token ? { accessToken: token } : {}),
    ...(throttle === undefined ? {} : { throttleInMs: throttle }),
  };
}

/**
 * @param {Access} access
 * @param {string} id
 * @param {unknown} payload
 * @param {TriggerOptions} given
 * @returns {Promise<{ id: string, isCached?: boolean, publicAccessToken?: string, taskIdentifier: string }>}
 */
async function trigger(access, id, payload, given) {
  const { data, payloadType } = packetOf(payload);
  const concurrency = given.concurrency ? [given.concurrency].flat() : undefined;
  if (concurrency && concurrency.length > 2) throw new Error("A run holds two named concurrency limits at most.");
  // What the caller changes after the call is not sent: all is read now, and the key is added where its digest is made.
  const read = JSON.stringify({
    queue: given.queue ? { name: given.queue } : undefined,
    concurrency,
    concurrencyKey: given.concurrencyKey,
    payloadType,
    delay: given.delay,
    ttl: given.ttl,
    tags: given.tags,
    maxAttempts: given.maxAttempts,
    metadata: given.metadata,
    maxDuration: given.maxDuration,
    lockToVersion: given.version,
    debounce: given.debounce,
  });
  const body = { payload: data, options: JSON.parse(read) };
  body.options.idempotencyKey = await idempotencyKeyOf(given.idempotencyKey);
  const answer = await request(access, `/api/v1/tasks/${encodeURIComponent(id)}/trigger`, "id", body);
  const publicAccessToken = answer.headers.get("x-trigger-jwt") ?? undefined;
  return { ...answer.data, publicAccessToken, taskIdentifier: id };
}

/** A payload as a packet. @param {unknown} payload */
function packetOf(payload) {
  if (payload === undefined) return { data: undefined, payloadType: "application/json" };
  if (typeof payload === "string") return { data: payload, payloadType: "text/plain" };
  return { data: stringify(payload), payloadType: "application/super+json" };
}

/** Keys of other lengths than a digest's are sent as their digest. @param {string | string[] | undefined} given */
async function idempotencyKeyOf(given) {
  if (!given || given.length === 0) return undefined;
  if (typeof given === "string" && given.length === 64) return given;
  const bytes = new TextEncoder().encode([given].flat().join("-"));
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
