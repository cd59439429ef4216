// Sends recorded requests again, with the recording's names replaced by ours.

import { request } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

import { claimsOf, requestLine } from "./wire.mjs";

/** Recorded ids, hashes, handles and offsets, and what they are in this replay. */
export class Names {
  #known = new Map();

  /** Notes that a recorded name is one of ours here. */
  set(recorded, ours) {
    if (recorded !== ours) this.#known.set(recorded, ours);
  }

  get(recorded) {
    return this.#known.get(recorded);
  }

  has(recorded) {
    return this.#known.has(recorded);
  }

  /** A text with every recorded name in it replaced. */
  apply(text) {
    let result = text;
    for (const [recorded, ours] of this.#known) result = result.replaceAll(recorded, ours);
    return result;
  }
}

/**
 * Sends a recorded request. Resolves to status, headers and decoded body; `broken` where the body
 * broke off.
 *
 * @param {string} url the emulator
 * @param {object} exchange the recording's
 * @param {object} state of the replay: `renew`, `recordedAt`, `names`
 * @param {{ until?: (body: string) => boolean, onData?: (body: string) => void }} reading leaves
 *   when `until` says so; `onData` sees the body so far
 */
export function send(url, exchange, state, reading = {}) {
  const { method, target } = requestLine(exchange);
  const { names, renew, recordedAt } = state;
  const headers = {};
  for (const [name, value] of exchange.request.headers) {
    const key = name.toLowerCase();
    if (["host", "connection", "content-length", "transfer-encoding"].includes(key)) continue;
    headers[name] =
      key === "authorization" && claimsOf(value)
        ? `Bearer ${renew(value.replace(/^Bearer /, ""), recordedAt, (text) => names.apply(text))}`
        : value;
  }
  return new Promise((resolve, reject) => {
    const call = request(url + names.apply(target), { method, headers, agent: false }, (response) => {
      const chunks = [];
      const settle = (broken) => {
        const encoding = response.headers["content-encoding"];
        const decode = { gzip: gunzipSync, br: brotliDecompressSync }[encoding] ?? ((same) => same);
        const fields = response.rawHeaders.filter((_, index) => index % 2 === 0);
        const values = response.rawHeaders.filter((_, index) => index % 2 === 1);
        resolve({
          status: response.statusCode,
          headers: fields.map((name, index) => [name, values[index]]),
          body: decode(Buffer.concat(chunks)).toString(),
          broken,
        });
      };
      response.on("data", (chunk) => {
        chunks.push(chunk);
        if (!reading.until && !reading.onData) return;
        const body = Buffer.concat(chunks).toString();
        reading.onData?.(body);
        if (reading.until?.(body)) {
          settle(false);
          call.destroy();
        }
      });
      response.on("error", () => settle(true));
      response.on("end", () => settle(false));
    });
    call.on("error", reject);
    // A moment in a body (Unix seconds) is as far from now as it was then.
    const shift = Math.floor(Date.now() / 1000) - recordedAt;
    const body = (exchange.request.body ?? "").replace(
      /("expirationTime":)(\d{10})\b/,
      (_, name, time) => name + (Number(time) + shift),
    );
    call.end(names.apply(body));
  });
}
