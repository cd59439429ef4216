// Fronts of faults of the machine: ports on two addresses, which can end or forget their connections, and TLS.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { forwarder } from "../../../scripts/lib/forwarder.mjs";
import { selfSigned } from "../../support/certificate.mjs";

/** A server that is reached by a name, and listens on two addresses. */
export async function named(url) {
  const to = Number(new URL(url).port);
  const first = await forwarder(to);
  const second = await forwarder(to, { host: "127.0.0.2", port: first.port }).catch(() => undefined);
  if (!second) {
    // The port is taken there.
    await first.shut();
    return named(url);
  }
  const both = [first, second];
  return {
    url: `http://server.test:${first.port}`,
    first,
    second,
    open: async () => ({ requests: 0, connections: first.sockets.size + second.sockets.size }),
    async stop() {
      for (const each of both) await each.shut();
    },
  };
}

/** A server with a certificate that its clients trust, by a name of its own. */
export async function secured(url) {
  const to = Number(new URL(url).port);
  const folder = await mkdtemp(path.join(os.tmpdir(), "secured-"));
  const pairs = {
    good: selfSigned(),
    expired: selfSigned({ from: -2, to: -1 }),
    other: selfSigned({ name: "other.test" }),
  };
  await writeFile(
    path.join(folder, "trusted.pem"),
    Object.values(pairs)
      .map(({ cert }) => cert)
      .join(""),
  );
  const first = await forwarder(to, { secure: pairs.good });
  return {
    url: `https://127.0.0.1:${first.port}`,
    env: { NODE_EXTRA_CA_CERTS: path.join(folder, "trusted.pem") },
    /** Shows another certificate from now on, also to those that are connected. */
    show(name) {
      first.server.setSecureContext(pairs[name]);
      first.drop();
    },
    open: async () => ({ requests: 0, connections: first.sockets.size }),
    async stop() {
      await first.shut();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
