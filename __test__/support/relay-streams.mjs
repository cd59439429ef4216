/** Streams as a viewer without a client reads them: event by event, as they came. */

/**
 * The content of a body: the records of v2, the events of v1, whether it said that it is done, and the tail of the first
 * ping. Pings come when they come: nothing else of them counts.
 *
 * @param {string} body may end in the middle of an event
 */
export function eventsOf(body) {
  const told = { records: [], events: [], done: false, tail: undefined };
  for (const event of body.split("\n\n").slice(0, -1)) {
    const data = /^data: (.*)$/m.exec(event)?.[1];
    if (event === "data: [DONE]") told.done = true;
    else if (event.startsWith("event: batch")) told.records.push(...JSON.parse(data).records);
    else if (event.startsWith("event: ping")) told.tail ??= JSON.parse(data).tail.seq_num;
    else if (event !== "" && event !== ": ping") told.events.push(event);
  }
  return told;
}

/**
 * Reads a stream to its end.
 *
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {{ signal?: AbortSignal, onText?: (body: string) => unknown }} [options] `onText` is told all there is so
 *   far; nothing is read until what it returns is done
 */
export async function rawEvents(url, headers, { signal, onText } = {}) {
  const response = await fetch(url, { headers, signal });
  let body = "";
  let broken = false;
  try {
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      body += text;
      await onText?.(body);
    }
  } catch {
    broken = true;
  }
  const v2 = response.headers.get("x-stream-version") === "v2";
  return { status: response.status, v2, broken, body, ...eventsOf(body) };
}
