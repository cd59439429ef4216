// Answers to every call, made up: of a server that gives claims, and signs tokens only for public tokens.

const AT = "2026-05-05T00:00:00.000Z";
const CLAIMS = '{"sub":"env_1","pub":true}';

const flags = {
  isQueued: false,
  isExecuting: false,
  isWaiting: false,
  isCompleted: true,
  isSuccess: true,
  isFailed: false,
  isCancelled: false,
  isTest: false,
};
const common = {
  status: "COMPLETED",
  taskIdentifier: "hello",
  ...flags,
  createdAt: AT,
  updatedAt: AT,
  tags: ["a"],
  costInCents: 0.5,
  baseCostInCents: 0.25,
  durationMs: 12,
};
const related = { ...common, depth: 1, triggerFunction: "trigger", batchId: "batch_1", unknown: "dropped" };

/** A run with every field the API knows, and one it does not. */
export const fullRun = {
  ...related,
  id: "run_full",
  idempotencyKey: "key",
  version: "20260505.1",
  startedAt: AT,
  finishedAt: AT,
  delayedUntil: AT,
  ttl: "10m",
  expiredAt: AT,
  metadata: { deep: [1, { x: null }] },
  taskKind: "STANDARD",
  region: "eu",
  payload: { a: [1] },
  output: "text",
  error: { message: "no", name: "E", stackTrace: "at", causes: [{ message: "why" }], more: 1 },
  schedule: { id: "s", externalId: "x", generator: { type: "CRON", expression: "* * * * *", description: "always" } },
  relatedRuns: { root: { ...related, id: "run_root" }, children: [{ ...related, id: "run_child", startedAt: AT }] },
  attemptCount: 2,
  attempts: [],
};
const bareRun = { ...related, id: "run_bare", relatedRuns: {}, payload: null };

const env = { id: "env_1", name: "dev", slug: "dropped" };
const token = { url: "http://u", status: "COMPLETED", tags: ["t"], createdAt: AT, completedAt: AT, timeoutAt: AT };
const tokens = {
  json: { ...token, output: '{"a":1}', outputType: "application/json" },
  super: {
    ...token,
    output: '{"json":{"at":"2026-05-05T00:00:00.000Z"},"meta":{"values":{"at":["Date"]}}}',
    outputType: "application/super+json",
  },
  text: { ...token, output: "words", outputType: "text/plain" },
  typeless: { ...token, output: "7" },
  store: { ...token, output: "some/path é.json", outputType: "application/store" },
  late: { ...token, output: '{"message":"too late"}', outputIsError: true, idempotencyKey: "k" },
  waiting: { ...token, status: "WAITING", completedAt: undefined, idempotencyKeyExpiresAt: AT },
};

