import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/**
 * Sends a web `Response` with Node's `http`, or Express. A browser that leaves cancels its body, and so ends what feeds
 * it.
 *
 * @param {import("node:http").ServerResponse} outgoing
 * @param {Response} response
 */
export async function send(outgoing, response) {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (!response.body) return outgoing.end();
  await pipeline(Readable.fromWeb(response.body), outgoing).catch(() => outgoing.destroy());
}
