"use client";

import { useRealtimeRun } from "@trigger.dev/react-hooks";
import { Card, Failure, Status } from "./live";

export function Progress() {
  return (
    <Card title="Progress" task="progress" about="The run’s metadata, with useRealtimeRun.">
      {(run) => <Bar id={run} />}
    </Card>
  );
}

function Bar({ id }: { id: string }) {
  // The payload is not rendered: it need not travel.
  const { run, error } = useRealtimeRun(id, { skipColumns: ["payload"] });
  return (
    <>
      <progress max={100} value={Number(run?.metadata?.progress ?? 0)} aria-label="Progress" />
      <Status run={run} />
      <output>{String(run?.metadata?.label ?? "")}</output>
      <Failure error={error} />
    </>
  );
}
