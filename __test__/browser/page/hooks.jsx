// Each official hook with a component that shows what it gives.

import {
  useInputStreamSend,
  useRealtimeBatch,
  useRealtimeRun,
  useRealtimeRunsWithTag,
  useRealtimeRunWithStreams,
  useRealtimeStream,
  useRealtimeTaskTrigger,
  useRealtimeTaskTriggerWithStreams,
  useRun,
  useTaskTrigger,
  useWaitToken,
} from "@trigger.dev/react-hooks";
import { useCallback, useState } from "react";
import { Fields } from "./fields.jsx";
import { shownRun } from "./shown.mjs";

const pair = (run) => [run.id, run.status];

function Run({ runId, options, whole, inline }) {
  const [ended, setEnded] = useState([]);
  const onComplete = useCallback((run) => setEnded((before) => [...before, run.status]), []);
  // Most people write the function where they give it: it is another one at each render.
  const given = inline ? (run) => onComplete(run) : onComplete;
  const { run, error, stop } = useRealtimeRun(runId, { ...options, onComplete: given });
  return (
    <Fields hook="useRealtimeRun" values={{ run: shownRun(run, whole), error, onComplete: ended }}>
      <button type="button" onClick={stop}>
        Stop
      </button>
    </Fields>
  );
}

function RunWithStreams({ runId, options }) {
  const { run, streams, error } = useRealtimeRunWithStreams(runId, options);
  return <Fields hook="useRealtimeRunWithStreams" values={{ run: shownRun(run), streams, error }} />;
}

function RunsWithTag({ tag, options, whole }) {
  const { runs, error } = useRealtimeRunsWithTag(tag, options);
  const values = { runs: runs.map(whole ? (run) => shownRun(run) : pair), error };
  return <Fields hook="useRealtimeRunsWithTag" values={values} />;
}

function Batch({ batchId, options }) {
  const { runs, error } = useRealtimeBatch(batchId, options);
  return <Fields hook="useRealtimeBatch" values={{ runs: runs.map(pair), error }} />;
}

function Stream({ runId, streamKey, options }) {
  const [count, setCount] = useState(0);
  const onData = useCallback(() => setCount((before) => before + 1), []);
  const { parts, error, lastEventId, stop } = useRealtimeStream(runId, streamKey, { ...options, onData });
  return (
    <Fields
      hook="useRealtimeStream"
      values={{ parts, error, onData: count, lastEventId: options.maxParts && lastEventId }}
    >
      <button type="button" onClick={stop}>
        Stop
      </button>
    </Fields>
  );
}

function InputSend({ runId, streamId, data, options }) {
  const { send, isLoading, isReady, error } = useInputStreamSend(streamId, runId, options);
  return (
    <Fields hook="useInputStreamSend" values={{ isLoading, isReady, error }}>
      <button type="button" onClick={() => send(data)}>
        Send
      </button>
    </Fields>
  );
}

function Submit({ submit, payload, options }) {
  return (
    <button type="button" onClick={() => submit(payload, options)}>
      Submit
    </button>
  );
}

function TaskTrigger({ task, payload, submitOptions, options }) {
  const { submit, handle, isLoading, error } = useTaskTrigger(task, options);
  const values = { handle: handle && Object.keys(handle).sort(), id: handle?.id, isLoading, error };
  return (
    <Fields hook="useTaskTrigger" values={values}>
      <Submit submit={submit} payload={payload} options={submitOptions} />
    </Fields>
  );
}

function RealtimeTaskTrigger({ task, payload, submitOptions, options }) {
  const { submit, handle, run, isLoading, error } = useRealtimeTaskTrigger(task, options);
  return (
    <Fields hook="useRealtimeTaskTrigger" values={{ id: handle?.id, run: shownRun(run), isLoading, error }}>
      <Submit submit={submit} payload={payload} options={submitOptions} />
    </Fields>
  );
}

function RealtimeTaskTriggerWithStreams({ task, payload, submitOptions, options }) {
  const { submit, handle, run, streams, isLoading, error } = useRealtimeTaskTriggerWithStreams(task, options);
  const values = { id: handle?.id, run: shownRun(run), streams, isLoading, error };
  return (
    <Fields hook="useRealtimeTaskTriggerWithStreams" values={values}>
      <Submit submit={submit} payload={payload} options={submitOptions} />
    </Fields>
  );
}

function WaitToken({ tokenId, output, options }) {
  const { complete, isLoading, isCompleted, isReady, error } = useWaitToken(tokenId, options);
  return (
    <Fields hook="useWaitToken" values={{ isLoading, isCompleted, isReady, error }}>
      <button type="button" onClick={() => complete(output)}>
        Complete
      </button>
    </Fields>
  );
}

function Retrieve({ runId, options }) {
  const { run, error, isLoading } = useRun(runId, options);
  return <Fields hook="useRun" values={{ run: shownRun(run), error, isLoading }} />;
}

/** The components by the hook they show. */
export const hooks = {
  useInputStreamSend: InputSend,
  useRealtimeBatch: Batch,
  useRealtimeRun: Run,
  useRealtimeRunWithStreams: RunWithStreams,
  useRealtimeRunsWithTag: RunsWithTag,
  useRealtimeStream: Stream,
  useRealtimeTaskTrigger: RealtimeTaskTrigger,
  useRealtimeTaskTriggerWithStreams: RealtimeTaskTriggerWithStreams,
  useRun: Retrieve,
  useTaskTrigger: TaskTrigger,
  useWaitToken: WaitToken,
};
