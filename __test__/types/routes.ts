// What a project's server routes do with Trigger.dev: route handlers and server actions of Next.js, loaders and actions
// of Remix. Written against the official SDK; `scripts/types.mjs` compiles it a second time with the import replaced.

import type { ApiClientConfiguration, InferStreamType, RealtimeRun, RetrieveRunResult } from "@trigger.dev/sdk";
import {
  ApiError,
  AuthenticationError,
  auth,
  BatchTriggerError,
  batch,
  configure,
  idempotencyKeys,
  NotFoundError,
  RateLimitError,
  runs,
  streams,
  TriggerClient,
  tasks,
  wait,
} from "@trigger.dev/sdk";
import type { Equal, Expect } from "./support.ts";
import type { nothing, resize, validated } from "./tasks.ts";

/** As `next` and `@remix-run/node` declare them. */
type RouteContext<P> = { params: Promise<P> };
type LoaderFunctionArgs = { request: Request; params: Record<string, string | undefined>; context: { tenant: string } };

/** Of the project's own. */
declare function requireUser(request: Request): Promise<{ id: string; plan: "free" | "pro" }>;
declare function allTenants(): AsyncGenerator<{ id: string; key: string }>;
declare function saveApproval(id: string, token: string): Promise<void>;

configure({
  secretKey: process.env.MY_TRIGGER_KEY,
  baseURL: process.env.MY_TRIGGER_URL,
  previewBranch: process.env.BRANCH,
  requestOptions: { retry: { maxAttempts: 3, minTimeoutInMs: 200, maxTimeoutInMs: 2_000, factor: 2, randomize: true } },
});

const tenantConfig: ApiClientConfiguration = {
  accessToken: "tr_prod_other",
  requestOptions: { additionalHeaders: {} },
};
const eu = new TriggerClient({ accessToken: process.env.EU_KEY, baseURL: "https://eu.example.com" });

const aiStream = streams.define<{ delta: string }>({ id: "ai" });
const approval = streams.input<{ approved: boolean; by: string }>({ id: "approval" });
type AiPart = InferStreamType<typeof aiStream>;
type _part = Expect<Equal<AiPart, { delta: string }>>;

// --- app/api/resize/route.ts: triggers, and hands the browser what it needs to follow -------------------------------

export async function POST(request: Request): Promise<Response> {
  const user = await requireUser(request);
  const { url, width } = (await request.json()) as { url: string; width?: number };
  try {
    const handle = await tasks.trigger<typeof resize>(
      "resize",
      { url, width },
      {
        idempotencyKey: await idempotencyKeys.create(["resize", user.id, url]),
        idempotencyKeyTTL: "10m",
        tags: [`user:${user.id}`],
        metadata: { plan: user.plan, requestedAt: new Date() },
        queue: "images",
        concurrencyKey: user.id,
        priority: user.plan === "pro" ? 10 : 0,
        maxAttempts: 2,
        maxDuration: 300,
        machine: "small-2x",
        ttl: "1h",
        delay: new Date(Date.now() + 1_000),
      },
      { publicAccessToken: { expirationTime: "24h" }, retry: { maxAttempts: 1 } },
    );
    type _task = Expect<Equal<typeof handle.taskIdentifier, "resize">>;
    return Response.json({ id: handle.id, token: handle.publicAccessToken }, { status: 202 });
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): Response {
  if (error instanceof RateLimitError) {
    const seconds = Math.ceil((error.millisecondsUntilReset ?? 1_000) / 1_000);
    return new Response("Too many", { status: 429, headers: { "retry-after": String(seconds) } });
  }
  if (error instanceof BatchTriggerError) {
    return Response.json({ phase: error.phase, batch: error.batchId, items: error.itemCount }, { status: 502 });
  }
  if (error instanceof NotFoundError) return new Response("No such run", { status: error.status });
  if (error instanceof AuthenticationError) throw new Error("the key is wrong", { cause: error });
  if (error instanceof ApiError) {
    console.error(error.name, error.status, error.code, error.param, error.type, error.headers?.["x-request-id"]);
    return new Response(error.message, { status: error.status ?? 502 });
  }
  throw error;
}

// --- app/api/runs/[id]/route.ts: one run, now --------------------------------------------------------------------------

export async function GET(_request: Request, { params }: RouteContext<{ id: string }>): Promise<Response> {
  const { id } = await params;
  const run = await runs.retrieve<typeof resize>(id);
  type _payload = Expect<Equal<typeof run.payload, { url: string; width?: number } | undefined>>;
  type _output = Expect<Equal<typeof run.output, { bytes: number; at: Date } | undefined>>;
  if (run.isSuccess) return Response.json({ bytes: run.output?.bytes, took: run.durationMs, cost: run.costInCents });
  if (run.isFailed) return Response.json({ message: run.error?.message, attempts: run.attemptCount }, { status: 500 });
  return Response.json({ status: run.status, parent: run.relatedRuns.parent?.id, since: run.startedAt?.toISOString() });
}

export async function DELETE(_request: Request, { params }: RouteContext<{ id: string }>): Promise<Response> {
  const { data, response } = await runs.cancel((await params).id).withResponse();
  return Response.json({ cancelled: data.id, request: response.headers.get("x-request-id") });
}

// --- app/api/runs/[id]/stream/route.ts: a run's stream, relayed as text ------------------------------------------------

export async function streamRoute(request: Request, { params }: RouteContext<{ id: string }>): Promise<Response> {
  const { id } = await params;
  const parts = await aiStream.read(id, { signal: request.signal, timeoutInSeconds: 120, startIndex: 0 });
  const text = parts
    .pipeThrough(new TransformStream<AiPart, string>({ transform: (part, to) => to.enqueue(part.delta) }))
    .pipeThrough(new TextEncoderStream());
  return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } });
}

