// The form that completes a wait token.

import { useWaitToken } from "@trigger.dev/react-hooks";
import { type FormEvent, useState } from "react";
import { CopyButton } from "./copy-button.js";
import { JsonEditor, parsed } from "./json-editor.js";

export function WaitToken({ id }: { id: string }) {
  const [text, setText] = useState('{ "approved": true }');
  const { complete, isLoading, isCompleted, error } = useWaitToken(id);
  const value = parsed(text);
  const ready = "value" in value && !isLoading && !isCompleted;
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (ready && "value" in value) complete(value.value as Record<string, unknown>);
  };
  return (
    <form className="box" onSubmit={send}>
      <p className="ids">
        <code>{id}</code>
        <CopyButton label="Copy id" text={id} />
      </p>
      <JsonEditor label="Output (JSON)" value={text} onChange={setText} rows={2} />
      <div className="actions">
        <button type="submit" className="primary" disabled={!ready}>
          Complete
        </button>
        <p role="status">{isCompleted ? "Completed." : ""}</p>
      </div>
      {error && (
        <p className="problem" role="alert">
          {error.message}
        </p>
      )}
    </form>
  );
}
