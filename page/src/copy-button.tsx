// A button that copies a text, and confirms it.

import { useEffect, useState } from "react";

/** Copies a text to the clipboard. Rejects where the browser forbids it. */
export async function copyText(text: string): Promise<void> {
  // An insecure origin has no clipboard API.
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
