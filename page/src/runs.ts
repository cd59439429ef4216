// All runs of the environment, live, and the statuses each was seen in.

import type { AnyRealtimeRun } from "@trigger.dev/core/v3";
import { useApiClient } from "@trigger.dev/react-hooks";
import { useEffect, useRef, useState } from "react";

/** A run as the feed gives it. */
export type Run = AnyRealtimeRun;

/** A status, and since when. */
export interface Seen {
  status: string;
  at: Date;
}

/** The runs, newest first, and what was seen of each by its id. */
export interface Runs {
  runs: Run[];
  seen: ReadonlyMap<string, Seen[]>;
  /** How the feed is: it begins, it is live, or it is broken and tried again. */
  state: "connecting" | "live" | "broken";
}

/** What a list does not show, and need not be sent. */
const SKIP: ("payload" | "output" | "error" | "payloadType" | "outputType")[] = [
  "payload",
  "output",
  "error",
  "payloadType",
  "outputType",
];
/** How often the list is drawn again at most, and how long a broken feed is left alone, in milliseconds. */
const DRAW_MS = 60;
const AGAIN_MS = 2000;

/**
 * Follows all runs of the last day, on the client of the official hooks: `useRealtimeRunsWithTag` tells the runs as they
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
          const broken = () => {
            state = "broken";
            draw();
          };
          // No tag is every tag.
          const subscription = latest.current?.subscribeToRunsWithTag(
            "",
            { createdAt: "1d", skipColumns: SKIP },
            { signal: end.signal, onFetchError: broken },
          );
          if (!subscription) return;
          draw();
          for await (const run of subscription) {
            state = "live";
            byId.set(run.id, run);
            const known = seen.get(run.id) ?? [];
            if (known.at(-1)?.status !== run.status)
              seen.set(run.id, [...known, { status: run.status, at: run.updatedAt }]);
            draw();
          }
        } catch {
          // Told by the state; the next round tries again.
        }
        if (end.signal.aborted) return;
        state = "broken";
        draw();
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        // A restarted emulator has forgotten its runs.
        byId.clear();
        seen.clear();
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
