// Statuses: their families, their words, their badge.

/** The meaning of a status for a reader of the page. */
export type Family = "waits" | "works" | "good" | "bad" | "off";

const FAMILIES: Record<string, Family> = {
  DELAYED: "waits",
  QUEUED: "waits",
  PENDING_VERSION: "waits",
  DEQUEUED: "works",
  EXECUTING: "works",
  WAITING: "waits",
  COMPLETED: "good",
  CANCELED: "off",
  EXPIRED: "off",
  FAILED: "bad",
  CRASHED: "bad",
  SYSTEM_FAILURE: "bad",
  TIMED_OUT: "bad",
};

/** The statuses of the filter. */
export const STATUSES = Object.keys(FAMILIES);

const FINAL = new Set(["COMPLETED", "CANCELED", "EXPIRED", "FAILED", "CRASHED", "SYSTEM_FAILURE", "TIMED_OUT"]);

/** Whether a run in this status has ended. */
export function isFinal(status: string): boolean {
  return FINAL.has(status);
}

/** The family of a status. An unknown one counts as at work. */
export function familyOf(status: string): Family {
  return FAMILIES[status] ?? "works";
}

/** `TIMED_OUT` as `Timed out`. */
export function wordsOf(status: string): string {
  const words = status.toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function StatusBadge({ status }: { status: string }) {
  return <span className={`badge ${familyOf(status)}`}>{wordsOf(status)}</span>;
}
