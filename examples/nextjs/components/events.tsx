"use client";

import { useEffect, useState } from "react";
import { Card, Status } from "./live";

export function Events() {
  return (
    <Card title="Without hooks" task="streamer" about="The same run and stream from a route of ours, with EventSource.">
      {(run) => <Follow id={run} />}
    </Card>
  );
}

function Follow({ id }: { id: string }) {
  const [run, setRun] = useState<{ status: string }>();
  const [text, setText] = useState("");

  useEffect(() => {
    const source = new EventSource(`/api/runs/${id}/events`);
    source.addEventListener("run", ({ data }) => setRun(JSON.parse(data)));
    source.addEventListener("chunk", ({ data }) => {
      const { type, chunk } = JSON.parse(data);
      if (type === "ai") setText((before) => before + chunk.delta);
    });
    source.addEventListener("restart", ({ data }) => {
      if (JSON.parse(data).type === "ai") setText("");
    });
    source.addEventListener("end", () => source.close());
    return () => source.close();
  }, [id]);

  return (
    <>
      <Status run={run} />
      <output>{text}</output>
    </>
  );
}
