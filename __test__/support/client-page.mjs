// A site whose pages follow runs by `trigger-native/client` from plain ES modules, under a Content Security Policy that
// allows no more than the site's own files.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { root } from "../../scripts/lib/run.mjs";
import { serve, until } from "./relay.mjs";

const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'";

/** What a page runs: it keeps the states of all that it follows. */
const PAGE = `
import { connect } from "/browser/client.mjs";
const connection = connect({ accessToken: new URLSearchParams(location.hash.slice(1)).get("token") });
const follow = { run: (id) => connection.run(id), runs: (tags) => connection.runs({ tags }), stream: (id) => connection.stream(id, "words") };
window.states = {};
window.stops = {};
window.follow = (kind, id) => {
  states[kind] = [];
  stops[kind] = follow[kind](id).subscribe(({ value, state, error }) => states[kind].push({ value, state, error: error?.message }));
};
window.ready = true;
`;

/** Serves the site over a handler. `asks` has every live request, with when it began and ended. */
export async function clientSite(handler) {
  const asks = [];
  const site = { handler, asks, open: () => asks.filter(({ end }) => end === undefined) };
  const server = await serve(async (request, response) => {
    if (request.url.startsWith("/api/trigger/")) {
      if (request.url.endsWith("/live")) {
        const ask = { start: Date.now(), end: undefined };
        asks.push(ask);
        response.on("close", () => {
          ask.end = Date.now();
        });
      }
      return site.handler.node(request, response);
    }
    const send = (type, body) =>
      response.writeHead(200, { "content-type": type, "content-security-policy": POLICY }).end(body);
    if (request.url === "/page") return send("text/html", '<script type="module" src="/page.mjs"></script>');
    if (request.url === "/page.mjs") return send("text/javascript", PAGE);
    const name = /^\/browser\/([\w-]+\.mjs)$/.exec(request.url)?.[1];
    if (!name) return response.writeHead(404).end();
    send("text/javascript", await readFile(path.join(root, "browser", name)));
  });
  return Object.assign(site, server);
}

/** Opens a tab of the site, whose network log and faults are kept. */
export async function openTab(context, site, token) {
  const tab = await context.newPage();
  const faults = [];
  const asks = [];
  tab.on("pageerror", (error) => faults.push(error.message));
  tab.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  tab.on("request", (request) => request.url().endsWith("/live") && asks.push(request.method()));
  await tab.goto(`${site.url}/page#token=${token}`);
  await until(() => tab.evaluate(() => window.ready), "the page is ready");
  const last = (kind) => tab.evaluate((what) => window.states[what].at(-1), kind);
  return {
    tab,
    faults,
    asks,
    follow: (kind, id) => tab.evaluate(([what, name]) => window.follow(what, name), [kind, id]),
    states: (kind) => tab.evaluate((what) => window.states[what], kind),
    last,
    /** Waits until `check` holds for the last state. */
    until: (kind, check, ms) => until(async () => check(await last(kind)), `${kind}: ${check}`, ms),
  };
}
