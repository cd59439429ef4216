// Faults of a reverse proxy: Debian's nginx before the server, as it is and as it is set.

import { startNginx } from "../support/nginx.mjs";

/** A server's v1 answer does not forbid buffers, as its v2 answer does, and no client can. */
const BUFFERED = {
  "stream v1": "nginx holds a v1 stream back until a buffer is full: `proxy_buffering off` is the server's",
};

/** A call has five attempts: they must outlast the fault. */
const PATIENT = { requestOptions: { retry: { minTimeoutInMs: 1_000, maxTimeoutInMs: 5_000 } } };

const behind = (directives) => ({ front: (url) => startNginx(url, directives) });

/** HTTP/1.1 to the server, and connections to it that are kept. */
const KEPT = 'proxy_http_version 1.1; proxy_set_header Connection "";';

/** @type {import("./contract.mjs").Fault[]} */
export const nginx = [
  { name: "nginx as it is", ...behind({}), skips: BUFFERED },
  { name: "nginx, HTTP/1.1, without buffers", ...behind({ location: `${KEPT} proxy_buffering off;` }) },
  { name: "nginx, HTTP/1.1, with buffers", ...behind({ location: `${KEPT} proxy_buffering on; proxy_buffers 8 4k;` }) },
  { name: "nginx gives up on the server after 1 s", ...behind({ location: `${KEPT} proxy_read_timeout 1s;` }) },
  {
    name: "nginx compresses everything",
    ...behind({
      http: "gzip on; gzip_proxied any; gzip_min_length 0; gzip_types application/json text/event-stream text/plain;",
      location: KEPT,
    }),
    skips: BUFFERED,
  },
  { name: "nginx closes after every answer", ...behind({ http: "keepalive_timeout 0;", location: KEPT }) },
  { name: "nginx closes after the second answer", ...behind({ http: "keepalive_requests 2;", location: KEPT }) },
  {
    name: "nginx closes idle connections at once",
    ...behind({ http: "keepalive_timeout 1ms;", location: KEPT }),
  },
  {
    name: "nginx reads its configuration again",
    ...behind({ location: KEPT }),
    strike: ({ front }) => front.reload(),
  },
  {
    name: "nginx is restarted, and away for 1 s",
    ...behind({ location: KEPT }),
    strike: ({ front }) => front.restart(1_000),
  },
  {
    name: "nginx does not reach the server, and says so in HTML",
    ...behind({ location: KEPT }),
    strike: ({ front }) => front.reload({ location: "proxy_pass http://127.0.0.1:1;" }),
    ...PATIENT,
    heal: ({ front }) => front.reload({ location: KEPT }),
  },
  {
    name: "nginx is told to refuse everything for a while",
    ...behind({ location: KEPT }),
    strike: ({ front }) => front.reload({ location: "return 503;" }),
    ...PATIENT,
    heal: ({ front }) => front.reload({ location: KEPT }),
  },
];
