// What is expected of `trigger-native/react` where it does not show what the official hooks show, and why.

const nothing = { onComplete: [] };
const at = (status, fields = {}) => ({
  run: { id: "<run 1>", status, isCompleted: false, tags: [], ...fields },
  onComplete: [],
});

/** Scenarios in which ours promises another thing, by their names. */
export const different = {
  "a run that is cancelled before it starts is shown as such, and the page goes on asking": {
    why: "it is over, and the page leaves (defects.md 22)",
    async play({ control, open }) {
      const { id, token } = await control.trigger("echo", {}, { delay: "1h" });
      const tab = await open("useRealtimeRun", { runId: id }, token);
      await tab.shows((state) => state.run?.status === "DELAYED");
      await control.call("POST", `/api/v2/runs/${id}/cancel`);
      await tab.shows((state) => state.onComplete.length > 0);
      await tab.rests();
      return tab;
    },
    states() {
      const last = at("CANCELED", { payload: {}, error: { message: "Canceled by user" } });
      return [nothing, at("DELAYED", { payload: {} }), last, { ...last, onComplete: ["CANCELED"] }];
    },
  },
  "as recorded: useRealtimeRun-cancelled-queued": {
    why: "it is over (defects.md 22)",
    states: (official) => [...official, { ...official.at(-1), onComplete: ["CANCELED"] }],
  },
  "a token that expires meanwhile shows what came before, and then why no more comes": {
    why: "it ends with its token, and not with the poll that the token had opened",
    async play({ control, open, target }) {
      const id = await control.run({ status: "EXECUTING", payload: '{"long":1}' });
      let tab;
      // A slow machine needs a token that lives longer to be shown the run.
      for (let life = 2; !(await tab?.states())?.at(-1).run; life *= 2) {
        const exp = Math.floor(Date.now() / 1000) + life - target.leeway;
        tab = await open("useRealtimeRun", { runId: id }, control.reader(id, { exp }));
        await tab.shows((state) => state.run || state.error);
      }
      await tab.shows((state) => state.error);
      await tab.rests();
      return tab;
    },
    states() {
      const shown = at("EXECUTING", { payload: { long: 1 } });
      const error = {
        error: "TriggerApiError",
        message: "The token has expired: ask again with a new one",
        status: 401,
      };
      return [nothing, shown, { ...shown, error }];
    },
  },
};

/** Hooks that make a call: their requests are the official ones, and are refused as those. */
const CALLS = ["useInputStreamSend", "useRun", "useTaskTrigger", "useWaitToken"];

/**
 * A scenario as our hooks are to play it. It says `why` where they show something else; the rest of the page is the same.
 *
 * - A feed that is refused is told so within the live stream: the error has the server's words and status, not the text of
 *   a request; and the browser writes no failed request to its console.
 * - A call that fails is in `error`: it is no unhandled rejection, which the browser would write to its console.
 * - What {@link different} says.
 */
export function nativeScenario(scenario) {
  const { console = [], states, final } = scenario;
  const own = different[scenario.name];
  const isCall = CALLS.includes(scenario.hook);
  const said = console.filter((line) => isCall && !line.startsWith("TriggerApiError: "));
  const refused = !isCall && JSON.stringify([final, states?.()]).includes('"status":4');
  return {
    ...scenario,
    console: said,
    ...(refused ? { why: "the error has the server's words" } : {}),
    ...(states ? { states: () => states().map(inServersWords) } : {}),
    ...(final ? { final: inServersWords(final) } : {}),
    ...own,
    ...(own?.states ? { states: () => own.states(states()) } : {}),
  };
}

/** A state of an official hook, with the error that ours has in its place. */
function inServersWords(state) {
  const { error } = state;
  const refusal = /^HTTP Error \d+ at [^{]*(\{.*\})$/.exec(error?.message);
  const isStream = error?.message?.endsWith(" Could not subscribe to stream");
  if (!refusal && !isStream) return state;
  const message = refusal ? JSON.parse(refusal[1]).error : "Unauthorized";
  return { ...state, error: { error: "TriggerApiError", message, status: error.status } };
}
