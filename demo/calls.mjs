// The calls of the demo that are not this package's: plain `fetch`, as any program would make them.

/**
 * Triggers a task as a browser does: with a public token, over plain `fetch`.
 *
 * @param {{ url: string }} server
 * @param {string} token A trigger token.
 * @param {string} task
 * @param {unknown} payload
 * @returns {Promise<string>} The run's id.
 */
export async function trigger(server, token, task, payload) {
  const body = { payload: JSON.stringify(payload), options: { payloadType: "application/json" } };
  const answer = await call("POST", `${server.url}/api/v1/tasks/${encodeURIComponent(task)}/trigger`, token, body);
  if (typeof answer.id !== "string") throw new Error("the server triggered the task and named no run");
  return answer.id;
}

/**
 * Whether the bearer of `token` may read the run: one snapshot of its feed.
 *
 * @param {{ url: string }} server
 * @param {string} token
 * @param {string} run
 * @param {number} [timeoutMs] how long it may take
 * @returns {Promise<number>} The HTTP status.
 */
export async function snapshotStatus(server, token, run, timeoutMs = 30_000) {
  const response = await fetch(`${server.url}/realtime/v1/runs/${encodeURIComponent(run)}?offset=-1&log=full`, {
    headers: { authorization: `Bearer ${token}`, "x-trigger-electric-version": "1.0.0-beta.1" },
    signal: AbortSignal.timeout(timeoutMs),
  });
  await response.body?.cancel();
  return response.status;
}

/**
 * One call and its JSON answer.
 *
 * @param {string} method
 * @param {string} url
 * @param {string} bearer
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function call(method, url, bearer, body) {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json", "x-trigger-source": "sdk" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`${method} ${new URL(url).pathname} was answered ${response.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text);
}
