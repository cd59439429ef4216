// nginx as it is installed, before a server: its own defaults, and what a test says besides.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findNginx } from "../../scripts/lib/nginx.mjs";
import { freePort } from "../../scripts/lib/port.mjs";

/** Where its state is asked for: a socket in its folder, so that no port is taken. */
const STATUS = "status.sock";

const configuration = ({ folder, port, upstream, http, server, location }) => `
daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
worker_processes 1;
worker_shutdown_timeout 1s;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  ${http}
  server { listen unix:${folder}/${STATUS}; location / { stub_status; } }
  server { listen 127.0.0.1:${port}; ${server} location / { ${location.includes("return") || location.includes("proxy_pass") ? "" : `proxy_pass ${upstream};`} ${location} } }
}
`;

/**
 * Starts nginx before the server at `upstream`.
 *
 * @param {string} upstream
 * @param {{ http?: string, server?: string, location?: string }} [given] directives of these blocks
 */
export async function startNginx(upstream, given = {}) {
  const nginx = findNginx();
  const folder = await mkdtemp(path.join(os.tmpdir(), "nginx-"));
  // The worker is another user where nginx is started by root.
  await chmod(folder, 0o755);
  const file = path.join(folder, "nginx.conf");
  const port = await freePort();
  const args = ["-p", folder, "-c", file, "-e", `${folder}/error.log`];
  let child;

  const configure = (changed = {}) => {
    const directives = { http: "", server: "", location: "", ...given, ...changed };
    return writeFile(file, configuration({ folder, port, upstream, ...directives }));
  };

  const start = async () => {
    child = spawn(nginx, args, { stdio: ["ignore", "ignore", "inherit"] });
    for (const end = performance.now() + 10_000; performance.now() < end; await sleep(20)) {
      if (child.exitCode !== null) throw new Error("nginx ended before it was ready");
      if (await answers(port)) return;
    }
    throw new Error("nginx does not listen");
  };

  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "close");
    child.kill("SIGTERM");
    await ended;
  };

  await configure();
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    /** Reads its configuration again, with these directives instead: workers end once their requests do, or after 1 s. */
    async reload(changed) {
      await configure(changed);
      const { status, stderr } = spawnSync(nginx, [...args, "-s", "reload"]);
      if (status !== 0) throw new Error(`nginx does not reload: ${stderr}`);
    },
    /** Ends it at once, with all that is under way, and starts it again after `ms`. */
    async restart(ms) {
      await stop();
      await sleep(ms);
      await start();
    },
    /** What clients have open. */
    async open() {
      const text = await status(path.join(folder, STATUS));
      const active = Number(text.match(/Active connections: (\d+)/)?.[1]);
      const waiting = Number(text.match(/Waiting: (\d+)/)?.[1]);
      // One of each is the question.
      return { requests: active - waiting - 1, connections: active - 1 };
    },
    async stop() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

async function status(socketPath) {
  const socket = net.connect(socketPath);
  socket.write("GET / HTTP/1.0\r\n\r\n");
  let text = "";
  for await (const chunk of socket.setEncoding("utf8")) text += chunk;
  return text;
}
