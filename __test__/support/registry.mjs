/** A package registry of a few tarballs, from which npm, pnpm and yarn install as from the public one. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { gzipSync } from "node:zlib";

/**
 * @param {{ manifest: any, file?: string }[]} packages one version of each; without a file it has nothing but its manifest
 * @returns {Promise<{ url: string, downloads: string[], stop: () => Promise<void> }>} `downloads`: the names of the
 *   packages whose contents were asked for, in order
 */
export async function startRegistry(packages) {
  const downloads = [];
  const files = new Map();
  const documents = new Map();
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url, "http://registry").pathname.slice(1));
    const tarball = /^tarballs\/(.+)$/.exec(name)?.[1];
    if (tarball !== undefined) downloads.push(tarball.replace(/-\d.*$/, ""));
    const body = files.get(tarball) ?? documents.get(name);
    if (body === undefined) return response.writeHead(404, { "content-type": "application/json" }).end("{}");
    const type = tarball === undefined ? "application/json" : "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-length": body.length }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  for (const { manifest, file } of packages) {
    const { name, version } = manifest;
    const bytes = file === undefined ? manifestAlone(manifest) : await readFile(file);
    const tarball = `${path.posix.basename(name)}-${version}.tgz`;
    files.set(tarball, bytes);
    const hash = (algorithm, encoding) => createHash(algorithm).update(bytes).digest(encoding);
    const dist = { tarball: `${url}/tarballs/${tarball}`, shasum: hash("sha1", "hex") };
    const versions = { [version]: { ...manifest, dist: { ...dist, integrity: `sha512-${hash("sha512", "base64")}` } } };
    const time = { [version]: "2026-01-01T00:00:00.000Z" };
    documents.set(name, Buffer.from(JSON.stringify({ name, "dist-tags": { latest: version }, versions, time })));
  }
  return {
    url,
    downloads,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A tarball of a manifest. @param {object} manifest */
function manifestAlone(manifest) {
  const body = Buffer.from(JSON.stringify(manifest));
  const header = Buffer.alloc(512);
  const octal = (number) => `${number.toString(8).padStart(11, "0")}\0`;
  header.write("package/package.json", 0);
  header.write("0000644\0", 100);
  header.write(octal(body.length), 124);
  header.write(octal(0), 136);
  // The sum is taken with blanks in its own place.
  header.write(" ".repeat(8), 148);
  header.write("0ustar\x0000", 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const padding = Buffer.alloc((512 - (body.length % 512)) % 512);
  return gzipSync(Buffer.concat([header, body, padding, Buffer.alloc(1024)]));
}
