// Streams of runs, of both versions.

const VERSIONS = ["v1", "v2"];
const parts = (count) => Array.from({ length: count }, (_, n) => ({ type: "text-delta", delta: `tok${n} é` }));

/** A run whose streams are of this version. */
const streaming = (control, streamsVersion) => control.run({ status: "EXECUTING", payload: '{"n":4}', streamsVersion });

/** The parts that a state shows are those before it, and perhaps more; their callbacks never go before them. */
const growing = {
  path: ["parts", "length"],
  order: [0, 1, 2, 3, 4, 5],
};

const ofBothVersions = VERSIONS.flatMap((version) => [
  {
    name: `the parts of a ${version} stream are shown as they are written`,
    recording: version === "v2" ? "browser-hooks-useRealtimeStream.json" : undefined,
    hook: "useRealtimeStream",
    async play({ control, open }) {
      const runId = await streaming(control, version);
      const tab = await open("useRealtimeStream", { runId, streamKey: "ai" }, control.reader(runId));
      for (const [index, part] of parts(5).entries()) {
        await control.append(runId, "ai", part);
        await tab.shows((state, count) => state.parts.length === count && state.onData === count, index + 1);
      }
      return tab;
    },
    legal: growing,
    every: [0, 1, 2, 3, 4, 5],
    final: { parts: parts(5), onData: 5 },
  },
  {
    name: `a page that comes late is shown a ${version} stream from its beginning`,
    hook: "useRealtimeStream",
    async play({ control, open }) {
      const runId = await streaming(control, version);
      await control.append(runId, "ai", ...parts(3));
      const tab = await open("useRealtimeStream", { runId, streamKey: "ai" }, control.reader(runId));
      await tab.shows((state) => state.onData === 3 && state.parts.length === 3);
      await control.append(runId, "ai", ...parts(5).slice(3));
      await tab.shows((state) => state.onData === 5 && state.parts.length === 5);
      return tab;
    },
    legal: growing,
    final: { parts: parts(5), onData: 5 },
  },
]);

export const streams = [
  ...ofBothVersions,
  {
    name: "the last of a stream's parts alone is kept where that is asked for",
    hook: "useRealtimeStream",
    async play({ control, open }) {
      const runId = await streaming(control, "v2");
      await control.append(runId, "ai", "old", "last");
      const options = { from: "latest", maxParts: 1 };
      const tab = await open("useRealtimeStream", { runId, streamKey: "ai", options }, control.reader(runId));
      await tab.shows((state) => state.parts[0] === "last");
      await control.append(runId, "ai", "new");
      await tab.shows((state) => state.parts[0] === "new");
      return tab;
    },
    // Whether `from` leaves out the old parts is the server's affair (the recorded one does not).
    hide: ["onData"],
    final: { parts: ["new"], lastEventId: "2" },
  },
  {
    name: "a stream is gone on with after the part that was seen last",
    hook: "useRealtimeStream",
    async play({ control, open }) {
      const runId = await streaming(control, "v2");
      await control.append(runId, "ai", ...parts(4));
      const options = { lastEventId: "1" };
      const tab = await open("useRealtimeStream", { runId, streamKey: "ai", options }, control.reader(runId));
      await tab.shows((state) => state.onData === 2 && state.parts.length === 2);
      return tab;
    },
    final: { parts: parts(4).slice(2), onData: 2 },
  },
  {
    name: "a stream is refused to a token of another run",
    hook: "useRealtimeStream",
    async play({ control, open }) {
      const runId = await streaming(control, "v2");
      const tab = await open("useRealtimeStream", { runId, streamKey: "ai" }, control.token(["read:runs:run_other"]));
      await tab.shows((state) => state.error);
      return tab;
    },
    final: {
      parts: [],
      error: { error: "TriggerApiError", message: "403 Could not subscribe to stream", status: 403 },
      onData: 0,
    },
    console: ["Failed to load resource: the server responded with a status of 403 (Forbidden)"],
  },
  ...VERSIONS.map((version) => ({
    name: `a run and its ${version} streams are shown together`,
    recording: version === "v2" ? "browser-hooks-useRealtimeRunWithStreams.json" : undefined,
    hook: "useRealtimeRunWithStreams",
    async play({ control, open }) {
      const runId = await streaming(control, version);
      const tab = await open("useRealtimeRunWithStreams", { runId }, control.reader(runId));
      await tab.shows((state) => state.run?.status === "EXECUTING");
      await control.change(runId, { realtimeStreams: ["ai", "log"], usageDurationMs: 50 });
      for (const [index, part] of parts(4).entries()) {
        await control.append(runId, "ai", part);
        await tab.shows((state, count) => state.streams.ai?.length === count, index + 1);
      }
      await control.append(runId, "log", "appended line");
      await tab.shows((state) => state.streams.log);
      await control.complete(runId, { output: '"plain string output"' });
      await tab.shows((state) => state.run.status === "COMPLETED");
      return tab;
    },
    legal: { path: ["run", "status"], order: ["EXECUTING", "COMPLETED"] },
    final: {
      run: {
        id: "<run 1>",
        status: "COMPLETED",
        isCompleted: true,
        payload: { n: 4 },
        output: "plain string output",
        tags: [],
      },
      streams: { ai: parts(4), log: ["appended line"] },
    },
  })),
];