export async function transcript(runId: string, signal: AbortSignal): Promise<string> {
  let text = "";
  for await (const chunk of await streams.read<string>(runId, "transcript", { signal, from: "beginning" }))
    text += chunk;
  for await (const chunk of await streams.read<string>(runId, { timeoutInSeconds: 5 })) text += chunk;
  const reader = (await runs.fetchStream<string>(runId, "more")).getReader();
  const { done, value } = await reader.read();
  return done ? text : text + value;
}

// --- app/actions.ts: server actions ------------------------------------------------------------------------------------

export async function publicTokenFor(userId: string): Promise<string> {
  return auth.createPublicToken({
    scopes: { read: { tags: [`user:${userId}`] }, write: { inputStreams: "run_1", waitpoints: ["waitpoint_1"] } },
    expirationTime: "1h",
    realtime: { skipColumns: ["payload", "output"] },
  });
}

export async function triggerTokenFor(...ids: string[]): Promise<[string, string]> {
  return Promise.all([
    auth.createTriggerPublicToken(ids, { multipleUse: true, expirationTime: new Date(Date.now() + 60_000) }),
    auth.createBatchTriggerPublicToken("resize"),
  ]);
}

export async function approve(runId: string, by: string): Promise<void> {
  await approval.send(runId, { approved: true, by }, { requestOptions: { retry: { maxAttempts: 2 } } });
}

export async function askForApproval(documentId: string): Promise<{ id: string; token: string }> {
  const token = await wait.createToken({
    timeout: "24h",
    idempotencyKey: `approve-${documentId}`,
    tags: [`document:${documentId}`],
  });
  if (!token.isCached) await saveApproval(token.id, token.url);
  return { id: token.id, token: token.publicAccessToken };
}

export async function decide(tokenId: string, ok: boolean): Promise<boolean> {
  const { success } = await wait.completeToken<{ ok: boolean }>(tokenId, { ok });
  const token = await wait.retrieveToken<{ ok: boolean }>({ id: tokenId });
  return success && token.status === "COMPLETED" && token.output?.ok === ok && token.error === undefined;
}

export async function openApprovals(): Promise<string[]> {
  const open: string[] = [];
  for await (const token of wait.listTokens({ status: "WAITING", period: "7d", tags: ["document"], limit: 50 })) {
    if (token.timeoutAt && token.timeoutAt > new Date()) open.push(token.id);
  }
  return open;
}

// --- Batches -----------------------------------------------------------------------------------------------------------

export async function resizeAll(urls: string[]): Promise<string> {
  const same = await tasks.batchTrigger<typeof resize>(
    "resize",
    urls.map((url, index) => ({ payload: { url }, options: { idempotencyKey: `${index}`, tags: "all" } })),
    { triggerSequentially: true },
  );
  console.log(same.batchId, same.runCount, same.publicAccessToken);

  const mixed = await batch.trigger<typeof resize | typeof validated>([
    { id: "resize", payload: { url: "https://example.com/a.png" } },
    { id: "validated", payload: { name: "Ada", age: 36 }, options: { delay: "5m" } },
  ]);

  async function* tenants() {
    for await (const { id } of allTenants()) yield { id: "validated" as const, payload: { name: id, age: 1 } };
  }
  const streamed = await batch.trigger<typeof validated>(tenants(), { idempotencyKey: ["nightly", "1"] });

  const { status, runs: ids, processing } = await batch.retrieve(mixed.batchId);
  if (status === "PARTIAL_FAILED") console.warn(processing.errors.map(({ index, error }) => `${index}: ${error}`));
  return `${streamed.batchId} ${ids.length}`;
}

export async function byTask(a: typeof resize, b: typeof nothing): Promise<string> {
  const handle = await batch.triggerByTask([
    { task: a, payload: { url: "https://example.com/a.png" } },
    { task: b, payload: undefined },
  ]);
  const { runs: ids } = await batch.retrieve(handle.batchId);
  const first = await runs.retrieve(await a.trigger({ url: "https://example.com/b.png" }));
  type _output = Expect<Equal<typeof first.output, { bytes: number; at: Date } | undefined>>;
  return `${first.id} ${ids.join()}`;
}

