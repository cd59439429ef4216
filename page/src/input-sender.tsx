// The form that sends input to a run.

import { useInputStreamSend } from "@trigger.dev/react-hooks";
import { type FormEvent, useEffect, useId, useState } from "react";
import { JsonEditor, parsed } from "./json-editor.js";

export function InputSender({ runId, streams }: { runId: string; streams: string[] }) {
  const [stream, setStream] = useState(streams[0] ?? "");
  const [text, setText] = useState('{ "message": "hello" }');
  const [sent, setSent] = useState(0);
  const id = useId();
  const { send, isLoading, error } = useInputStreamSend(stream, runId);
  const value = parsed(text);
  const ready = stream !== "" && "value" in value && !isLoading;
  const first = streams[0];
  useEffect(() => {
    // The task may load later than the run.
    if (first !== undefined) setStream((current) => current || first);
  }, [first]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!ready || !("value" in value)) return;
    send(value.value as never);
    setSent(sent + 1);
  };
  return (
    <form className="box" onSubmit={submit}>
      <div className="field">
        <label htmlFor={id}>Input stream</label>
        <input
          id={id}
          value={stream}
          placeholder="its id"
          onChange={(event) => setStream(event.target.value)}
          spellCheck={false}
          autoComplete="off"
        />
      </div>
      <JsonEditor label="Data (JSON)" value={text} onChange={setText} rows={2} />
      <div className="actions">
        <button type="submit" disabled={!ready}>
          Send
        </button>
        <p role="status">{sent > 0 && !isLoading && !error ? `Sent ${sent === 1 ? "once" : `${sent} times`}.` : ""}</p>
      </div>
      {error && (
        <p className="problem" role="alert">
          {error.message}
        </p>
      )}
    </form>
  );
}
