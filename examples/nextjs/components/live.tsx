"use client";

import { TriggerAuthContext } from "@trigger.dev/react-hooks";
import { type ComponentType, type ReactNode, useState, useTransition } from "react";
import { start, type Task } from "@/app/actions";

// A server that renders this has no location, and asks for nothing.
const baseURL = typeof window === "undefined" ? undefined : `${window.location.origin}/api/trigger`;

async function fetchToken(): Promise<string> {
  const response = await fetch("/api/token", { method: "POST" });
  if (!response.ok) throw new Error(`No token: ${response.status}`);
  return (await response.json()).token;
}

type Auth = { baseURL?: string; accessToken: string; refreshAccessToken: () => Promise<string> };

type CardProps = {
  title: string;
  task: Task;
  about: string;
  /** Of the package whose hooks the children use; the official one by default. */
  provider?: ComponentType<{ value: Auth; children: ReactNode }>;
  children: (run: string) => ReactNode;
};

/** A card with a button that starts `task`; once it runs, `children(run)` with the hooks set up for the relay route. */
export function Card({ provider: Provider = TriggerAuthContext.Provider, ...props }: CardProps) {
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
        <Provider key={live.run} value={{ baseURL, accessToken: live.token, refreshAccessToken: fetchToken }}>
          {props.children(live.run)}
        </Provider>
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
