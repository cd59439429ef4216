// The page: it gets a token, then shows the list of runs and the open run.

import { TriggerAuthContext } from "@trigger.dev/react-hooks";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { baseURL, listTasks, openSession, type Session, type Task, variablesOf } from "./api.js";
import { CopyButton } from "./copy-button.js";
import { HelpDialog } from "./help-dialog.js";
import { RunDetail } from "./run-detail.js";
import { RunList } from "./run-list.js";
import { useRuns } from "./runs.js";
import { useShortcuts } from "./shortcuts.js";
import { clock, useClockByHand } from "./time.js";
import { TokenDialog } from "./token-dialog.js";
import { TriggerDialog } from "./trigger-dialog.js";

export function App() {
  const [session, setSession] = useState<Session>();
  const [broken, setBroken] = useState(false);
  const connect = useCallback(async () => {
    try {
      setSession(await openSession());
      setBroken(false);
    } catch {
      setBroken(true);
    }
  }, []);
  useEffect(() => {
    connect();
  }, [connect]);
  const auth = useMemo(() => ({ accessToken: session?.publicAccessToken ?? "", baseURL }), [session]);
  if (session === undefined) {
    return (
      <main className="empty">
        <p role="status">{broken ? "The emulator does not answer." : "Connecting…"}</p>
        {broken && (
          <button type="button" onClick={connect}>
            Try again
          </button>
        )}
      </main>
    );
  }
  return (
    <TriggerAuthContext.Provider value={auth}>
      <Emulator session={session} />
    </TriggerAuthContext.Provider>
  );
}

type Dialog = "trigger" | "token" | "help" | undefined;

/** Wide enough for the list and a run beside each other (`phone.css`). */
const WIDE = "(min-width: 761px)";

function Emulator({ session }: { session: Session }) {
  const { runs, seen, state } = useRuns();
  const [openId, setOpenId] = useState<string | undefined>(() => location.hash.slice(1) || undefined);
  const [dialog, setDialog] = useState<Dialog>();
  const [tasks, setTasks] = useState<Task[]>([]);
  const byHand = useClockByHand();
  const search = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);

  // On a wide page the newest run is open, until the user opens or closes one.
  const [untouched, setUntouched] = useState(openId === undefined);
  const newest = untouched && matchMedia(WIDE).matches ? runs[0]?.id : undefined;
  const [first, setFirst] = useState<string>();
  if (first === undefined && newest !== undefined) setFirst(newest);
  const shownId = openId ?? (untouched ? first : undefined);

  const openRun = useCallback((id: string | undefined) => {
    setUntouched(false);
    setOpenId(id);
    // A link to the run; back closes it.
    if (id !== undefined) history.pushState(null, "", `#${id}`);
    else if (location.hash !== "") history.pushState(null, "", location.pathname + location.search);
  }, []);
  const closeRun = useCallback(() => {
    const id = shownId;
    openRun(undefined);
    // The list may just have become visible.
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(`[data-run="${id}"]`)?.focus());
  }, [shownId, openRun]);
  const show = useCallback((name: Dialog) => {
    // The scripts may have been reloaded meanwhile.
    if (name === "trigger") listTasks().then(setTasks, () => undefined);
    setDialog(name);
  }, []);
  const enterList = () => {
    // A focused element handles its keys itself.
    if (document.activeElement !== document.body) return false;
    list.current?.querySelector<HTMLElement>('[data-run][tabindex="0"]')?.focus();
  };
  // A dialog's `close` event comes late: another dialog may be open by then.
  const hide = useCallback((name: Dialog) => setDialog((now) => (now === name ? undefined : now)), []);
  const opened = useCallback(
    (id: string) => {
      setDialog(undefined);
      openRun(id);
    },
    [openRun],
  );

  useEffect(() => {
    listTasks().then(setTasks, () => undefined);
    const back = () => setOpenId(location.hash.slice(1) || undefined);
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  useShortcuts({
    t: () => show("trigger"),
    w: () => show("token"),
    "?": () => show("help"),
    "/": () => search.current?.focus(),
    Escape: closeRun,
    // After a fresh load the arrow keys start in the list.
    ...Object.fromEntries(["ArrowDown", "ArrowUp", "j", "k"].map((key) => [key, enterList])),
  });

  const open = runs.find((run) => run.id === shownId);
  return (
    <div className={shownId === undefined ? "page" : "page with-run"}>
      <a className="skip" href="#runs">
        Skip to the runs
      </a>
      <header>
        <h1>
          <img src="/page/icon.svg" alt="" width="22" height="22" />
          <span>Emulator</span>
        </h1>
        <p className={`state ${state}`} role="status">
          <span className="dot" aria-hidden="true" />
          <span className="words">
            {{ connecting: "Connecting", live: "Live", broken: "Not connected, trying again" }[state]}
          </span>
        </p>
        {byHand && <p className="clock">Clock: {clock(byHand)}</p>}
        <div className="actions">
          <button type="button" className="primary" onClick={() => show("trigger")} aria-keyshortcuts="t">
            Trigger <kbd>T</kbd>
          </button>
          <button type="button" onClick={() => show("token")} aria-keyshortcuts="w">
            <span className="wide">Wait token</span>
            <span className="narrow">Token</span> <kbd>W</kbd>
          </button>
          <button type="button" onClick={() => show("help")} aria-label="Keyboard shortcuts" aria-keyshortcuts="?">
            ?
          </button>
        </div>
      </header>
      <nav id="runs" aria-label="Runs" tabIndex={-1}>
        <RunList runs={runs} openId={shownId} onOpen={openRun} search={search} list={list} />
      </nav>
      <main>
        {shownId === undefined ? (
          <Nothing hasRuns={runs.length > 0} session={session} onTrigger={() => show("trigger")} />
        ) : (
          <RunDetail
            key={shownId}
            id={shownId}
            inList={open}
            seen={seen.get(shownId) ?? []}
            task={tasks.find((task) => task.id === open?.taskIdentifier)}
            quiet={openId === undefined}
            onClose={closeRun}
            onOpen={openRun}
          />
        )}
      </main>
      {dialog === "trigger" && <TriggerDialog tasks={tasks} onClose={() => hide("trigger")} onTriggered={opened} />}
      {dialog === "token" && <TokenDialog onClose={() => hide("token")} />}
      {dialog === "help" && <HelpDialog onClose={() => hide("help")} />}
    </div>
  );
}

interface NothingProps {
  hasRuns: boolean;
  session: Session;
  onTrigger: () => void;
}

function Nothing({ hasRuns, session, onTrigger }: NothingProps) {
  const variables = variablesOf(session);
  return (
    <div className="empty">
      <h2>{hasRuns ? "No run is open" : "No runs yet"}</h2>
      <p>
        {hasRuns
          ? "Choose one of the list: arrow keys move, Enter opens."
          : "Runs that your app triggers are shown here as they come. Your app needs these:"}
      </p>
      {!hasRuns && (
        <div className="variables">
          <pre>
            <code>{variables}</code>
          </pre>
          <CopyButton label="Copy variables" text={variables} />
        </div>
      )}
      <button type="button" className="primary" onClick={onTrigger}>
        Trigger a task <kbd>T</kbd>
      </button>
    </div>
  );
}
