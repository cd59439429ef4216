// The list of runs, newest first, filtered. It is one stop of the Tab key; the arrow keys move within it.

import { type KeyboardEvent, memo, type RefObject, useDeferredValue, useMemo, useState } from "react";
import { Progress, percentOf, wordOf } from "./progress.js";
import type { Run } from "./runs.js";
import { familyOf, isFinal, STATUSES, wordsOf } from "./status.js";
import { ago, useNow } from "./time.js";

/** How many runs are drawn before the user asks for more. */
const PAGE = 100;

interface Props {
  runs: Run[];
  openId: string | undefined;
  onOpen: (id: string) => void;
  search: RefObject<HTMLInputElement | null>;
  list: RefObject<HTMLDivElement | null>;
}

export function RunList({ runs, openId, onOpen, search, list }: Props) {
  const [text, setText] = useState("");
  const [status, setStatus] = useState("");
  const [most, setMost] = useState(PAGE);
  const [focused, setFocused] = useState<string>();
  const words = useDeferredValue(text);
  const now = useNow(1000);
  const shown = useMemo(() => runs.filter((run) => matches(run, words, status)), [runs, words, status]);
  const drawn = shown.slice(0, most);
  // The entry that Tab stops at: the one that last had the focus, else the open run, else the first.
  const stop = [focused, openId].find((id) => id !== undefined && drawn.some((run) => run.id === id)) ?? drawn[0]?.id;

  const move = (event: KeyboardEvent<HTMLElement>) => {
    const items = [...(list.current?.querySelectorAll<HTMLElement>("[data-run]") ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, j: at + 1, k: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items[Math.min(items.length - 1, Math.max(0, to))]?.focus();
  };
  const clear = () => {
    setText("");
    setStatus("");
    setMost(PAGE);
    search.current?.focus();
  };
  const enter = (event: KeyboardEvent<HTMLElement>) => {
    if (event.key === "Escape") {
      // Escape leaves the field. Chromium would empty it.
      event.preventDefault();
      search.current?.blur();
    }
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    list.current?.querySelector<HTMLElement>("[data-run]")?.focus();
  };

  return (
    <>
      <search className="filter">
        <input
          ref={search}
          type="search"
          aria-label="Filter by task, run id or tag"
          placeholder="Task, run id or tag"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setMost(PAGE);
          }}
          onKeyDown={enter}
          spellCheck={false}
          autoComplete="off"
        />
        <select
          aria-label="Filter by status"
          value={status}
          onChange={(event) => {
            setStatus(event.target.value);
            setMost(PAGE);
          }}
        >
          <option value="">Every status</option>
          <option value="live">Not ended</option>
          {STATUSES.map((name) => (
            <option key={name} value={name}>
              {wordsOf(name)}
            </option>
          ))}
        </select>
      </search>
      <p className="count" role="status">
        {shown.length === runs.length ? counted(runs.length) : `${shown.length} of ${counted(runs.length)}`}
      </p>
      <div className="list" ref={list}>
        <ol onKeyDown={move} aria-label="Runs, newest first">
          {drawn.map((run) => (
            <li key={run.id}>
              <button
                type="button"
                data-run={run.id}
                tabIndex={run.id === stop ? 0 : -1}
                aria-current={run.id === openId ? "true" : undefined}
                onFocus={() => setFocused(run.id)}
                onClick={() => onOpen(run.id)}
              >
                <Item run={run} age={ago(now - run.createdAt.getTime())} />
              </button>
            </li>
          ))}
        </ol>
        {shown.length > most && (
          <button type="button" className="more" onClick={() => setMost(most + PAGE)}>
            Show {Math.min(PAGE, shown.length - most)} more
          </button>
        )}
        {shown.length === 0 && runs.length > 0 && (
          <p className="none">
            No run matches.{" "}
            <button type="button" className="small" onClick={clear}>
              Clear the filter
            </button>
          </p>
        )}
      </div>
    </>
  );
}

const Item = memo(function Item({ run, age }: { run: Run; age: string }) {
  const percent = isFinal(run.status) ? undefined : percentOf(run.metadata);
  const word = isFinal(run.status) ? undefined : wordOf(run.metadata);
  return (
    <>
      <span className="line">
        <span className={`mark ${familyOf(run.status)}`} aria-hidden="true" />
        <span className="task">{run.taskIdentifier}</span>
        <span className="word">{wordsOf(run.status)}</span>
      </span>
      <span className="line minor">
        <code>…{run.id.slice(-8)}</code>
        {word !== undefined && <span className="label">{word}</span>}
        <span className="age">{age}</span>
      </span>
      {percent !== undefined && <Progress percent={percent} label={`Progress of ${run.taskIdentifier}`} />}
    </>
  );
});

function matches(run: Run, text: string, status: string): boolean {
  if (status === "live" ? isFinal(run.status) : status !== "" && run.status !== status) return false;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const within = [run.taskIdentifier, run.id, ...run.tags].join("\n").toLowerCase();
  return words.every((word) => within.includes(word));
}

function counted(count: number): string {
  return count === 1 ? "1 run" : `${count} runs`;
}