/** What the server does; anew for each package, since it counts. */
export function madeUp() {
  let made = 0;
  return ({ method, target, path, body, headers: asked }, _index, url) => {
    const json = body.startsWith("{") ? tryParse(body) : undefined;
    // A caller with only a public token cannot sign another one: the server does, as recorded.
    const isPublic = asked.authorization?.split(".").length === 3;
    const headers = { "x-trigger-jwt-claims": CLAIMS, ...(isPublic && { "x-trigger-jwt": "signed.by.server" }) };
    const segments = path.split("/").slice(1).map(decodeURIComponent);
    const query = new URLSearchParams(target.split("?")[1] ?? "");
    if (path === "/api/v1/auth/jwt/claims") return { body: CLAIMS };
    if (path.endsWith("/trigger")) {
      made += 1;
      return { headers, body: { id: `run_${made}`, ...(made % 2 ? { isCached: false } : {}), other: 1 } };
    }
    if (path === "/api/v3/batches") {
      const isCached = json.idempotencyKeyOptions?.key === "cached";
      return { status: 202, headers, body: { id: "batch_1", runCount: json.runCount, isCached } };
    }
    if (path.endsWith("/items")) {
      const itemsAccepted = body.trimEnd().split("\n").length;
      return { body: { id: "batch_1", itemsAccepted, itemsDeduplicated: 0, sealed: true } };
    }
    if (path.startsWith("/api/v2/packets/")) {
      return {
        body: { presignedUrl: `${url}/packets/${segments[3]}?signature=s`, storagePath: `stored/${segments[3]}` },
      };
    }
    if (path.startsWith("/api/v1/packets/")) return { body: { presignedUrl: `${url}/packets/of-a-token` } };
    if (path === "/packets/of-a-token")
      return { body: '{"stored":true}', headers: { "content-type": "application/json" } };
    if (path === "/packets/super") {
      return {
        body: '{"json":"1","meta":{"values":["bigint"]}}',
        headers: { "content-type": "application/super+json" },
      };
    }
    if (path === "/packets/gone")
      return { status: 403, body: "<Error/>", headers: { "content-type": "application/xml" } };
    if (path.startsWith("/packets/")) return { body: "" };
    if (/\/(runs)$/.test(path)) return runsPage(query);
    if (segments[2] === "runs") return runAnswer(method, segments, url);
    if (segments[2] === "batches") {
      const processing = { errors: [{ index: 0, taskIdentifier: "t", error: "e", x: 1 }] };
      return {
        body: {
          id: segments[3],
          status: "PROCESSING",
          createdAt: AT,
          updatedAt: AT,
          runCount: 1,
          runs: [],
          processing,
        },
      };
    }
    if (segments[2] === "waitpoints") return tokenAnswer(method, segments, query, headers);
    if (segments[2] === "idempotencyKeys") return { body: { id: "run_1" } };
    return { status: 404, headers: { "x-should-retry": "false" }, body: { error: "no such route" } };
  };
}

function runAnswer(method, [, , , id, action], url) {
  if (method === "POST" && action !== "reschedule") return { body: { id: `${id}_${action}` } };
  const extra = {
    run_stored: { payloadPresignedUrl: `${url}/packets/super`, outputPresignedUrl: `${url}/packets/of-a-token` },
    run_gone: { outputPresignedUrl: `${url}/packets/gone` },
  }[id];
  const status = Number(id.match(/^run_status_(\d+)/)?.[1]);
  if (status) return failure(status, id);
  return { body: { ...(id === "run_full" ? fullRun : bareRun), id, ...extra } };
}

/** Refusals in the forms servers and proxies have. */
function failure(status, id) {
  const bodies = {
    text: { error: "in words" },
    object: { error: { message: "in an object", code: "c", param: "p", type: "t" } },
    fields: { error: "beside", code: "c2", param: "p2", type: "t2", reason: "r" },
    html: "<html>no</html>",
    empty: "",
    array: "[]",
  };
  const body = bodies[id.split("_").at(-1)];
  return { status, body, headers: { "x-request-id": "r" } };
}

function tokenAnswer(method, [, , , , id, action], query, headers) {
  if (method === "POST" && action === "complete") return { body: { success: true } };
  if (method === "POST") return { headers, body: { id: "waitpoint_1", isCached: false, url: "http://u", x: 1 } };
  if (id !== undefined) return { body: { id, ...tokens[id] } };
  const last = query.get("page[after]") === "c1";
  const data = [{ id: last ? "w2" : "w1", ...token, completedAfter: AT }];
  return { body: { data, pagination: last ? { previous: "c0" } : { next: "c1" } } };
}

function runsPage(query) {
  const after = query.get("page[after]");
  const at = { c1: 1, c2: 2 }[after] ?? 0;
  const data = [{ ...common, id: `run_${at}`, env, startedAt: AT }];
  const pagination = { ...(at < 2 && { next: `c${at + 1}` }), ...(at > 0 && { previous: `b${at}` }) };
  return { body: { data, pagination } };
}

function tryParse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
