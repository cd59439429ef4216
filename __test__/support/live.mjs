// A client of `POST {base}/relay/v1/live` as docs/relay-live.md describes it, and the body that it sends.

/** @typedef {{ at: string, run: Record<string, any> }} Row */
/** @typedef {{ rows: Map<string, Row>, ready: boolean, over: boolean, error?: any }} Want what a page has of it */

/** The events of a response: `[name, id, told]`. @param {Response} response */
export async function* eventsOf(response) {
  let text = "";
  const decoder = new TextDecoder();
  for await (const part of response.body) {
    text += decoder.decode(part, { stream: true });
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const lines = event.split("\n");
      const data = lines.flatMap((line) => (line.startsWith("data: ") ? line.slice(6) : []));
      const name = lines.find((line) => line.startsWith("event: "))?.slice(7);
      if (name !== undefined) yield [name, ...JSON.parse(data.join("\n"))];
    }
  }
}

/** What a page has of a want from the start. @returns {Want} */
export const nothing = () => ({ rows: new Map(), ready: false, over: false });

/** Applies an event. @param {Want} want @param {string} name @param {any} told */
export function apply(want, name, told) {
  if (name === "row") want.rows.set(told.key, { at: told.at, run: told.run });
  else if (name === "change") {
    const row = want.rows.get(told.key);
    const run = { ...row.run };
    for (const field of told.unset ?? []) delete run[field];
    want.rows.set(told.key, { at: told.at, run: Object.assign(run, told.set) });
  } else if (name === "gone") want.rows.delete(told.key);
  else if (name === "ready") want.ready = true;
  else if (name === "end") want.over = true;
  else if (name === "error") [want.error, want.over] = [told, true];
}

/** The places that a page has reached. @param {Want} want */
export const places = (want) => Array.from(want.rows.values(), ({ at }) => at);

/** The options of the request. @param {object[]} wants @param {Record<string, string>} [headers] */
export const asking = (wants, headers = {}) => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify({ wants }),
});