// --- app/routes/jobs.$id.tsx: a Remix loader that waits, and an action ----------------------------------------------------

export async function loader({ request, params }: LoaderFunctionArgs) {
  const user = await requireUser(request);
  const page = await runs.list({
    tag: [`user:${user.id}`],
    status: ["QUEUED", "EXECUTING"],
    taskIdentifier: "resize",
    from: new Date(Date.now() - 86_400_000),
    limit: 20,
    after: new URL(request.url).searchParams.get("after") ?? undefined,
  });
  for await (const run of runs.subscribeToRun<typeof resize>(params.id ?? "", { signal: request.signal })) {
    type _payload = Expect<Equal<typeof run.payload, { url: string; width?: number }>>;
    if (run.status === "COMPLETED") return { bytes: run.output?.bytes, at: run.finishedAt, others: page.data };
    if (run.isFailed || run.isCancelled) throw new Response(run.error?.message ?? run.status, { status: 500 });
  }
  return {
    others: page.data.map(({ id, env }) => `${env.name}/${id}`),
    next: page.hasNextPage() && page.pagination.next,
  };
}

export async function action({ request, params, context }: LoaderFunctionArgs) {
  const form = await request.formData();
  const id = params.id ?? "";
  switch (form.get("intent")) {
    case "replay":
      return runs.replay(id, { payload: { url: String(form.get("url")) }, tags: ["again"], delay: "1m" });
    case "again":
      return runs.replay(id);
    case "later":
      return (await runs.reschedule(id, { delay: "1h" })).delayedUntil;
    case "wait": {
      const run = await runs.poll<typeof validated>(id, { pollIntervalMs: 500 });
      type _output = Expect<Equal<typeof run.output, string | undefined>>;
      return run.output?.toUpperCase();
    }
    case "tenant":
      return auth.withAuth({ ...tenantConfig, accessToken: context.tenant }, async () => {
        const { id: triggered } = await tasks.trigger<typeof nothing>("nothing", undefined);
        return { triggered };
      });
    case "eu":
      return eu.tasks.trigger<typeof validated>("validated", { name: "Eva", age: 40 });
    default:
      throw new Response("Unknown intent", { status: 400 });
  }
}

export async function asPublic(ids: string[]): Promise<void> {
  await auth.withPublicToken({ scopes: { read: { runs: ids } } }, async () => {
    for (const id of ids) console.log((await eu.runs.retrieve(id)).status);
  });
  await auth.withTriggerPublicToken("resize", { expirationTime: "5m" }, async () => {
    await tasks.trigger("resize", { url: "https://example.com" });
  });
  await auth.withBatchTriggerPublicToken(["resize"], undefined, async () => {});
}

// --- Dashboards: many runs at once ----------------------------------------------------------------------------------------

export async function dashboard(userId: string, signal: AbortSignal): Promise<Map<string, string>> {
  const rows = new Map<string, string>();
  const feed = runs.subscribeToRunsWithTag<typeof resize | typeof validated>(
    [`user:${userId}`, "web"],
    { createdAt: "1h", skipColumns: ["metadata"] },
    { signal },
  );
  for await (const run of feed) {
    switch (run.taskIdentifier) {
      case "resize":
        rows.set(run.id, `${run.payload.url}: ${run.output?.bytes ?? "…"} bytes`);
        break;
      case "validated":
        rows.set(run.id, `${run.payload.name}: ${run.output?.toUpperCase() ?? run.status}`);
        break;
    }
  }
  return rows;
}

export async function progress(batchId: string): Promise<number> {
  const done = new Set<string>();
  for await (const run of runs.subscribeToBatch<typeof resize>(batchId)) {
    if (run.isCompleted) done.add(run.id);
    if (done.size === 10) break;
  }
  return done.size;
}

export async function chat(runId: string, send: (text: string) => void): Promise<void> {
  for await (const part of runs
    .subscribeToRun<typeof resize>(runId)
    .withStreams<{ ai: string; steps: { n: number } }>()) {
    switch (part.type) {
      case "run":
        send(`${part.run.status} ${part.run.payload.url}`);
        break;
      case "ai":
        send(part.chunk.trimEnd());
        break;
      case "steps":
        send(`step ${part.chunk.n.toFixed()} of ${part.run.id}`);
        break;
    }
  }
}

export async function export_(reference: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const run of runs.list(reference, { env: ["prod"], period: "30d", isTest: false })) {
    lines.push(`${run.id},${run.env.name},${run.createdAt.toISOString()},${run.tags.join("|")},${run.baseCostInCents}`);
  }
  for await (const page of (
    await runs.list({ batch: "batch_1", queue: { type: "task", name: "resize" } })
  ).iterPages()) {
    lines.push(...page.getPaginatedItems().map((run) => run.id));
  }
  return lines;
}

export function describe(run: RealtimeRun<typeof resize>, whole: RetrieveRunResult<typeof resize>): string {
  return `${run.id} ${run.payload.url} ${whole.payload?.width?.toFixed()} ${whole.triggerFunction} ${whole.depth}`;
}
