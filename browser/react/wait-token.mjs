"use client";
// Completing a wait token.

import { useAccess } from "./access.mjs";
import { useCall } from "./call.mjs";
import { request } from "./request.mjs";

/** @param {string | undefined} waitpointId @param {import("../../types/react.js").UseApiClientOptions} [options] */
export function useWaitToken(waitpointId, options) {
  const access = useAccess(options);
  const [complete, { isLoading, data, error }] = useCall(access, waitpointId, async (/** @type {unknown} */ output) => {
    if (!waitpointId) throw new Error("Could not complete the wait token: there is no id");
    const path = `/api/v1/waitpoints/tokens/${encodeURIComponent(waitpointId)}/complete`;
    return (await request(access, path, "success", { data: output })).data;
  });
  return { complete, isLoading, isCompleted: Boolean(data?.success), isReady: Boolean(waitpointId), error };
}
