// One stream of a run, as it arrives.

import { useRealtimeStream } from "@trigger.dev/react-hooks";
import { useEffect, useRef } from "react";

/** The most parts that are kept, and the timeout of a silent stream, in seconds. */
const MAX_PARTS = 1000;
const SILENCE_S = 600;

export function StreamView({ runId, name }: { runId: string; name: string }) {
  const { parts, error } = useRealtimeStream<unknown>(runId, name, {
    timeoutInSeconds: SILENCE_S,
    maxParts: MAX_PARTS,
  });
  const box = useRef<HTMLPreElement>(null);
  const count = parts.length;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new part is the occasion
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    // The view stays at the end, unless the user has scrolled up.
    if (element.scrollHeight - element.scrollTop - element.clientHeight < 80) element.scrollTop = element.scrollHeight;
  }, [count]);
  return (
    <figure className="stream">
      <figcaption>
        <code>{name}</code> <span>{count === 1 ? "1 part" : `${count} parts`}</span>
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard */}
      <pre ref={box} tabIndex={0} aria-label={`Stream ${name}`} role="log">
        {textOf(parts) || <span className="none">Nothing yet.</span>}
      </pre>
      {error && <p className="problem">{error.message}</p>}
    </figure>
  );
}

/** Text and text deltas are joined; any other part is a line of JSON. */
function textOf(parts: readonly unknown[]): string {
  let text = "";
  for (const part of parts) {
    const run = deltaOf(part);
    if (run !== undefined) text += run;
    else text += `${text === "" || text.endsWith("\n") ? "" : "\n"}${JSON.stringify(part)}\n`;
  }
  return text;
}

function deltaOf(part: unknown): string | undefined {
  if (typeof part === "string") return part;
  const delta = (part as { delta?: unknown } | null)?.delta;
  return typeof delta === "string" ? delta : undefined;
}
