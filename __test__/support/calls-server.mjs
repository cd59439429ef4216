// A scripted server on 127.0.0.1, which keeps every request.

import { createServer } from "node:http";
import { cut } from "./chunks.mjs";
import { watched } from "./scripted.mjs";

/**
 * @param {(request: { method: string, target: string, path: string, headers: object, body: string }, index: number) =>
 *   object | Promise<object>} answer gives `{ status?, headers?, body? }`; `{ hang: true }` never answers,
 *   `{ reset: true }` breaks the connection, `{ reset: "after" }` once the body was sent
 * @param {import("./chunks.mjs").Mode} [chunks] how bodies are cut into writes
 */
export async function startServer(answer, chunks = { kind: "whole" }) {
  const requests = [];
  const failures = [];
  const ended = watched({}, failures);
  let url;
  const respond = async (request, response) => {
    let body = "";
    try {
      for await (const chunk of request.setEncoding("utf8")) body += chunk;
    } catch {
      requests.push({ method: request.method, target: request.url, cut: true, body });
      return;
    }
    const [path] = request.url.split("?");
    const seen = { method: request.method, target: request.url, path, headers: request.headers, body };
    requests.push(seen);
    const { status = 200, headers = {}, body: text, hang, reset } = await answer(seen, requests.length - 1, url);
    if (hang) return;
    if (reset === true) return request.socket.destroy();
    response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
    const parts = cut(Buffer.from((typeof text === "object" ? JSON.stringify(text) : text) ?? ""), chunks);
    const last = parts.pop();
    for (const part of parts) {
      response.write(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (reset === "after") return response.write(last, () => request.socket.destroySoon());
    response.end(last);
  };
  const server = createServer((request, response) =>
    respond(request, response).catch((error) => {
      failures.push(error);
      response.destroy();
    }),
  );
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${server.address().port}`;
  return {
    url,
    requests,
    /** Stops; throws if `answer` failed, so that a broken peer cannot pass for a server. */
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      ended();
    },
  };
}

/** As {@link startServer}, stopped with the test. */
export async function serveCalls(t, answer) {
  const server = await startServer(answer);
  t.after(() => server.stop());
  return server;
}
