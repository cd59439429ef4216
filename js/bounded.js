"use strict";

const { abortError, fromNative } = require("./errors.js");
const native = require("./native.js");

/**
 * Makes a native call within the caller's bounds and gives its outcome.
 *
 * @param {{ signal?: AbortSignal, timeoutInMs?: number } | undefined} bounds
 * @param {(cancel: object | null, timeoutMs: number | null) => Promise<string>} call resolves with
 *   `{"ok": …}` or `{"error": …}` as text
 * @returns {Promise<any>} what stands under `ok`
 * @throws the signal's reason when it aborts; otherwise the call's own typed error
 */
async function bounded(bounds, call) {
  const { signal, timeoutInMs } = bounds ?? {};
  signal?.throwIfAborted();
  const cancel = signal ? new native.Cancel() : null;
  const abort = () => cancel.cancel();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const outcome = JSON.parse(await call(cancel, timeoutInMs ?? null));
    if (outcome.error) throw outcome.error.kind === "aborted" ? abortError(signal) : fromNative(outcome.error);
    return outcome.ok;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

module.exports = { bounded };
