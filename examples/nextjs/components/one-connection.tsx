"use client";

import { TriggerAuthContext, useRealtimeRun, useRealtimeStream, useWaitToken } from "trigger-native/react";
import { Card, Failure, Status } from "./live";

export function OneConnection() {
  return (
    <>
      <Card
        title="One connection: text"
        task="streamer"
        about="The run and its stream together, with the same hooks of trigger-native/react."
        provider={TriggerAuthContext.Provider}
      >
        {(run) => <Text id={run} />}
      </Card>
      <Card
        title="One connection: approval"
        task="approval"
        about="Its useWaitToken. Both cards, and other tabs, share the connection."
        provider={TriggerAuthContext.Provider}
      >
        {(run) => <Question id={run} />}
      </Card>
    </>
  );
}

function Text({ id }: { id: string }) {
  const { run, error } = useRealtimeRun(id, { skipColumns: ["payload"] });
  const { parts, error: streamError } = useRealtimeStream<{ type: "text-delta"; delta: string }>(id, "ai");
  return (
    <>
      <Status run={run} />
      <output>{parts.map((part) => part.delta).join("")}</output>
      <Failure error={error ?? streamError} />
    </>
  );
}

function Question({ id }: { id: string }) {
  const { run, error } = useRealtimeRun(id, { skipColumns: ["payload"] });
  const { tokenId, publicAccessToken } = (run?.metadata ?? {}) as { tokenId?: string; publicAccessToken?: string };
  const { complete, isLoading, error: refused } = useWaitToken(tokenId, { accessToken: publicAccessToken });
  return (
    <>
      <Status run={run} />
      {tokenId && !run?.finishedAt && (
        <button type="button" disabled={isLoading} onClick={() => complete({ approved: true })}>
          Approve
        </button>
      )}
      <output>{run?.output ? `Answered: ${run.output.result.output.approved ? "approved" : "declined"}` : ""}</output>
      <Failure error={error ?? refused} />
    </>
  );
}
