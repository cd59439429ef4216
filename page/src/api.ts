// The emulator's own calls for this page. They need no key.

/**
 * The path of the relay on this page's origin, which the official hooks read through. `?direct` in the page's address
 * bypasses it.
 */
const API_PATH = "/relay";

/** The API's base URL. */
export const baseURL = location.origin + (new URLSearchParams(location.search).has("direct") ? "" : API_PATH);

/** A task that can be triggered. */
export interface Task {
  id: string;
  builtIn: boolean;
  /** The input streams that it reads. */
  inputs: string[];
  /** The streams that it writes. */
  streams: string[];
}

/** The emulator's default key. It is no secret, and the same for every emulator. */
const DEFAULT_KEY = "tr_dev_emulatornotasecret";

/** The lines of an app's environment that point it at this emulator. */
export const variablesOf = ({ hasDefaultKey }: Session) =>
  `TRIGGER_API_URL=${location.origin}\n` +
  `TRIGGER_SECRET_KEY=${hasDefaultKey ? DEFAULT_KEY : "<the key that the emulator was given>"}`;

/** A session of the page: a public token of the main environment, and whether its key is the default one. */
export interface Session {
  publicAccessToken: string;
  hasDefaultKey?: boolean;
}

/** Opens a session; with a run, one for that run alone. */
export async function openSession(runId?: string): Promise<Session> {
  return call("POST", "/emulator/session", runId === undefined ? {} : { runId });
}

/** All tasks, sorted by name. */
export async function listTasks(): Promise<Task[]> {
  return (await call("GET", "/emulator/tasks")).tasks;
}

/** The time of the emulator's clock, and whether it is a manual clock. */
export async function readClock(): Promise<{ now: string; manual: boolean }> {
  return call("GET", "/emulator/clock");
}

/** Cancels a run. */
export async function cancelRun(id: string): Promise<void> {
  await call("POST", `/emulator/runs/${encodeURIComponent(id)}/cancel`, {});
}

/** Triggers a run again. Returns the new run's id. */
export async function replayRun(id: string): Promise<string> {
  return (await call("POST", `/emulator/runs/${encodeURIComponent(id)}/replay`, {})).id;
}

// biome-ignore lint/suspicious/noExplicitAny: the answers are the emulator's own, of this package's version
async function call(method: string, path: string, body?: unknown): Promise<any> {
  const sent = fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const response = await sent.catch(() => {
    throw new Error("the emulator does not answer");
  });
  const text = await response.text();
  if (!response.ok) throw new Error(errorOf(text) ?? `${method} ${path} was answered ${response.status}`);
  return JSON.parse(text);
}

/** The error of a response. */
function errorOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text);
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}
