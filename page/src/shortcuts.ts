// Keyboard shortcuts. They are off while a field has the focus or a dialog is open.

import { useEffect, useRef } from "react";

/** The action of each key, by its `KeyboardEvent.key`; after `false` the browser handles the key itself. */
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
        // The focus leaves the field; an open dialog stays open.
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
