// The progress in a run's metadata.

type Metadata = Record<string, unknown> | undefined;

/** The percentage that is done: `progress` in percent, as a fraction of 1, or out of `of` (or `total`). */
export function percentOf(metadata: Metadata): number | undefined {
  let value = metadata?.progress;
  if (value !== null && typeof value === "object") value = (value as Record<string, unknown>).percent;
  if (typeof value !== "number" || !Number.isFinite(value)) return undefined;
  const whole = [metadata?.of, metadata?.total].find((of) => typeof of === "number" && of > 0) as number | undefined;
  const percent = whole ? (value / whole) * 100 : value > 0 && value < 1 ? value * 100 : value;
  return Math.min(100, Math.max(0, percent));
}

/** The run's current activity: `status`, `label`, `phase`, `step` or `message` of its metadata. */
export function wordOf(metadata: Metadata): string | undefined {
  for (const name of ["status", "label", "phase", "step", "message"]) {
    const value = metadata?.[name];
    if (typeof value === "string" && value !== "") return value;
  }
  return undefined;
}

export function Progress({ percent, label }: { percent: number; label: string }) {
  return (
    <div className="progress">
      <progress max={100} value={percent} aria-label={label} />
      <span className="figure" aria-hidden="true">
        {Math.round(percent)} %
      </span>
    </div>
  );
}
