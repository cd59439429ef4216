/** Event streams as a server writes them (docs/server-protocol.md 5), for scripted servers. */

/** The head of an answer whose body is an event stream of chunks. */
export function sseHead({ v2 = false, headers = {} } = {}) {
  const lines = ["HTTP/1.1 200 OK", "content-type: text/event-stream; charset=utf-8", "transfer-encoding: chunked"];
  if (v2) lines.push("x-stream-version: v2");
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** One chunk of a chunked body. */
export const chunk = (/** @type {string} */ text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

/** The end of a chunked body. */
export const LAST = "0\r\n\r\n";

export const DONE = "data: [DONE]\n\n";

export const v1 = (/** @type {string} */ id, /** @type {unknown} */ value) =>
  `id: ${id}\ndata: ${JSON.stringify(value)}\n\n`;

/** A batch of one record. */
export const v2 = (/** @type {number} */ seq, /** @type {unknown} */ value, id = `id${seq}`) => {
  const records = [{ seq_num: seq, timestamp: 1, body: JSON.stringify({ data: value, id }) }];
  return `event: batch\nid: ${seq},${seq + 1},9\ndata: ${JSON.stringify({ records })}\n\n`;
};

export const ping = (/** @type {number} */ tail) =>
  `event: ping\ndata: ${JSON.stringify({ timestamp: 1, tail: { seq_num: tail, timestamp: 1 } })}\n\n`;

/**
 * An answer of a stream.
 *
 * @param {object} options
 * @param {boolean} [options.v2]
 * @param {string[]} options.texts each a chunk of its own
 * @param {'end' | 'reset' | 'hold'} [options.next] how it goes on
 */
export function sse({ v2: version = false, texts, next = "end" }) {
  return async (/** @type {import('./fault-server.mjs').Connection} */ connection) => {
    connection.write(sseHead({ v2: version }));
    for (const text of texts) connection.write(chunk(text));
    if (next === "hold") return;
    // Lets the client read the text before the connection closes.
    await connection.wait(20);
    if (next === "end") connection.write(LAST);
    else connection.reset();
  };
}
