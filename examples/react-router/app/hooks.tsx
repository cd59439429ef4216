import { TriggerAuthContext, useRealtimeRunWithStreams, useWaitToken } from "@trigger.dev/react-hooks";
import { useEffect, useState } from "react";
import { Status } from "./status";
import { fetchToken } from "./token";

type State = { id: string; status: string };
type Streams = { ai: { type: "text-delta"; delta: string } };

// A server that renders this has no location, and asks for nothing.
const baseURL = typeof window === "undefined" ? undefined : `${window.location.origin}/api/trigger`;

/** The same run, followed by the official hooks with a token of their own. */
export function Hooks({ run }: { run: State }) {
  const [accessToken, setAccessToken] = useState<string>();
  const [error, setError] = useState<Error>();
  useEffect(() => {
    fetchToken().then(setAccessToken, setError);
  }, []);

  return (
    <section className="card">
      <h2>By the official hooks</h2>
      <p>Through the relay route.</p>
      {accessToken ? (
        <TriggerAuthContext.Provider value={{ baseURL, accessToken, refreshAccessToken: fetchToken }}>
          <Followed id={run.id} />
        </TriggerAuthContext.Provider>
      ) : (
        <Status status={error ? error.message : run.status} />
      )}
    </section>
  );
}

function Followed({ id }: { id: string }) {
  // biome-ignore lint/suspicious/noExplicitAny: with `import type`, the task's own type goes here
  const { run, streams, error } = useRealtimeRunWithStreams<any, Streams>(id, { skipColumns: ["payload"] });
  const { progress, tokenId, publicAccessToken } = run?.metadata ?? {};
  return (
    <>
      <progress max={100} value={Number(progress ?? 0)} aria-label="Progress" />
      <Status status={run?.status ?? "CONNECTING"} />
      <output>{streams.ai?.map((part) => part.delta).join("")}</output>
      {tokenId && publicAccessToken && !run?.finishedAt && (
        <Answer token={String(tokenId)} access={String(publicAccessToken)} />
      )}
      {run?.output?.result && <output>Answered: {run.output.result.output.approved ? "approved" : "declined"}</output>}
      {error && <output className="error">{error.message}</output>}
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
      {error && <output className="error">{error.message}</output>}
    </p>
  );
}
