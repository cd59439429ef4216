// One run, followed. Every change waits until the page shows the one before: so the states are exactly these.

const at = (status, fields = {}) => ({
  run: { id: "<run 1>", status, isCompleted: status === "COMPLETED" || status === "FAILED", tags: [], ...fields },
  onComplete: [],
});
const ended = (state) => ({ ...state, onComplete: [state.run.status] });
const nothing = { onComplete: [] };
const refused = (status, code) => `Failed to load resource: the server responded with a status of ${status} (${code})`;
const problem = (status, body, query = "log=full&offset=-1") => ({
  error: {
    error: "FetchError",
    message: `HTTP Error ${status} at <api>/realtime/v1/runs/<run 1>?${query}: ${JSON.stringify(body)}`,
    status,
  },
});
const UNAUTHORIZED = { error: "Unauthorized", code: "unauthorized", param: "access_token", type: "authorization" };
const INVALID = { error: "Public Access Token is invalid" };

/** Opens `useRealtimeRun` on a run. */
const follow = ({ open, control }, runId, options = {}, more = {}) =>
  open("useRealtimeRun", { runId, options, ...more }, control.reader(runId));

export const runs = [
  {
    name: "a run is followed from the queue to its output, and onComplete is called once",
    hook: "useRealtimeRun",
    async play(stage) {
      const { control } = stage;
      const payload = '{"json":{"a":1,"at":"2026-05-05T00:00:00.000Z"},"meta":{"values":{"at":["Date"]}}}';
      const id = await control.run({ status: "PENDING", payload, payloadType: "application/super+json" });
      const tab = await follow(stage, id);
      await tab.shows((state) => state.run?.status === "QUEUED");
      await control.change(id, { status: "DEQUEUED" });
      await tab.shows((state) => state.run.status === "DEQUEUED");
      await control.change(id, { status: "EXECUTING", startedAt: new Date().toISOString() });
      await tab.shows((state) => state.run.status === "EXECUTING");
      await control.change(id, { metadata: { progress: 50 } });
      await tab.shows((state) => state.run.metadata?.progress === 50);
      await control.change(id, { runTags: ["half"] });
      await tab.shows((state) => state.run.tags.length === 1);
      const output =
        '{"json":{"when":"2026-01-02T03:04:05.000Z","big":"12345678901234567890","map":[["k",1]]},"meta":{"values":{"when":["Date"],"big":["bigint"],"map":["map"]}}}';
      await control.complete(id, { output, outputType: "application/super+json" });
      await tab.shows((state) => state.onComplete.length > 0);
      return tab;
    },
    states() {
      const payload = { a: 1, at: { $date: "2026-05-05T00:00:00.000Z" } };
      const metadata = { progress: 50 };
      const tags = ["half"];
      const output = {
        when: { $date: "2026-01-02T03:04:05.000Z" },
        big: "12345678901234567890n",
        map: { $map: [["k", 1]] },
      };
      const last = at("COMPLETED", { payload, output, metadata, tags });
      return [
        nothing,
        at("QUEUED", { payload }),
        at("DEQUEUED", { payload }),
        at("EXECUTING", { payload }),
        at("EXECUTING", { payload, metadata }),
        at("EXECUTING", { payload, metadata, tags }),
        last,
        ended(last),
      ];
    },
  },
  {
    name: "a run of a task is followed with the token of its handle",
    hook: "useRealtimeRun",
    async play({ control, open }) {
      const { id, token } = await control.trigger("hello", { a: 1 });
      const tab = await open("useRealtimeRun", { runId: id }, token);
      await tab.shows((state) => state.onComplete.length > 0);
      return tab;
    },
    legal: { path: ["run", "status"], order: ["QUEUED", "DEQUEUED", "EXECUTING", "COMPLETED"] },
    final: ended(
      at("COMPLETED", {
        payload: { a: 1 },
        output: { ok: true, echo: { a: 1 } },
        metadata: { progress: 99, log: ["step 1", "step 2", "step 3"] },
        tags: ["added-by-run"],
      }),
    ),
  },
  {
    name: "a run is shown as it is in React's strict mode too",
    hook: "useRealtimeRun",
    async play(stage) {
      const id = await stage.control.run({ status: "EXECUTING" });
      const tab = await follow(stage, id, {}, { strict: true });
      await tab.shows((state) => state.run?.status === "EXECUTING");
      await stage.control.complete(id);
      await tab.shows((state) => state.onComplete.length > 0);
      return tab;
    },
    states: () => [nothing, at("EXECUTING"), at("COMPLETED"), ended(at("COMPLETED"))],
  },
  {
    name: "every column of a run is shown as it was written",
    hook: "useRealtimeRun",
    async play(stage) {
      const time = (second) => `2026-11-22T09:00:0${second}.250Z`;
      const id = await stage.control.run({
        status: "CANCELED",
        taskIdentifier: "report",
        createdAt: time(1),
        delayUntil: time(2),
        queuedAt: time(3),
        startedAt: time(4),
        completedAt: time(6),
        expiredAt: time(7),
        number: 12,
        isTest: true,
        usageDurationMs: 1234,
        costInCents: 0.25,
        baseCostInCents: 0.5,
        runTags: ["a", 'with "quotes", commas', "NULL"],
        realtimeStreams: [],
        payload: '"text"',
        metadata: '{"deep":{"list":[1,null,"é 🙂"]}}',
        error: { type: "STRING_ERROR", raw: "Canceled by user" },
      });
      const tab = await follow(stage, id, {}, { whole: true });
      await tab.shows((state) => state.onComplete.length > 0);
      return tab;
    },
    // When a run was changed last is the emulator's own clock.
    forget: [["run", "updatedAt"]],
    final: {
      run: {
        id: "<run 1>",
        taskIdentifier: "report",
        status: "CANCELED",
        createdAt: { $date: "2026-11-22T09:00:01.250Z" },
        delayedUntil: { $date: "2026-11-22T09:00:02.250Z" },
        queuedAt: { $date: "2026-11-22T09:00:03.250Z" },
        startedAt: { $date: "2026-11-22T09:00:04.250Z" },
        finishedAt: { $date: "2026-11-22T09:00:06.250Z" },
        expiredAt: { $date: "2026-11-22T09:00:07.250Z" },
        durationMs: 1234,
        costInCents: 0.25,
        baseCostInCents: 0.5,
        isTest: true,
        tags: ["a", 'with "quotes", commas', "NULL"],
        realtimeStreams: [],
        payload: "text",
        metadata: { deep: { list: [1, null, "é 🙂"] } },
        error: { message: "Canceled by user" },
        isQueued: false,
        isExecuting: false,
        isWaiting: false,
        isCompleted: false,
        isFailed: false,
        isSuccess: false,
        isCancelled: true,
      },
      onComplete: ["CANCELED"],
    },
  },
  {
    name: "a column that the page skips is never shown",
    hook: "useRealtimeRun",
    async play(stage) {
      const { control } = stage;
      const id = await control.run({ status: "EXECUTING", payload: '"not for browsers"', metadata: { progress: 1 } });
      const tab = await follow(stage, id, { skipColumns: ["payload", "output"] });
      await tab.shows((state) => state.run?.status === "EXECUTING");
      await control.complete(id, { output: '"not for browsers"' });
      await tab.shows((state) => state.onComplete.length > 0);
      return tab;
    },
    states() {
      const metadata = { progress: 1 };
      const last = at("COMPLETED", { metadata });
      return [nothing, at("EXECUTING", { metadata }), last, ended(last)];
    },
    never: "not for browsers",
  },
  {
    name: "a column that the token forbids never reaches the page",
    hook: "useRealtimeRun",
    async play({ control, open }) {
      const id = await control.run({ status: "EXECUTING", payload: '"not for browsers"', metadata: { progress: 1 } });
      const token = control.reader(id, { realtime: { skipColumns: ["payload", "output"] } });
      const tab = await open("useRealtimeRun", { runId: id }, token);
      await tab.shows((state) => state.run?.status === "EXECUTING");
      await control.complete(id, { output: '"not for browsers"' });
      await tab.shows((state) => state.onComplete.length > 0);
      return tab;
    },
    states() {
      const metadata = { progress: 1 };
      const last = at("COMPLETED", { metadata });
      return [nothing, at("EXECUTING", { metadata }), last, ended(last)];
    },
    never: "not for browsers",
  },
  {
    name: "a failed run shows its error",
    hook: "useRealtimeRun",
    async play(stage) {
      const { control } = stage;
      const { id, token } = await control.trigger("failing");
      const tab = await stage.open("useRealtimeRun", { runId: id }, token);
      await tab.shows((state) => state.onComplete.length > 0);
      return tab;
    },
    legal: { path: ["run", "status"], order: ["QUEUED", "DEQUEUED", "EXECUTING", "FAILED"] },
    final: ended(
      at("FAILED", {
        payload: {},
        metadata: { progress: 40 },
        error: {
          name: "TypeError",
          message: "boom from the task",
          stackTrace: "TypeError: boom from the task\n    at run (file:///app/src/trigger/tasks.ts:5:11)",
        },
      }),
    ),
  },
  {
    name: "a run that is cancelled before it starts is shown as such, and the page goes on asking",
    hook: "useRealtimeRun",
    async play({ control, open }) {
      const { id, token } = await control.trigger("echo", {}, { delay: "1h" });
      const tab = await open("useRealtimeRun", { runId: id }, token);
      await tab.shows((state) => state.run?.status === "DELAYED");
      await control.call("POST", `/api/v2/runs/${id}/cancel`);
      await tab.shows((state) => state.run.status === "CANCELED");
      await tab.follows();
      return tab;
    },
    states() {
      const error = { message: "Canceled by user" };
      return [nothing, at("DELAYED", { payload: {} }), at("CANCELED", { payload: {}, error })];
    },
  },
  {
    name: "with stopOnCompletion false what changes after the end is shown",
    hook: "useRealtimeRun",
    async play(stage) {
      const { control } = stage;
      const id = await control.run({ status: "EXECUTING" });
      const tab = await follow(stage, id, { stopOnCompletion: false });
      await tab.shows((state) => state.run?.status === "EXECUTING");
      await control.complete(id);
      await tab.shows((state) => state.onComplete.length > 0);
      await tab.follows();
      await control.change(id, { metadata: { late: true } });
      await tab.shows((state) => state.run.metadata?.late);
      await tab.follows();
      return tab;
    },
    states: () => [
      nothing,
      at("EXECUTING"),
      at("COMPLETED"),
      ended(at("COMPLETED")),
      ended(at("COMPLETED", { metadata: { late: true } })),
    ],
  },
  {
    name: "a stopped subscription shows nothing more",
    hook: "useRealtimeRun",
    async play(stage) {
      const { control } = stage;
      const id = await control.run({ status: "EXECUTING" });
      const tab = await follow(stage, id);
      await tab.shows((state) => state.run?.status === "EXECUTING");
      await tab.follows();
      await tab.press("Stop");
      await tab.rests();
      await control.complete(id);
      // Another page that is shown the end proves that it was there to be shown.
      const other = await follow(stage, id);
      await other.shows((state) => state.onComplete.length > 0);
      return tab;
    },
    states: () => [nothing, at("EXECUTING")],
  },
  {
    name: "a page that comes when the run has ended is shown the end at once",
    hook: "useRealtimeRun",
    async play(stage) {
      const id = await stage.control.run({ status: "EXECUTING" });
      await stage.control.complete(id, { output: '"done"' });
      const tab = await follow(stage, id);
      await tab.shows((state) => state.onComplete.length > 0);
      await tab.rests();
      return tab;
    },
    states: () => {
      const last = at("COMPLETED", { output: "done" });
      return [nothing, last, ended(last)];
    },
  },
  {
    name: "a token of another run is refused, and the page is told why",
    recording: "browser-hooks-useRealtimeRun-denied.json",
    hook: "useRealtimeRun",
    async play({ control, open }) {
      const id = await control.run({ status: "EXECUTING" });
      const tab = await open("useRealtimeRun", { runId: id }, control.token(["read:runs:run_other"]));
      await tab.shows((state) => state.error);
      return tab;
    },
    states: () => [nothing, { ...problem(403, UNAUTHORIZED), ...nothing }],
    console: [refused(403, "Forbidden")],
  },
  {
    name: "a token that expired before is refused",
    hook: "useRealtimeRun",
    async play({ control, open }) {
      const id = await control.run({ status: "EXECUTING" });
      const past = Math.floor(Date.now() / 1000) - 60;
      const tab = await open("useRealtimeRun", { runId: id }, control.reader(id, { exp: past, iat: past - 60 }));
      await tab.shows((state) => state.error);
      return tab;
    },
    states: () => [nothing, { ...problem(401, INVALID), ...nothing }],
    console: [refused(401, "Unauthorized")],
  },
  {
    name: "a token that another key signed is refused",
    hook: "useRealtimeRun",
    async play({ control, open }) {
      const id = await control.run({ status: "EXECUTING" });
      const token = control.token([`read:runs:${id}`], {}, "tr_dev_nobodyskey");
      const tab = await open("useRealtimeRun", { runId: id }, token);
      await tab.shows((state) => state.error);
      return tab;
    },
    states: () => [nothing, { ...problem(401, INVALID), ...nothing }],
    console: [refused(401, "Unauthorized")],
  },
  {
    name: "a token that expires meanwhile shows what came before, and then why no more comes",
    recording: "browser-hooks-useRealtimeRun-expiredtoken.json",
    hook: "useRealtimeRun",
    async play({ control, open, target }) {
      const id = await control.run({ status: "EXECUTING", payload: '{"long":1}' });
      let exp;
      let tab;
      // A slow machine needs a token that lives longer to be allowed its first poll.
      for (let life = 2; !(await tab?.follows(true)); life *= 2) {
        exp = Math.floor(Date.now() / 1000) + life;
        tab = await open("useRealtimeRun", { runId: id }, control.reader(id, { exp }));
        await tab.shows((state) => state.run || state.error);
      }
      // The poll that is held was allowed; the next one comes when the token is over, by any clock's reckoning.
      const over = (exp + target.leeway + 1) * 1000;
      await new Promise((resolve) => setTimeout(resolve, over - Date.now()));
      await control.change(id, { metadata: { progress: 33, log: ["step 1"] } });
      await tab.shows((state) => state.error);
      return tab;
    },
    states() {
      const payload = { long: 1 };
      const metadata = { progress: 33, log: ["step 1"] };
      const query = "cursor=<place>&handle=<handle>&live=true&log=full&offset=<place>";
      return [
        nothing,
        at("EXECUTING", { payload }),
        at("EXECUTING", { payload, metadata }),
        { ...at("EXECUTING", { payload, metadata }), ...problem(401, INVALID, query) },
      ];
    },
    console: [refused(401, "Unauthorized")],
  },
  {
    name: "a run that nobody knows is said to be unknown",
    hook: "useRealtimeRun",
    async play(stage) {
      const tab = await follow(stage, "run_cnobodyknowsthisrunatall0");
      await tab.shows((state) => state.error);
      return tab;
    },
    states: () => [nothing, { ...problem(404, { error: "Not found" }), ...nothing }],
    console: [refused(404, "Not Found")],
  },
  {
    name: "a run is asked for again and again by useRun until it has ended",
    hook: "useRun",
    async play({ control, open }) {
      const id = await control.run({ status: "EXECUTING", payload: '{"a":1}' });
      const tab = await open("useRun", { runId: id, options: { refreshInterval: 100 } }, control.reader(id));
      await tab.shows((state) => state.run?.status === "EXECUTING");
      await control.change(id, { metadata: { progress: 33 } });
      await tab.shows((state) => state.run.metadata?.progress === 33);
      await control.complete(id, { output: '{"b":2}' });
      await tab.shows((state) => state.run.status === "COMPLETED");
      await tab.rests();
      return tab;
    },
    states() {
      const { run } = at("EXECUTING", { payload: { a: 1 } });
      const metadata = { progress: 33 };
      return [
        { isLoading: true },
        { run, isLoading: false },
        { run: { ...run, metadata }, isLoading: false },
        {
          run: { ...run, status: "COMPLETED", isCompleted: true, metadata, output: { b: 2 } },
          isLoading: false,
        },
      ];
    },
  },
  {
    name: "useRun with a token of another run shows the refusal",
    hook: "useRun",
    async play({ control, open }) {
      const id = await control.run({ status: "EXECUTING" });
      const tab = await open("useRun", { runId: id }, control.token(["read:runs:run_other"]));
      await tab.shows((state) => state.error);
      return tab;
    },
    final: { error: { error: "TriggerApiError", message: "Unauthorized", status: 403 }, isLoading: false },
    console: [refused(403, "Forbidden")],
  },
];
