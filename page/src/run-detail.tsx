// One run: its state, progress, timeline, values and streams, and the actions on it.

import { useRealtimeRun } from "@trigger.dev/react-hooks";
import { useEffect, useRef, useState } from "react";
import { cancelRun, openSession, replayRun, type Task } from "./api.js";
import { CopyButton, copyText } from "./copy-button.js";
import { InputSender } from "./input-sender.js";
import { Progress, percentOf, wordOf } from "./progress.js";
import type { Run, Seen } from "./runs.js";
import { useShortcuts } from "./shortcuts.js";
import { isFinal, StatusBadge, wordsOf } from "./status.js";
import { StreamView } from "./stream-view.js";
import { Timeline } from "./timeline.js";
import { Value } from "./value.js";
import { WaitToken } from "./wait-token.js";

interface Props {
  id: string;
  /** The run from the list: available sooner, with fewer fields. */
  inList: Run | undefined;
  seen: Seen[];
  task: Task | undefined;
  /** Whether the page opened the run itself: then the focus stays where it is. */
  quiet: boolean;
  onClose: () => void;
  onOpen: (id: string) => void;
}

export function RunDetail({ id, inList, seen, task, quiet, onClose, onOpen }: Props) {
  const { run: whole, error } = useRealtimeRun(id);
  const [failure, setFailure] = useState<string>();
  const heading = useRef<HTMLHeadingElement>(null);
  // Runs once, when the run opens.
  const keepsFocus = useRef(quiet);
  useEffect(() => {
    if (!keepsFocus.current) heading.current?.focus();
  }, []);

  const run = newer(whole as Run | undefined, inList);
  const act = (what: string, work: () => Promise<unknown>) => {
    setFailure(undefined);
    work().catch((reason: unknown) => setFailure(`${what}: ${reason instanceof Error ? reason.message : reason}`));
  };
  const cancel = () => {
    if (run && !isFinal(run.status)) act("Not cancelled", () => cancelRun(id));
  };
  const replay = () => act("Not replayed", async () => onOpen(await replayRun(id)));
  useShortcuts({ x: cancel, r: replay, c: () => act("The id is not copied", () => copyText(id)) });

  const back = (
    <button type="button" className="back" onClick={onClose}>
      <span aria-hidden="true">←</span> Runs
    </button>
  );
  if (run === undefined) {
    return (
      <article className="detail">
        {back}
        <h2 ref={heading} tabIndex={-1}>
          {id}
        </h2>
        <p role="status">{error ? `This run cannot be read: ${error.message}` : "Loading…"}</p>
      </article>
    );
  }
  const percent = percentOf(run.metadata);
  const word = wordOf(run.metadata);
  const ended = isFinal(run.status);
  const streams = [...new Set([...(run.realtimeStreams ?? []), ...(task?.streams ?? [])])];
  const tokens = ended ? [] : waitTokensOf(run.metadata);
  return (
    <article className="detail" aria-label={`Run of ${run.taskIdentifier}`}>
      {back}
      <div className="title">
        <h2 ref={heading} tabIndex={-1}>
          {run.taskIdentifier}
        </h2>
        <p role="status" aria-label={`Status: ${wordsOf(run.status)}`}>
          <StatusBadge status={run.status} />
        </p>
      </div>
      <p className="ids">
        <code>{id}</code>
        <CopyButton label="Copy id" text={id} />
        <CopyButton
          label="Copy token"
          title="A public token that reads this run and sends input to it"
          text={async () => (await openSession(id)).publicAccessToken}
        />
      </p>
      {run.tags.length > 0 && (
        <ul className="tags" aria-label="Tags">
          {run.tags.map((tag) => (
            <li key={tag}>{tag}</li>
          ))}
        </ul>
      )}
      {(percent !== undefined || word !== undefined) && (
        <div className="now">
          {percent !== undefined && <Progress percent={percent} label="Progress" />}
          {word !== undefined && <p>{word}</p>}
        </div>
      )}
      <div className="actions">
        <button type="button" onClick={replay} aria-keyshortcuts="r">
          Replay <kbd>R</kbd>
        </button>
        <button type="button" onClick={cancel} disabled={ended} aria-keyshortcuts="x">
          Cancel <kbd>X</kbd>
        </button>
      </div>
      {failure !== undefined && (
        <p className="problem" role="alert">
          {failure}
        </p>
      )}
      {tokens.map((token) => (
        <section key={token}>
          <h3>Wait token</h3>
          <WaitToken id={token} />
        </section>
      ))}
      {run.error && (
        <section>
          <h3>Error</h3>
          <pre className="error">{run.error.stackTrace ?? `${run.error.name ?? "Error"}: ${run.error.message}`}</pre>
        </section>
      )}
      <section>
        <h3>Timeline</h3>
        <Timeline run={run} seen={seen} />
      </section>
      {streams.length > 0 && (
        <section>
          <h3>Streams</h3>
          {streams.map((key) => (
            <StreamView key={key} runId={id} name={key} />
          ))}
        </section>
      )}
      {!ended && (
        // Open if the task is known to wait for input.
        <details open={(task?.inputs.length ?? 0) > 0}>
          <summary>Send input</summary>
          <InputSender runId={id} streams={task?.inputs ?? []} />
        </details>
      )}
      <Values run={run} whole={whole !== undefined} />
    </article>
  );
}

function Values({ run, whole }: { run: Run; whole: boolean }) {
  return (
    <>
      {run.metadata !== undefined && Object.keys(run.metadata).length > 0 && (
        <section>
          <h3>Metadata</h3>
          <Value value={run.metadata} />
        </section>
      )}
      {whole && (
        <section>
          <h3>Payload</h3>
          <Value value={run.payload} />
        </section>
      )}
      {whole && run.status === "COMPLETED" && (
        <section>
          <h3>Output</h3>
          <Value value={run.output} />
        </section>
      )}
    </>
  );
}

/** The whole run, updated from the list where that is newer. */
function newer(whole: Run | undefined, inList: Run | undefined): Run | undefined {
  if (whole && inList && inList.updatedAt > whole.updatedAt) {
    const { payload, output, error } = whole;
    return { ...inList, payload, output, error };
  }
  return whole ?? inList;
}

/** The ids of wait tokens in a run's metadata. */
function waitTokensOf(metadata: Run["metadata"]): string[] {
  return Object.values(metadata ?? {}).filter(
    (value): value is string => typeof value === "string" && /^waitpoint_\w+$/.test(value),
  );
}
