"use client";

import { TriggerAuthContext } from "@trigger.dev/react-hooks";
import { type ReactNode, useState, useTransition } from "react";
import { start, type Task } from "@/app/actions";

// A server that renders this has no location, and asks for nothing.
const baseURL = typeof window === "undefined" ? undefined : `${window.location.origin}/api/trigger`;

async function fetchToken(): Promise<string> {
  const response = await fetch("/api/token", { method: "POST" });
  if (!response.ok) throw new Error(`No token: ${response.status}`);
  return (await response.json()).token;
}

/** A card with a button that starts `task`; once it runs, `children(run)` with the hooks set up for the relay route. */
export function Card(props: { title: string; task: Task; about: string; children: (run: string) => ReactNode }) {
  const [live, setLive] = useState<{ run: string; token: string }>();
  const [pending, startTransition] = useTransition();

  const begin = () =>
    startTransition(async () => {
      // The token second: it is for the visitor whom the first call may have made.
      const run = await start(props.task);
      setLive({ run, token: await fetchToken() });
    });

  return (
    <section className="card">
      <h2>{props.title}</h2>
      <p>{props.about}</p>
      <button type="button" onClick={begin} disabled={pending}>
        Start
      </button>
      {live && (
        <TriggerAuthContext.Provider
          key={live.run}
          value={{ baseURL, accessToken: live.token, refreshAccessToken: fetchToken }}
        >
          {props.children(live.run)}
        </TriggerAuthContext.Provider>
      )}
    </section>
  );
}

export function Status({ run }: { run?: { status: string } }) {
  return (
    <span className="status" data-status={run?.status}>
      {run?.status ?? "CONNECTING"}
    </span>
  );
}

export function Failure({ error }: { error?: Error }) {
  return error ? <output className="error">{error.message}</output> : null;
}
