// The states of a run, each with its duration.

import type { Run, Seen } from "./runs.js";
import { familyOf, isFinal, wordsOf } from "./status.js";
import { clock, span, useNow } from "./time.js";

interface Entry extends Seen {
  /** The end of the state, in Unix milliseconds; undefined for a final one. */
  until: number | undefined;
}

export function Timeline({ run, seen }: { run: Run; seen: Seen[] }) {
  const live = !isFinal(run.status);
  const now = useNow(100, live);
  const entries = entriesOf(run, seen, now);
  const begin = entries[0]?.at.getTime() ?? 0;
  const end = Math.max(begin + 1, entries.at(-1)?.until ?? entries.at(-1)?.at.getTime() ?? 0);
  const lasting = entries.filter((entry) => entry.until !== undefined);
  return (
    <div className="timeline">
      <div className="bar" aria-hidden="true">
        {lasting.map((entry) => (
          <span
            key={`${entry.status} ${entry.at.getTime()}`}
            className={familyOf(entry.status)}
            style={{ flexGrow: Math.max(0.004, ((entry.until ?? 0) - entry.at.getTime()) / (end - begin)) }}
          />
        ))}
      </div>
      <ol>
        {entries.map((entry) => (
          <li key={`${entry.status} ${entry.at.getTime()}`}>
            <span className={`mark ${familyOf(entry.status)}`} aria-hidden="true" />
            <span className="name">{wordsOf(entry.status)}</span>
            <time dateTime={entry.at.toISOString()}>{clock(entry.at)}</time>
            <span className="span">{entry.until === undefined ? "" : span(entry.until - entry.at.getTime())}</span>
          </li>
        ))}
      </ol>
      <p className="total">
        {live ? "So far" : "In all"}: <strong>{span(end - begin)}</strong>
      </p>
    </div>
  );
}

/** The run's own times, with the changes that the page observed between them. */
function entriesOf(run: Run, seen: Seen[], now: number): Entry[] {
  const known: Seen[] = [];
  if (run.delayedUntil) known.push({ status: "DELAYED", at: run.createdAt });
  const queued = run.delayedUntil ?? run.createdAt;
  if (!run.delayedUntil || run.delayedUntil.getTime() <= now) known.push({ status: "QUEUED", at: queued });
  if (run.startedAt) known.push({ status: "EXECUTING", at: run.startedAt });
  // A run is dequeued when it starts; the page observes the states after that.
  const between = seen.filter(({ status }) => !isFinal(status) && !["QUEUED", "DELAYED", "DEQUEUED"].includes(status));
  const begun = [...known, ...between].sort((a, b) => a.at.getTime() - b.at.getTime());
  if (isFinal(run.status)) {
    const at = run.finishedAt ?? run.expiredAt ?? run.updatedAt;
    begun.push({ status: run.status, at });
  }
  const steps = begun.filter(({ status }, index) => status !== begun[index - 1]?.status);
  return steps.map((step, index) => {
    const next = steps[index + 1];
    const until = next ? next.at.getTime() : isFinal(step.status) ? undefined : Math.max(now, step.at.getTime());
    return { ...step, until };
  });
}
