// A button that copies a text, and says that it did.

import { useEffect, useState } from "react";

/** Puts a text into the clipboard. Rejects where the browser does not let it. */
export async function copyText(text: string): Promise<void> {
  // There is no clipboard on an origin that the browser does not trust.
  if (!navigator.clipboard) throw new Error("this browser gives no clipboard here");
  await navigator.clipboard.writeText(text);
}

interface Props {
  label: string;
  title?: string;
  text: string | (() => Promise<string>);
}

export function CopyButton({ label, title, text }: Props) {
  const [told, setTold] = useState<string>();
  useEffect(() => {
    if (told === undefined) return;
    const timer = setTimeout(() => setTold(undefined), 1500);
    return () => clearTimeout(timer);
  }, [told]);
  const copy = async () => {
    try {
      await copyText(typeof text === "string" ? text : await text());
      setTold("Copied");
    } catch {
      setTold("Not copied");
    }
  };
  return (
    <button type="button" className="small" title={title} onClick={copy}>
      <span aria-live="polite">{told ?? label}</span>
    </button>
  );
}
