// The emulator's time, and the format of durations.

import { useEffect, useState } from "react";
import { readClock } from "./api.js";

let byHand: number | undefined;

/** The time of the emulator's clock, in Unix milliseconds. */
export function now(): number {
  return byHand ?? Date.now();
}

/** The time of the emulator's clock, updated every `everyMs` while `active`. */
export function useNow(everyMs: number, active = true): number {
  const [at, setAt] = useState(now);
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => setAt(now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, active]);
  return active ? Math.max(at, 0) : now();
}

/** The time of a manual clock; undefined for the system's clock. */
export function useClockByHand(): Date | undefined {
  const [at, setAt] = useState<number>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    const look = async () => {
      const clock = await readClock().catch(() => undefined);
      if (gone || clock?.manual === false) return;
      if (clock) {
        byHand = Date.parse(clock.now);
        setAt(byHand);
      }
      timer = setTimeout(look, 1000);
    };
    look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, []);
  return at === undefined ? undefined : new Date(at);
}

/** `240 ms`, `3.2 s`, `4 min 05 s`, `2 h 10 min`. */
export function span(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  if (whole < 1000) return `${whole} ms`;
  if (whole < 60_000) return `${(whole / 1000).toFixed(1)} s`;
  if (whole < 3_600_000) return `${Math.floor(whole / 60_000)} min ${pad((whole / 1000) % 60)} s`;
  return `${Math.floor(whole / 3_600_000)} h ${pad((whole / 60_000) % 60)} min`;
}

/** `just now`, `12 s ago`, `5 min ago`. */
export function ago(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 2) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** `14:03:09.120`. */
export function clock(date: Date): string {
  const [time = ""] = date.toTimeString().split(" ");
  return `${time}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function pad(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}
