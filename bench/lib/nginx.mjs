// nginx in front of the server, as in a self-hosted installation or at a cloud's edge: TLS with a throwaway authority,
// 128 streams and 1,000 requests a connection.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { freePort } from "../../scripts/lib/port.mjs";
import { program } from "./process.mjs";

const configuration = ({ folder, http2, http1, upstream }) => `
daemon off;
master_process off;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
worker_rlimit_nofile ${limit()};
events { worker_connections ${limit() - 64}; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  ssl_certificate ${folder}/cert.pem;
  ssl_certificate_key ${folder}/key.pem;
  keepalive_requests 1000;
  http2_max_concurrent_streams 128;
  upstream peer { server 127.0.0.1:${upstream}; keepalive 8192; keepalive_requests 1000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_buffering off;
  proxy_read_timeout 180s;
  server { listen 127.0.0.1:${http2} ssl http2 backlog=4096; location / { proxy_pass http://peer; } }
  server { listen 127.0.0.1:${http1} ssl backlog=4096; location / { proxy_pass http://peer; } }
}
`;

/** The number of files that a process may have open. */
function limit() {
  const found = readFileSync("/proc/self/limits", "latin1").match(/^Max open files\s+\S+\s+(\d+)/m);
  return Math.min(Number(found?.[1] ?? 4096), 60_000);
}

/**
 * Starts nginx in front of the server on a port.
 *
 * @param {string} nginx
 * @param {number} upstream
 */
export async function startNginx(nginx, upstream) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "bench-nginx-"));
  const made = spawnSync(program("bench-peer"), ["certificate", folder], { stdio: "inherit" });
  if (made.status !== 0) throw new Error("no certificate was made");
  const [http2, http1] = [await freePort(), await freePort()];
  const file = path.join(folder, "nginx.conf");
  writeFileSync(file, configuration({ folder, http2, http1, upstream }));
  const child = spawn(nginx, ["-p", folder, "-c", file, "-e", `${folder}/error.log`], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  await Promise.all([reachable(http2, child), reachable(http1, child)]);
  return {
    http2: `https://127.0.0.1:${http2}`,
    http1: `https://127.0.0.1:${http1}`,
    /** The environment in which a client trusts its certificate. */
    env: { NODE_EXTRA_CA_CERTS: path.join(folder, "ca.pem") },
    async stop() {
      process.off("exit", kill);
      if (child.exitCode === null) {
        child.kill("SIGTERM");
        await once(child, "close");
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function reachable(port, child) {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (child.exitCode !== null) throw new Error("nginx ended before it was ready");
    const socket = net.connect(port, "127.0.0.1");
    const [event] = await Promise.race([
      once(socket, "connect").then(() => ["connect"]),
      once(socket, "close").then(() => ["close"]),
    ]).catch(() => ["close"]);
    socket.destroy();
    if (event === "connect") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("nginx does not listen");
}
