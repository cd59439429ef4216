// All runs of the environment, live, with the statuses that the page observed of each.

import type { AnyRealtimeRun } from "@trigger.dev/core/v3";
import { useApiClient } from "@trigger.dev/react-hooks";
import { useEffect, useRef, useState } from "react";

/** A run of the feed. */
export type Run = AnyRealtimeRun;

/** A status, and its start. */
export interface Seen {
  status: string;
  at: Date;
}

/** The runs, newest first, and the observed changes of each by its id. */
export interface Runs {
  runs: Run[];
  seen: ReadonlyMap<string, Seen[]>;
  /** The state of the feed: it connects, it is live, or it is broken and retried. */
  state: "connecting" | "live" | "broken";
}

/** The columns that the list does not show, left out of the feed. */
const SKIP: ("payload" | "output" | "error" | "payloadType" | "outputType")[] = [
  "payload",
  "output",
  "error",
  "payloadType",
  "outputType",
];
/** The shortest gap between two renders of the list, and the pause after a broken feed, in milliseconds. */
const DRAW_MS = 60;
const AGAIN_MS = 2000;

/**
 * Follows all runs of the last day, on the client of the official hooks: `useRealtimeRunsWithTag` gives the runs as they
 * are when React draws, and a timeline needs each status a run was in.
 */
export function useRuns(): Runs {
  const client = useApiClient();
  const latest = useRef(client);
  latest.current = client;
  const [view, setView] = useState<Runs>({ runs: [], seen: new Map(), state: "connecting" });

  useEffect(() => {
    const byId = new Map<string, Run>();
    const seen = new Map<string, Seen[]>();
    const end = new AbortController();
    let state: Runs["state"] = "connecting";
    let drawing: ReturnType<typeof setTimeout> | undefined;
    const draw = () => {
      drawing ??= setTimeout(() => {
        drawing = undefined;
        const runs = [...byId.values()].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
        setView({ runs, seen: new Map(seen), state });
      }, DRAW_MS);
    };
    const follow = async () => {
      while (!end.signal.aborted) {
        try {
          await round();
        } catch {
          // The state shows the error; the next round retries.
        }
        if (state !== "live") await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    };
    /** Follows until the emulator cannot be reached. */
    const round = async () => {
      const stop = new AbortController();
      const leave = () => stop.abort();
      end.signal.addEventListener("abort", leave);
      let isFirst = true;
      const tell = (now: Runs["state"]) => {
        if (now === "live" && isFirst) {
          isFirst = false;
          // After a gap it may be another emulator, without these runs.
          byId.clear();
          seen.clear();
        }
        state = now;
        draw();
        // The client would back off further with each retry.
        if (now === "broken") stop.abort();
      };
      const fetchClient: typeof fetch = async (input, init) => {
        try {
          const response = await fetch(input, init);
          tell(response.ok ? "live" : "broken");
          return response;
        } catch (error) {
          // The client aborts requests itself, too.
          if (!(error instanceof Error && error.name === "AbortError") && !init?.signal?.aborted) tell("broken");
          throw error;
        }
      };
      try {
        // Without a tag the feed has every run.
        const filters = { createdAt: "1d", skipColumns: SKIP };
        const options = { signal: stop.signal, fetchClient };
        for await (const run of latest.current?.subscribeToRunsWithTag("", filters, options) ?? []) {
          byId.set(run.id, run);
          const known = seen.get(run.id) ?? [];
          const status = run.status;
          if (known.at(-1)?.status !== status) seen.set(run.id, [...known, { status, at: run.updatedAt }]);
          draw();
        }
      } finally {
        end.signal.removeEventListener("abort", leave);
        stop.abort();
      }
    };
    follow();
    return () => {
      end.abort();
      clearTimeout(drawing);
    };
  }, []);

  return view;
}
