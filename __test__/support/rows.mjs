/** Rows and messages of a run feed as a server writes them (docs/server-protocol.md 4), for scripted servers. */

export const SCHEMA = JSON.stringify({
  id: { type: "text" },
  taskIdentifier: { type: "text" },
  createdAt: { type: "timestamp" },
  updatedAt: { type: "timestamp" },
  startedAt: { type: "timestamp" },
  delayUntil: { type: "timestamp" },
  queuedAt: { type: "timestamp" },
  expiredAt: { type: "timestamp" },
  completedAt: { type: "timestamp" },
  friendlyId: { type: "text" },
  number: { type: "int4" },
  isTest: { type: "bool" },
  status: { type: "text" },
  usageDurationMs: { type: "int4" },
  costInCents: { type: "float8" },
  baseCostInCents: { type: "float8" },
  ttl: { type: "text" },
  payload: { type: "text" },
  payloadType: { type: "text" },
  metadata: { type: "text" },
  metadataType: { type: "text" },
  output: { type: "text" },
  outputType: { type: "text" },
  runTags: { type: "text", dims: 1 },
  error: { type: "jsonb" },
  realtimeStreams: { type: "text", dims: 1 },
});

export const RUN_ID = "run_peer0001";
export const HANDLE = "run-peerhandle";
const KEY = '"public"."TaskRun"/"peerrow"';

/** A whole row in the state PENDING, with `fields` put over it. */
export function row(fields = {}) {
  return {
    id: "peerrow",
    taskIdentifier: "my-task",
    createdAt: "2026-01-02T03:04:05.000",
    updatedAt: "2026-01-02T03:04:05.000",
    startedAt: null,
    delayUntil: null,
    queuedAt: "2026-01-02T03:04:05.000",
    expiredAt: null,
    completedAt: null,
    friendlyId: RUN_ID,
    number: "1",
    isTest: "f",
    status: "PENDING",
    usageDurationMs: "0",
    costInCents: "0",
    baseCostInCents: "0",
    ttl: null,
    payload: '{"a":1}',
    payloadType: "application/json",
    metadata: null,
    metadataType: "application/json",
    output: null,
    outputType: "application/json",
    runTags: "{}",
    error: null,
    realtimeStreams: "{}",
    ...fields,
  };
}

export const executing = (fields = {}) =>
  row({ status: "EXECUTING", startedAt: "2026-01-02T03:04:06.000", updatedAt: "2026-01-02T03:04:06.000", ...fields });

export const completed = (fields = {}) =>
  executing({
    status: "COMPLETED_SUCCESSFULLY",
    completedAt: "2026-01-02T03:04:07.000",
    updatedAt: "2026-01-02T03:04:07.000",
    output: '{"done":true}',
    ...fields,
  });

export const insert = (value) => ({ key: KEY, value, headers: { operation: "insert" } });
export const update = (value) => ({ key: KEY, value, headers: { operation: "update" } });
export const remove = () => ({ key: KEY, value: { id: "peerrow" }, headers: { operation: "delete" } });
export const upToDate = () => ({ headers: { control: "up-to-date" } });
export const mustRefetch = () => ({ headers: { control: "must-refetch" } });
