// Keys that do something wherever the focus is, but not while somebody types or a dialog is open.

import { useEffect, useRef } from "react";

/** What each key does, by its `KeyboardEvent.key`; with `false` the browser does what it does with it. */
export type Shortcuts = Record<string, () => unknown>;

export function useShortcuts(shortcuts: Shortcuts): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (document.querySelector("dialog[open]")) return;
      const { target } = event;
      if (target instanceof HTMLElement && target.matches("input, textarea, select")) {
        // Leaves the field; an open dialog stays open.
        if (event.key === "Escape") target.blur();
        return;
      }
      const act = latest.current[event.key];
      if (!act) return;
      if (act() !== false) event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
