import { useEffect, useState } from "react";
import { Status } from "./status";

type State = { id: string; status: string; progress: number };

/** A run followed by `EventSource`: the browser needs no token, and no library. */
export function Live({ run: initial }: { run: State }) {
  const [run, setRun] = useState(initial);
  const [text, setText] = useState("");

  useEffect(() => {
    const source = new EventSource(`/runs/${initial.id}/events`);
    source.addEventListener("run", ({ data }) => {
      const { id, status, metadata } = JSON.parse(data);
      setRun({ id, status, progress: metadata?.progress ?? 0 });
    });
    source.addEventListener("chunk", ({ data }) => {
      const { type, chunk } = JSON.parse(data);
      if (type === "ai") setText((before) => before + chunk.delta);
    });
    source.addEventListener("restart", ({ data }) => {
      if (JSON.parse(data).type === "ai") setText("");
    });
    source.addEventListener("end", () => source.close());
    return () => source.close();
  }, [initial.id]);

  return (
    <section className="card">
      <h2>By EventSource</h2>
      <p>From a route of ours.</p>
      <progress max={100} value={run.progress} aria-label="Progress" />
      <Status status={run.status} />
      <output>{text}</output>
    </section>
  );
}
