// The page on an origin of its own.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const source = path.join(path.dirname(fileURLToPath(import.meta.url)), "page");
const TYPES = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html" };

/** The official hooks, and ours: the one import that changes. */
export const OFFICIAL = "@trigger.dev/react-hooks";
export const NATIVE = "trigger-native/react";

/** The page's files by path, bundled as for production. @param {string} [hooks] where the page imports its hooks from */
export async function bundle(hooks = OFFICIAL) {
  const { outputFiles } = await build({
    absWorkingDir: source,
    entryPoints: { page: "main.jsx" },
    bundle: true,
    minify: true,
    jsx: "automatic",
    format: "esm",
    outdir: "/",
    write: false,
    logLevel: "silent",
    alias: hooks === OFFICIAL ? {} : { [OFFICIAL]: hooks },
    define: { "process.env.NODE_ENV": '"production"' },
    // A part of the official client that browsers never load asks for it.
    external: ["node:http2"],
  });
  const files = new Map([["/page.js", Buffer.from(outputFiles[0].contents)]]);
  for (const name of ["index.html", "page.css"]) files.set(`/${name}`, await readFile(path.join(source, name)));
  return files;
}

/**
 * Serves the page on 127.0.0.1, and under `/api/trigger` what `api` answers, if given.
 *
 * @param {Map<string, Buffer>} files by path
 * @param {(request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => void} [api]
 */
export async function servePage(files, api) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://page");
    if (api && pathname.startsWith("/api/trigger/")) return api(request, response);
    const file = files.get(pathname === "/" ? "/index.html" : pathname);
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[path.extname(pathname)] ?? "text/html" }).end(file);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
