// Requests as bytes: HTTP/1.1 as it is written, and HTTP/2 with any header block, which no client library would send.

import net from "node:net";

/** How long a listener may take for an answer: one that never comes is a failure. */
const ANSWER_MS = 10_000;

/**
 * An answer. Status 0: the connection or stream was ended without one.
 *
 * @typedef {{ status: number, head: string, body: string }} Answer
 */

/**
 * Sends bytes to a port, and reads the first answer.
 *
 * @param {number} port
 * @param {string} text one character a byte
 * @param {boolean} [isOpen] of a 200 only the head is read, since its body does not end
 * @param {number} [endMs] ends the connection after so many milliseconds
 * @returns {Promise<Answer>}
 */
export function sendRaw(port, text, isOpen = false, endMs = undefined) {
  const read = (/** @type {Buffer} */ bytes, /** @type {boolean} */ isOver) =>
    readAnswer(bytes.toString("latin1"), isOver, isOpen);
  return over(port, Buffer.from(text, "latin1"), read, endMs);
}

/** @param {string} text @param {boolean} isOver @param {boolean} isOpen @returns {Answer | undefined} */
function readAnswer(text, isOver, isOpen) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return isOver ? { status: 0, head: text, body: "" } : undefined;
  const head = text.slice(0, end);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0);
  // What may come before the answer (100, 103).
  if (status >= 100 && status < 200 && status !== 101) return readAnswer(text.slice(end + 4), isOver, isOpen);
  if (isOpen && status === 200) return { status, head, body: "" };
  const rest = text.slice(end + 4);
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  if (length !== undefined && rest.length >= Number(length))
    return { status, head, body: rest.slice(0, Number(length)) };
  if (/^transfer-encoding: *chunked/im.test(head) && rest.endsWith("0\r\n\r\n")) return { status, head, body: rest };
  return isOver || status === 101 ? { status, head, body: rest } : undefined;
}

/**
 * @template T
 * @param {number} port
 * @param {Buffer} bytes
 * @param {(bytes: Buffer, isOver: boolean) => T | undefined} read
 * @param {number} [endMs]
 * @returns {Promise<T>}
 */
function over(port, bytes, read, endMs) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    let got = Buffer.alloc(0);
    const settle = (/** @type {boolean} */ isOver) => {
      const answer = read(got, isOver);
      if (answer === undefined) return;
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ANSWER_MS, () =>
      socket.destroy(new Error(`no answer to ${bytes.toString("latin1").slice(0, 300)}`)),
    );
    socket.on("data", (piece) => {
      got = Buffer.concat([got, piece]);
      settle(false);
    });
    socket.on("error", (error) =>
      ["ECONNRESET", "EPIPE"].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? "")
        ? settle(true)
        : reject(error),
    );
    socket.on("close", () => settle(true));
    socket.write(bytes);
    if (endMs !== undefined) setTimeout(() => socket.destroy(), endMs);
  });
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const [DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY] = [0, 1, 3, 4, 7];
const [END_STREAM, END_HEADERS] = [1, 4];

/** @param {number} type @param {number} flags @param {number} stream @param {Buffer} payload */
function frame(type, flags, stream, payload) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A text of HPACK, without Huffman. @param {string} text */
function literal(text) {
  const bytes = Buffer.from(text, "latin1");
  // A length of seven bits, then more in groups of seven.
  const head = bytes.length < 127 ? [bytes.length] : [127];
  for (let rest = bytes.length - 127; rest >= 0; rest >>= 7) {
    head.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from(head), bytes]);
}

/**
 * Sends one request over HTTP/2 without TLS, by a header block that is taken as it is.
 *
 * @param {number} port
 * @param {[string, string][]} fields pseudo-headers included
 * @param {string} [body]
 * @param {boolean} [isOpen] as above
 * @returns {Promise<Answer>}
 */
export function sendHttp2(port, fields, body, isOpen = false) {
  const block = Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0x10]), literal(name), literal(value)]));
  const parts = [PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0))];
  parts.push(frame(HEADERS, END_HEADERS | (body === undefined ? END_STREAM : 0), 1, block));
  if (body !== undefined) parts.push(frame(DATA, END_STREAM, 1, Buffer.from(body, "latin1")));
  return over(port, Buffer.concat(parts), (bytes, isOver) => readFrames(bytes, isOver, isOpen));
}

/** @param {Buffer} bytes @param {boolean} isOver @param {boolean} isOpen @returns {Answer | undefined} */
function readFrames(bytes, isOver, isOpen) {
  let status = 0;
  let body = "";
  for (let at = 0; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const [type, flags, stream] = [bytes[at + 3], bytes[at + 4], bytes.readUInt32BE(at + 5)];
    if (at + 9 + length > bytes.length) break;
    const payload = bytes.subarray(at + 9, at + 9 + length);
    at += 9 + length;
    if (type === GOAWAY || (type === RST_STREAM && stream === 1)) return { status, head: "", body };
    if (stream !== 1) continue;
    if (type === HEADERS) status = statusOf(payload);
    if (isOpen && status === 200) return { status, head: "", body };
    if (type === DATA) body += payload.toString("latin1");
    if (flags & END_STREAM && (type === HEADERS || type === DATA)) return { status, head: "", body };
  }
  return isOver ? { status, head: "", body } : undefined;
}

/** The `:status` of a header block, which comes first: of the static table, or a literal. @param {Buffer} block */
function statusOf(block) {
  let at = 0;
  // Changes of the table's size may come before.
  while ((block[at] & 0xe0) === 0x20) at++;
  const indexed = { 136: 200, 137: 204, 138: 206, 139: 304, 140: 400, 141: 404, 142: 500 }[block[at]];
  if (indexed !== undefined) return indexed;
  const length = block[at + 1];
  const text = block.subarray(at + 2, at + 2 + (length & 127));
  if ((length & 128) === 0) return Number(text.toString("latin1"));
  // Huffman's code of digits: 0 to 2 have five bits, the others six.
  const bits = [...text].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  let digits = "";
  for (let bit = 0; digits.length < 3; ) {
    const short = Number.parseInt(bits.slice(bit, bit + 5), 2);
    digits += short < 3 ? short : Number.parseInt(bits.slice(bit, bit + 6), 2) - 0x19 + 3;
    bit += short < 3 ? 5 : 6;
  }
  return Number(digits);
}
