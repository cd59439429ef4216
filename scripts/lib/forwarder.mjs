// A port in front of a server, whose connections can be ended or forgotten: for tests of faults, and benchmarks of recovery.

import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";

/**
 * @param {number} to the port of the server on 127.0.0.1
 * @param {{ host?: string, port?: number, secure?: tls.TlsOptions }} [options] `port` 0 is any free one; `secure`: it
 *   speaks TLS with its clients
 */
export async function forwarder(to, { host = "127.0.0.1", port = 0, secure } = {}) {
  /** @type {Set<net.Socket>} */
  const sockets = new Set();
  /** @type {WeakSet<net.Socket>} */
  const forgotten = new WeakSet();
  const connected = (/** @type {net.Socket} */ client) => {
    const upstream = net.connect(to, "127.0.0.1");
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ]) {
      sockets.add(one);
      one
        .on("error", () => {})
        .on("close", () => {
          sockets.delete(one);
          if (!forgotten.has(one)) other.destroy();
        });
      one.pipe(other);
    }
  };
  const server = secure ? tls.createServer(secure, connected) : net.createServer(connected);
  // A client that refuses the certificate is what some tests are about.
  server.on("tlsClientError", () => {});
  const listen = async () => {
    server.listen(port, host);
    await once(server, "listening");
    ({ port } = /** @type {net.AddressInfo} */ (server.address()));
  };
  await listen();
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    server,
    port,
    sockets,
    /** Ends its connections. */
    drop,
    /** What comes on its connections is dropped, and they stay open: a NAT forgot them. */
    forget() {
      for (const socket of sockets) {
        forgotten.add(socket);
        socket.unpipe();
        socket.resume();
      }
    },
    /** Refuses connections, and ends those that are open. */
    async shut() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      drop();
      await closed;
    },
    /** Listens again at the same port. */
    open: listen,
  };
}
