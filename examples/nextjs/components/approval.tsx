"use client";

import { useRealtimeRun, useWaitToken } from "@trigger.dev/react-hooks";
import { Card, Failure, Status } from "./live";

export function Approval() {
  return (
    <Card title="Approval" task="approval" about="The run waits for a person, with useWaitToken.">
      {(run) => <Question id={run} />}
    </Card>
  );
}

function Question({ id }: { id: string }) {
  const { run, error } = useRealtimeRun(id, { skipColumns: ["payload"] });
  const { tokenId, publicAccessToken } = (run?.metadata ?? {}) as { tokenId?: string; publicAccessToken?: string };
  return (
    <>
      <Status run={run} />
      {tokenId && publicAccessToken && !run?.finishedAt && <Answer token={tokenId} access={publicAccessToken} />}
      <output>{run?.output ? `Answered: ${run.output.result.output.approved ? "approved" : "declined"}` : ""}</output>
      <Failure error={error} />
    </>
  );
}

/** The task made the wait token, and put the public token that completes it into its metadata. */
function Answer({ token, access }: { token: string; access: string }) {
  const { complete, isLoading, error } = useWaitToken(token, { accessToken: access });
  return (
    <p>
      May it go on?{" "}
      <button type="button" disabled={isLoading} onClick={() => complete({ approved: true })}>
        Approve
      </button>
      <Failure error={error} />
    </p>
  );
}
