// Runs as the emulator's control calls take them, out of recorded answers.

/** Columns whose recorded text stands for a value of another type. */
const numbers = ["number", "usageDurationMs", "costInCents", "baseCostInCents"];
const arrays = ["runTags", "realtimeStreams"];

/** A recorded row as `POST /emulator/runs` takes it. */
export function toColumns(value) {
  const columns = { ...value };
  for (const name of numbers) if (columns[name] != null) columns[name] = Number(columns[name]);
  for (const name of arrays) if (columns[name] != null) columns[name] = fromArrayLiteral(columns[name]);
  if (columns.isTest != null) columns.isTest = columns.isTest === "t";
  return columns;
}

function fromArrayLiteral(text) {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|([^{},"]+)/g)].map(
    ([, quoted, bare]) => bare ?? quoted.replace(/\\(.)/g, "$1"),
  );
}

const raw = {
  QUEUED: "PENDING",
  WAITING: "WAITING_TO_RESUME",
  COMPLETED: "COMPLETED_SUCCESSFULLY",
  FAILED: "COMPLETED_WITH_ERRORS",
};

/** A row that REST would show as the recorded run, whole or as an entry of a list. */
export function columnsOfRest(run) {
  const text = (value) => (value === undefined ? null : JSON.stringify(value));
  const error =
    run.error &&
    (run.error.name === undefined
      ? { raw: run.error.message, type: "STRING_ERROR" }
      : { ...run.error, type: "BUILT_IN_ERROR" });
  const packet = (name) => {
    const url = run[`${name}PresignedUrl`];
    if (!url) return { [name]: text(run[name]) };
    // Behind the project and the environment comes the packet's name.
    return { [name]: new URL(url).pathname.split("/").slice(4).join("/"), [`${name}Type`]: "application/store" };
  };
  return {
    friendlyId: run.id,
    taskIdentifier: run.taskIdentifier,
    status: raw[run.status] ?? run.status,
    createdAt: run.createdAt,
    updatedAt: run.updatedAt,
    startedAt: run.startedAt ?? null,
    completedAt: run.finishedAt ?? null,
    delayUntil: run.delayedUntil ?? null,
    expiredAt: run.expiredAt ?? null,
    ttl: run.ttl ?? null,
    costInCents: run.costInCents,
    baseCostInCents: run.baseCostInCents,
    usageDurationMs: run.durationMs,
    isTest: run.isTest,
    runTags: run.tags,
    metadata: text(run.metadata),
    ...packet("payload"),
    ...packet("output"),
    error: error ?? null,
  };
}
