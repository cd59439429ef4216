// The calls of pages: trigger, complete, send.

const handle = ["id", "isCached", "publicAccessToken", "taskIdentifier"];
const refused = (status, code) => `Failed to load resource: the server responded with a status of ${status} (${code})`;
const USED = "Cannot trigger echo with a one-time use token as it has already been used.";
const executed = { path: ["run", "status"], order: ["QUEUED", "DEQUEUED", "EXECUTING", "COMPLETED"] };

export const calls = [
  {
    name: "a task is triggered twice with one token for several uses",
    recording: "browser-hooks-useTaskTrigger.json",
    hook: "useTaskTrigger",
    async play({ control, open }) {
      const token = control.token(["trigger:tasks:echo"]);
      const tab = await open("useTaskTrigger", { task: "echo", payload: { from: "browser" } }, token);
      await tab.press("Submit");
      await tab.shows((state) => state.id && !state.isLoading);
      await tab.press("Submit");
      await tab.shows((state) => state.id !== window.states[2].id && !state.isLoading);
      return tab;
    },
    states: () => [
      { isLoading: false },
      { isLoading: true },
      { handle, id: "<run 1>", isLoading: false },
      { handle, id: "<run 1>", isLoading: true },
      { handle, id: "<run 2>", isLoading: false },
    ],
  },
  {
    name: "a one-time token triggers once, and the second time is told so",
    hook: "useTaskTrigger",
    async play({ control, open }) {
      const token = control.token(["trigger:tasks:echo"], { otu: true, jti: crypto.randomUUID() });
      const tab = await open("useTaskTrigger", { task: "echo", payload: {} }, token);
      await tab.press("Submit");
      await tab.shows((state) => state.id && !state.isLoading);
      await tab.press("Submit");
      await tab.shows((state) => state.error);
      return tab;
    },
    final: {
      handle,
      id: "<run 1>",
      isLoading: false,
      error: { error: "TriggerApiError", message: USED, status: 422 },
    },
    console: [refused(422, "Unprocessable Entity"), `TriggerApiError: ${USED}`],
  },
  {
    name: "a token for another task does not trigger this one",
    hook: "useTaskTrigger",
    async play({ control, open }) {
      const tab = await open("useTaskTrigger", { task: "echo", payload: {} }, control.token(["trigger:tasks:other"]));
      await tab.press("Submit");
      await tab.shows((state) => state.error);
      return tab;
    },
    final: { isLoading: false, error: { error: "TriggerApiError", message: "Unauthorized", status: 403 } },
    console: [refused(403, "Forbidden"), "TriggerApiError: Unauthorized"],
  },
  {
    name: "a task is triggered and its run followed to the end",
    hook: "useRealtimeTaskTrigger",
    async play({ control, open }) {
      const props = { task: "hello", payload: { from: "browser" }, submitOptions: { tags: ["from-page"] } };
      const tab = await open("useRealtimeTaskTrigger", props, control.token(["trigger:tasks:hello"]));
      await tab.press("Submit");
      await tab.shows((state) => state.run?.status === "COMPLETED");
      return tab;
    },
    legal: executed,
    final: {
      id: "<run 1>",
      run: {
        id: "<run 1>",
        status: "COMPLETED",
        isCompleted: true,
        payload: { from: "browser" },
        output: { ok: true, echo: { from: "browser" } },
        metadata: { progress: 99, log: ["step 1", "step 2", "step 3"] },
        tags: ["from-page", "added-by-run"],
      },
      isLoading: false,
    },
  },
  {
    name: "a task is triggered and its run followed with its streams",
    hook: "useRealtimeTaskTriggerWithStreams",
    async play({ control, open }) {
      const props = { task: "streamer", payload: { n: 4 } };
      const tab = await open("useRealtimeTaskTriggerWithStreams", props, control.token(["trigger:tasks:streamer"]));
      await tab.press("Submit");
      await tab.shows(
        (state) => state.run?.status === "COMPLETED" && state.streams.ai?.length === 4 && state.streams.log,
      );
      return tab;
    },
    legal: executed,
    final: {
      id: "<run 1>",
      run: {
        id: "<run 1>",
        status: "COMPLETED",
        isCompleted: true,
        payload: { n: 4 },
        output: "plain string output",
        tags: [],
      },
      streams: {
        ai: ["Once ", "upon ", "a ", "time é"].map((delta) => ({ type: "text-delta", delta })),
        log: ["appended line"],
      },
      isLoading: false,
    },
  },
  {
    name: "a wait token is completed with its own public token, and the run that waits goes on",
    recording: "browser-hooks-useWaitToken.json",
    hook: "useWaitToken",
    async play({ control, open }) {
      const { id } = await control.trigger("approval");
      const metadata = await control.until(id, (run) => run.metadata?.publicAccessToken && run.metadata);
      const props = { tokenId: metadata.tokenId, output: { approved: "from browser" } };
      const tab = await open("useWaitToken", props, metadata.publicAccessToken);
      await tab.press("Complete");
      await tab.shows((state) => state.isCompleted);
      tab.afterwards = await control.until(id, (run) => run.status === "COMPLETED" && run.output);
      return tab;
    },
    states: () => [
      { isLoading: false, isCompleted: false, isReady: true },
      { isLoading: true, isCompleted: false, isReady: true },
      { isLoading: false, isCompleted: true, isReady: true },
    ],
    afterwards: { result: { ok: true, output: { approved: "from browser" } } },
  },
  {
    name: "a wait token is not completed with a token for another",
    hook: "useWaitToken",
    async play({ control, open }) {
      const { body } = await control.call("POST", "/api/v1/waitpoints/tokens", {});
      const tab = await open("useWaitToken", { tokenId: body.id }, control.token(["write:waitpoints:waitpoint_other"]));
      await tab.press("Complete");
      await tab.shows((state) => state.error);
      return tab;
    },
    final: {
      isLoading: false,
      isCompleted: false,
      isReady: true,
      error: { error: "TriggerApiError", message: "Unauthorized", status: 403 },
    },
    console: [refused(403, "Forbidden"), "TriggerApiError: Unauthorized"],
  },
  {
    name: "what is sent to a run's input stream reaches the run",
    recording: "browser-hooks-useInputStreamSend.json",
    hook: "useInputStreamSend",
    async play({ control, open }) {
      const { id, token } = await control.trigger("chat");
      const props = { runId: id, streamId: "approval", data: { approved: "from browser" } };
      const tab = await open("useInputStreamSend", props, token);
      await tab.press("Send");
      await tab.shows((state, before) => !state.isLoading && window.states.length >= before, 3);
      tab.afterwards = await control.until(id, (run) => run.status === "COMPLETED" && run.output);
      return tab;
    },
    states: () => [
      { isLoading: false, isReady: true },
      { isLoading: true, isReady: true },
      { isLoading: false, isReady: true },
    ],
    afterwards: { received: { approved: "from browser" } },
  },
  {
    name: "nothing is sent to a run that has ended",
    recording: "browser-hooks-useInputStreamSend-completed.json",
    hook: "useInputStreamSend",
    async play({ control, open }) {
      const runId = await control.run({ status: "EXECUTING" });
      await control.complete(runId);
      const token = control.token([`write:inputStreams:${runId}`]);
      const tab = await open("useInputStreamSend", { runId, streamId: "approval", data: 1 }, token);
      await tab.press("Send");
      await tab.shows((state) => state.error);
      return tab;
    },
    states: () => [
      { isLoading: false, isReady: true },
      { isLoading: true, isReady: true },
      {
        isLoading: false,
        isReady: true,
        error: {
          error: "TriggerApiError",
          message: "Cannot send to input stream on a completed run",
          status: 400,
        },
      },
    ],
    console: [refused(400, "Bad Request"), "TriggerApiError: Cannot send to input stream on a completed run"],
  },
];
