// A field for JSON that shows syntax errors. Ctrl+Enter submits the form.

import { type KeyboardEvent, useId } from "react";

interface Props {
  label: string;
  value: string;
  onChange: (text: string) => void;
  rows?: number;
}

/** Parses JSON; an empty text is no value. */
export function parsed(text: string): { value: unknown } | { error: string } {
  if (text.trim() === "") return { value: undefined };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

export function JsonEditor({ label, value, onChange, rows = 4 }: Props) {
  const id = useId();
  const result = parsed(value);
  const problem = "error" in result ? result.error : undefined;
  const press = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit();
  };
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        value={value}
        rows={rows}
        spellCheck={false}
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-problem`}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={press}
      />
      <p id={`${id}-problem`} className="problem" aria-live="polite">
        {problem}
      </p>
    </div>
  );
}
