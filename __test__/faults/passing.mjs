// Servers of Node that pass requests on, for fronts that decide about each request.

import { once } from "node:events";
import http from "node:http";

/**
 * Passes a request on to the server at `to`.
 *
 * @param {http.IncomingMessage} request @param {http.ServerResponse} response @param {string} to
 * @param {http.IncomingHttpHeaders} [headers] instead of the request's own
 */
export function pass(request, response, to, headers = request.headers) {
  const upstream = http.request(to + request.url, { method: request.method, headers });
  upstream.on("response", (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  upstream.on("error", () => response.destroy());
  response.on("close", () => upstream.destroy());
  request.pipe(upstream);
}

/** A server on 127.0.0.1, and what its clients have open. @param {http.RequestListener} answer */
export async function listening(answer) {
  const sockets = new Set();
  const responses = new Set();
  const server = http.createServer((request, response) => {
    responses.add(response);
    response.on("close", () => responses.delete(response));
    answer(request, response);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    open: async () => ({ requests: responses.size, connections: sockets.size }),
    /** Breaks off what is under way. */
    cut() {
      for (const response of responses) response.destroy();
    },
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
