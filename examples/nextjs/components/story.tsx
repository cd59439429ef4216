"use client";

import { useRealtimeStream } from "@trigger.dev/react-hooks";
import { Card, Failure } from "./live";

export function Story() {
  return (
    <Card title="Text as it is written" task="streamer" about="A stream of the run, with useRealtimeStream.">
      {(run) => <Text id={run} />}
    </Card>
  );
}

function Text({ id }: { id: string }) {
  const { parts, error } = useRealtimeStream<{ type: "text-delta"; delta: string }>(id, "ai");
  return (
    <>
      <output>{parts.map((part) => part.delta).join("")}</output>
      <Failure error={error} />
    </>
  );
}
