/** Server-sent events read as a browser does. */
import assert from "node:assert/strict";

/** The events of a response; comments are kept as `{ comment }`. */
export async function* events(response) {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of response.body) {
    text += decoder.decode(bytes, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = {};
      for (const line of text.slice(0, end).split("\n")) {
        const colon = line.indexOf(":");
        const name = colon === 0 ? "comment" : line.slice(0, colon);
        const value = line.slice(colon + 1).replace(/^ /, "");
        fields[name] = fields[name] === undefined ? value : `${fields[name]}\n${value}`;
      }
      text = text.slice(end + 2);
      yield fields;
    }
  }
  assert.equal(text, "", "the last event is whole");
}

/** All events of a response, without its comments. */
export async function all(response) {
  const list = [];
  for await (const each of events(response)) if (each.comment === undefined) list.push(each);
  return list;
}

/** The request of a browser that comes back after the event with this id; `undefined`: one that comes first. */
export const back = (id, init = {}) =>
  new Request("http://app.invalid/events", { ...init, headers: id === undefined ? {} : { "last-event-id": id } });

/** The names of events. */
export const names = (list) => list.map(({ event }) => event);
