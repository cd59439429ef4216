"use client";
// Sending to an input stream of a run.

import { useAccess } from "./access.mjs";
import { useCall } from "./call.mjs";
import { request } from "./request.mjs";

/** @param {string} streamId @param {string | undefined} runId @param {import("../../types/react.js").UseApiClientOptions} [options] */
export function useInputStreamSend(streamId, runId, options) {
  const access = useAccess(options);
  const [send, { isLoading, error }] = useCall(access, [runId, streamId], async (/** @type {unknown} */ data) => {
    if (!runId) throw new Error("Could not send to the input stream: there is no run id");
    const path = `/realtime/v1/streams/${encodeURIComponent(runId)}/input/${encodeURIComponent(streamId)}`;
    await request(access, path, "ok", { data });
  });
  const isReady = Boolean(runId) && !(options?.enabled === false && !access.accessToken);
  return { send, isLoading, isReady, error };
}
