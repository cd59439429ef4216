/**
 * Values as the page shows them: JSON, in which dates, maps and big numbers are still told apart, and with nothing
 * where there is nothing.
 */
export function shown(value) {
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof Map) return { $map: shown([...value]) };
  if (value instanceof Set) return { $set: shown([...value]) };
  if (value instanceof Error) return { error: value.name, message: value.message, status: value.status };
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return value.map(shown);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([name, part]) => [name, shown(part)]),
  );
}

const MAIN = ["id", "status", "isCompleted", "payload", "output", "metadata", "error", "tags"];

/** What the page shows of a run. */
export function shownRun(run, whole) {
  if (!run || whole) return run;
  return Object.fromEntries(MAIN.map((name) => [name, run[name]]));
}
