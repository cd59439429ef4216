// What the page asks of the emulator beside the API itself. Calls of its own page need no key.

/**
 * Where the official hooks send their requests, under this page's origin. `?direct` in the page's address leaves it out.
 */
const API_PATH = "/relay";

/** The API's base URL. */
export const baseURL = location.origin + (new URLSearchParams(location.search).has("direct") ? "" : API_PATH);

/** A task that can be triggered. */
export interface Task {
  id: string;
  builtIn: boolean;
  /** The input streams it waits for. */
  inputs: string[];
  /** The streams it writes to. */
  streams: string[];
}

/** The key of an emulator that was given none. It is no secret, and the same for all of them. */
const DEFAULT_KEY = "tr_dev_emulatornotasecret";

/** The settings of an app, as lines of its environment. */
export const variablesOf = ({ hasDefaultKey }: Session) =>
  `TRIGGER_API_URL=${location.origin}\n` +
  `TRIGGER_SECRET_KEY=${hasDefaultKey ? DEFAULT_KEY : "<the key that the emulator was given>"}`;

/** A session of the page: a public token of the main environment, and whether its key is the emulator's own. */
export interface Session {
  publicAccessToken: string;
  hasDefaultKey?: boolean;
}

/** Opens a session; with a run, one for that run only. */
export async function openSession(runId?: string): Promise<Session> {
  return call("POST", "/emulator/session", runId === undefined ? {} : { runId });
}

/** All tasks, in the order of their names. */
export async function listTasks(): Promise<Task[]> {
  return (await call("GET", "/emulator/tasks")).tasks;
}

/** Where the emulator's clock is, and whether it is moved by hand. */
export async function readClock(): Promise<{ now: string; manual: boolean }> {
  return call("GET", "/emulator/clock");
}

/** Cancels a run. */
export async function cancelRun(id: string): Promise<void> {
  await call("POST", `/emulator/runs/${encodeURIComponent(id)}/cancel`, {});
}

/** Runs a run once more; the new run's id. */
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
