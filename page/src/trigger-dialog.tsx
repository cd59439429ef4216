// The dialog that triggers a task.

import { useTaskTrigger } from "@trigger.dev/react-hooks";
import { type FormEvent, useEffect, useId, useState } from "react";
import type { Task } from "./api.js";
import { Dialog } from "./dialog.js";
import { JsonEditor, parsed } from "./json-editor.js";

interface Props {
  tasks: Task[];
  onClose: () => void;
  onTriggered: (runId: string) => void;
}

/** The last trigger, the initial values of the next dialog. */
let last = { task: "", payload: '{\n  "from": "the page"\n}', tags: "" };

export function TriggerDialog({ tasks, onClose, onTriggered }: Props) {
  const [task, setTask] = useState(last.task || (tasks.find(({ builtIn }) => !builtIn) ?? tasks[0])?.id || "hello");
  const [payload, setPayload] = useState(last.payload);
  const [tags, setTags] = useState(last.tags);
  const [delay, setDelay] = useState("");
  const [ttl, setTtl] = useState("");
  const id = useId();
  const { submit, isLoading, handle, error } = useTaskTrigger(task);
  const value = parsed(payload);
  const ready = task.trim() !== "" && "value" in value && !isLoading;

  useEffect(() => {
    if (handle) onTriggered(handle.id);
  }, [handle, onTriggered]);
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (!ready || !("value" in value)) return;
    last = { task, payload, tags };
    const list = tags.split(",").map((tag) => tag.trim());
    submit(value.value as never, {
      tags: list.filter(Boolean),
      delay: delay.trim() || undefined,
      ttl: ttl.trim() || undefined,
    });
  };
  return (
    <Dialog title="Trigger a task" onClose={onClose}>
      <form onSubmit={send}>
        <div className="field">
          <label htmlFor={`${id}-task`}>Task</label>
          <input
            id={`${id}-task`}
            list={`${id}-tasks`}
            value={task}
            onChange={(event) => setTask(event.target.value)}
            onFocus={(event) => event.target.select()}
            spellCheck={false}
            autoComplete="off"
            required
          />
          <datalist id={`${id}-tasks`}>
            {tasks.map((one) => (
              <option key={one.id} value={one.id} />
            ))}
          </datalist>
          <div className="choices">
            {tasks.map((one) => (
              <button
                key={one.id}
                type="button"
                className={one.builtIn ? "chip" : "chip own"}
                aria-pressed={one.id === task}
                onClick={() => setTask(one.id)}
              >
                {one.id}
              </button>
            ))}
          </div>
        </div>
        <JsonEditor label="Payload (JSON)" value={payload} onChange={setPayload} rows={6} />
        <div className="row">
          <Text label="Tags, with commas" value={tags} onChange={setTags} />
          <Text label="Delay" value={delay} onChange={setDelay} placeholder="10s, 5m, 1h" />
          <Text label="TTL" value={ttl} onChange={setTtl} placeholder="10m" />
        </div>
        {error && (
          <p className="problem" role="alert">
            {error.message}
          </p>
        )}
        <div className="actions">
          <button type="submit" className="primary" disabled={!ready}>
            Trigger <kbd>Ctrl Enter</kbd>
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface TextProps {
  label: string;
  value: string;
  onChange: (text: string) => void;
  placeholder?: string;
}

function Text({ label, value, onChange, placeholder }: TextProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        value={value}
        placeholder={placeholder}
        onChange={(event) => onChange(event.target.value)}
        spellCheck={false}
        autoComplete="off"
      />
    </div>
  );
}
