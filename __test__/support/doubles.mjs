// Every way in which a request can say a thing twice: each changes a plain request, and says which of the two things it
// is then about. Written from RFC 9110, 9112, 9113 and 3986, and from what servers and proxies are known to believe.

/**
 * A request of a viewer. `names`: the thing that it is about, and one that its viewer may not read.
 *
 * @typedef {object} Asked
 * @property {string} method
 * @property {string} path
 * @property {string[]} query parameters, as they are written
 * @property {[string, string][]} headers without `Host`
 * @property {string} [body]
 * @property {string} [target] in place of path and query
 * @property {string} [host] the line in place of `Host: app.example`; empty for none
 * @property {string} [version]
 * @property {[string, string][]} [pseudo] more pseudo-headers of HTTP/2, before those that it needs
 * @property {string[]} [without] pseudo-headers that are left out
 * @property {string} [raw] a body with its framing, for HTTP/1.1
 * @property {{ mine: string, victim: string, token: string, other: string }} names
 * @property {string} kind
 *
 * `mine` and `victim`: decided about, and sent upstream as a plain request for it. `refused`: a 4xx or no answer, and
 * nothing upstream. `mine?`: either. `other`: about neither, and so nothing upstream for who may read one of the two.
 *
 * @typedef {"mine" | "victim" | "refused" | "mine?" | "other"} Reading
 *
 * @typedef {object} Double
 * @property {string} name
 * @property {(asked: Asked) => void} edit
 * @property {Reading | Partial<Record<Way, Reading>> & { else: Reading }} reads
 * @property {string[]} [kinds] of requests; all without it
 * @property {string[]} [tokens]
 * @property {Way[]} [ways]
 *
 * @typedef {"http1" | "http2" | "fetch" | "node" | "nginx" | "nginx-uri"} Way
 */

/** @type {Way[]} */
const LINES = ["http1", "node", "nginx", "nginx-uri"];
const FEEDS = ["run", "tags", "batch"];
const BY_PATH = ["run", "batch", "stream", "retrieve", "trigger"];
const PROXIED = ["retrieve", "trigger"];

/** @param {string} name @param {Reading | Double["reads"]} reads @param {Double["edit"]} edit @param {Partial<Double>} [more] @returns {Double} */
const double = (name, reads, edit, more = {}) => ({ name, reads, edit, ...more });

const percent = (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");

/** Parameters beside the feed's own, before or after. */
const parameters = [];
for (const [name, reads] of /** @type {[string, "last" | "mine" | "mine?"][]} */ ([
  ["tags", "last"],
  ["%74ags", "last"],
  ["t%61g%73", "last"],
  ["%74%61%67%73", "last"],
  ["tags[]", "mine"],
  ["tags%5B%5D", "mine"],
  ["tags[0]", "mine"],
  ["tags[a]", "mine"],
  ["filter[tags]", "mine"],
  ["Tags", "mine"],
  ["TAGS", "mine"],
  ["tags.", "mine"],
  ["+tags", "mine"],
  ["tags+", "mine"],
  ["%20tags", "mine"],
  ["tags%20", "mine"],
  ["tags%00", "mine"],
  ["tags%0a", "mine"],
  ["%2574ags", "mine"],
  ["t%C0%A1gs", "mine"],
  ["tags;", "mine"],
  ["tag", "mine"],
  ["tags\u00ad", "mine?"],
])) {
  const written = Buffer.from(name).toString("latin1");
  parameters.push(
    double(
      `${name}= after the tags`,
      reads === "last" ? "victim" : reads,
      (one) => one.query.push(`${written}=${one.names.victim}`),
      { kinds: ["tags"] },
    ),
    double(
      `${name}= before the tags`,
      reads === "mine?" ? reads : "mine",
      (one) => one.query.unshift(`${written}=${one.names.victim}`),
      {
        kinds: ["tags"],
      },
    ),
  );
}
for (const [name, separator] of [
  ["a semicolon", ";"],
  ["an encoded ampersand", "%26"],
  ["an encoded semicolon", "%3B"],
  ["a second question mark", "?"],
  ["a space", "%20"],
  ["a plus", "+"],
  ["a bar", "|"],
]) {
  const edit = (one) => {
    one.query[0] += `${separator}tags=${one.names.victim}`;
  };
  parameters.push(double(`tags behind ${name}`, "other", edit, { kinds: ["tags"] }));
}
for (const [what, value] of [
  ["where", "1=1"],
  ["table", "secrets"],
  ["columns", "payload"],
  ["key", "x"],
  ["apiKey", "x"],
  ["live", "false"],
  ["method", "DELETE"],
  ["_method", "DELETE"],
  ["callback", "x"],
  ["url", "http://elsewhere.example"],
  ["offset", "-1"],
  ["handle", "x"],
  ["log", "full"],
  ["secret_key", "x"],
]) {
  parameters.push(double(`${what}=${value}`, "mine", (one) => one.query.push(`${what}=${value}`), { kinds: FEEDS }));
  parameters.push(
    double(`${what}=${value} twice`, "mine", (one) => one.query.unshift(`${what}=${value}`, `${what}=`), {
      kinds: FEEDS,
    }),
  );
}
for (const name of ["runId", "id", "run", "friendlyId", "batchId", "tags", "filter[id]"]) {
  const edit = (one) => one.query.push(`${name}=${one.names.victim}`);
  parameters.push(double(`${name}= of another`, "mine", edit, { kinds: ["run", "batch", "stream"] }));
}
for (const name of ["token", "access_token", "accessToken", "api_key", "authorization", "Authorization", "bearer"]) {
  const edit = (one) => one.query.push(`${name}=${one.names.other}`);
  parameters.push(double(`another's token as ${name}=`, "mine", edit, { kinds: [...FEEDS, "stream"] }));
}
parameters.push(
  double(
    "a fragment",
    { else: "mine", nginx: "mine?", "nginx-uri": "mine?", http2: "mine?" },
    (one) => one.query.push(`a=b#&tags=${one.names.victim}`),
    { kinds: FEEDS },
  ),
  double("empty parameters", "mine", (one) => one.query.splice(0, 0, "", "=", "&"), { kinds: FEEDS }),
);

/** Names in a path. `url`: what a URL of the web makes of it, which is what the handler for web requests is given. */
const paths = [];
for (const [
  name,
  write,
  reads,
  url,
] of /** @type {[string, (other: string, last: string) => string, Reading, Reading][]} */ ([
  ["a slash behind", (_, last) => `${last}/`, "mine", "mine"],
  ["two slashes behind", (_, last) => `${last}//`, "refused", "refused"],
  ["a dot behind", (_, last) => `${last}/.`, "refused", "mine"],
  ["an encoded dot behind", (_, last) => `${last}/%2e`, "refused", "mine"],
  ["a dot before", (_, last) => `./${last}`, "refused", "mine"],
  ["an empty segment before", (_, last) => `/${last}`, "refused", "refused"],
  ["another's, climbed out of", (other, last) => `${other}/../${last}`, "refused", "mine"],
  ["its own, climbed out of", (other, last) => `${last}/../${other}`, "refused", "victim"],
  ["its own, climbed out of by %2e%2e", (other, last) => `${last}/%2e%2e/${other}`, "refused", "victim"],
  ["its own, climbed out of by .%2E", (other, last) => `${last}/.%2E/${other}`, "refused", "victim"],
  ["its own, climbed out of by ..;", (other, last) => `${last}/..;/${other}`, "refused", "refused"],
  ["its own, climbed out of by %2f", (other, last) => `${last}%2f..%2f${other}`, "refused", "refused"],
  ["its own, climbed out of by %5c", (other, last) => `${last}%5c..%5c${other}`, "refused", "refused"],
  ["its own, climbed out of by a backslash", (other, last) => `${last}\\..\\${other}`, "refused", "victim"],
  ["its own, climbed out of, encoded twice", (other, last) => `${last}%252f..%252f${other}`, "other", "other"],
  [
    "its own, climbed out of, overlong",
    (other, last) => `${last}%c0%af%c0%ae%c0%ae%c0%af${other}`,
    "refused",
    "refused",
  ],
  ["its own, climbed out of, in %u", (other, last) => `${last}%u002f..%u002f${other}`, "refused", "refused"],
  [
    "its own, climbed out of, fullwidth",
    (other, last) => `${last}%ef%bc%8f%ef%bc%8e%ef%bc%8e%ef%bc%8f${other}`,
    "other",
    "other",
  ],
  ["another's behind a semicolon", (other, last) => `${last};${other}`, "other", "other"],
  ["another's behind a comma", (other, last) => `${last},${other}`, "other", "other"],
  ["another's behind an encoded question mark", (other, last) => `${last}%3f${other}`, "other", "other"],
  ["another's behind an encoded hash", (other, last) => `${last}%23${other}`, "other", "other"],
  ["another's behind a NUL", (other, last) => `${last}%00${other}`, "refused", "refused"],
  ["another's behind an encoded line break", (other, last) => `${last}%0d%0a${other}`, "refused", "refused"],
  ["a space behind", (_, last) => `${last}%20`, "other", "other"],
  ["a plus behind", (_, last) => `${last}+`, "other", "other"],
  ["a tab behind", (_, last) => `${last}%09`, "refused", "refused"],
  ["upper case", (_, last) => last.toUpperCase(), "other", "other"],
  ["all of it encoded", (_, last) => percent(last), "mine", "mine"],
  ["a letter of it encoded", (_, last) => `${last.slice(0, -1)}${percent(last.slice(-1))}`, "mine", "mine"],
  [
    "a letter of it encoded twice",
    (_, last) => `${last.slice(0, -1)}${percent(last.slice(-1)).replace("%", "%25")}`,
    "other",
    "other",
  ],
  ["half an escape behind", (_, last) => `${last}%`, "refused", "refused"],
  ["an escape of no digits behind", (_, last) => `${last}%zz`, "refused", "refused"],
  ["an escape of no text behind", (_, last) => `${last}%ff`, "refused", "refused"],
  ["an invisible letter behind", (_, last) => `${last}%e2%80%8b`, "other", "other"],
  ["a byte beyond ASCII behind", (_, last) => `${last}\u00e9`, "refused", "other"],
  ["another segment behind", (other, last) => `${last}/${other}`, "refused", "refused"],
])) {
  const edit = (/** @type {Asked} */ one) => {
    const last = /** @type {string} */ (one.path.split("/").find((segment) => segment.includes(one.names.mine)));
    one.path = one.path.replace(last, () => write(last.replace(one.names.mine, one.names.victim), last));
  };
  // Any text is a task's id, or a stream's key: kinds whose last name is an id alone.
  paths.push(double(`a path with ${name}`, { else: reads, fetch: url }, edit, { kinds: ["run", "batch"] }));
  // What is proxied may be about any text, with its viewer's own token.
  if (reads !== "other" && url !== "other") {
    paths.push(double(`a path with ${name}, proxied`, { else: reads, fetch: url }, edit, { kinds: ["retrieve"] }));
  }
}
for (const [name, from, to] of [
  ["realtime in capitals", "/realtime/", "/Realtime/"],
  ["realtime encoded", "/realtime/", "/%72ealtime/"],
  ["the version encoded", "/v1/", "/%761/"],
  ["runs encoded", "/runs/", "/%72uns/"],
  ["runs in capitals", "/runs/", "/RUNS/"],
  ["batches encoded", "/batches/", "/batche%73/"],
  ["streams encoded", "/streams/", "/strea%6ds/"],
  ["tasks encoded", "/tasks/", "/%74asks/"],
  ["trigger encoded", "/trigger", "/trigge%72"],
  ["an encoded slash within", "/v1/", "/v1%2f"],
  ["a backslash within", "/v1/", "/v1\\"],
  ["two slashes within", "/v1/", "/v1//"],
  ["a dot within", "/v1/", "/v1/./"],
  ["a climb within", "/v1/", "/v1/x/../"],
  ["two slashes before", /^/, "/"],
  ["another server before", /^/, "//elsewhere.example"],
  ["a backslash before", /^/, "\\"],
  ["a climb before", /^/, "/x/.."],
  ["an encoded climb before", /^/, "/x/%2e%2e"],
  ["a parameter before", /^/, "/x;y"],
]) {
  // What a URL of the web resolves is a plain path to the handler for web requests.
  const resolves = [
    "a backslash within",
    "a dot within",
    "a climb within",
    "a climb before",
    "an encoded climb before",
  ];
  const edit = (/** @type {Asked} */ one) => {
    one.path = one.path.replace(from, to);
  };
  const changes = (/** @type {string} */ path) => path.replace(from, to) !== path;
  const kinds = Object.entries(PATHS()).flatMap(([kind, path]) => (changes(path) ? [kind] : []));
  paths.push(
    double(`a path with ${name}`, { else: "refused", fetch: resolves.includes(name) ? "mine" : "refused" }, edit, {
      kinds,
    }),
  );
}
paths.push(
  double(
    "its path behind another's",
    "refused",
    (one) => {
      one.path = one.path.replace(one.names.mine, one.names.victim) + one.path;
    },
    { kinds: ["run", "batch", "retrieve"] },
  ),
  double(
    "another's path behind it",
    "refused",
    (one) => {
      one.path += one.path.replace(one.names.mine, one.names.victim);
    },
    { kinds: ["run", "batch", "retrieve"] },
  ),
  double("a plain mount point before", "mine", (one) => {
    one.path = `/app${one.path}`;
  }),
);

/** The path of each kind. */
export function PATHS(mine = "mine") {
  return {
    run: `/realtime/v1/runs/run_${mine}`,
    tags: "/realtime/v1/runs",
    batch: `/realtime/v1/batches/batch_${mine}`,
    stream: `/realtime/v1/streams/run_${mine}/k`,
    retrieve: `/api/v3/runs/run_${mine}`,
    trigger: `/api/v1/tasks/${mine}/trigger`,
  };
}

/** The target of the request line. */
const targets = [
  ["http://app.example", "mine"],
  ["HTTP://APP.EXAMPLE", "mine?"],
  ["https://app.example", "mine"],
  ["http://elsewhere.example", "refused"],
  ["http://app.example:8080", "refused"],
  ["http://user@app.example", "refused"],
  ["http://user:word@app.example", "refused"],
  ["http://app.example\\@elsewhere.example", "refused"],
  ["http://169.254.169.254", "refused"],
  ["file://app.example", "mine?"],
  ["//app.example", "refused"],
].map(([before, reads]) =>
  double(
    `an absolute target at ${before}`,
    {
      else: /** @type {Reading} */ (reads),
      node: reads === "mine?" ? "mine?" : /** @type {Reading} */ (reads),
      nginx: "mine?",
      "nginx-uri": "mine?",
    },
    (one) => {
      one.target = before + targetOf(one);
    },
    { ways: LINES },
  ),
);
for (const [name, target] of [
  ["an authority", "app.example:80"],
  ["an asterisk", "*"],
  ["no target", ""],
  ["no slash", "realtime/v1/runs"],
  ["a query alone", "?tags=x"],
]) {
  targets.push(
    double(
      `${name} as a target`,
      "refused",
      (one) => {
        one.target = target;
      },
      { ways: LINES },
    ),
  );
}
for (const method of [
  "CONNECT",
  "TRACE",
  "OPTIONS *",
  "get",
  "PURGE",
  "SEARCH",
  "DELETE",
  "PATCH",
  "GET/../POST",
  "G\tET",
]) {
  const edit = (/** @type {Asked} */ one) => {
    one.method = method.split(" ")[0];
    if (method.includes("*")) one.target = "*";
    if (method === "CONNECT") one.target = "app.example:443";
  };
  targets.push(
    double(`the method ${JSON.stringify(method)}`, "refused", edit, {
      ways: LINES,
      kinds: ["run", "retrieve", "tags"],
    }),
  );
}
for (const [name, write, reads] of /** @type {[string, (target: string) => string, Reading][]} */ ([
  ["a space within", (target) => target.replace(/(?<=.)\//, " /"), "refused"],
  ["a tab within", (target) => target.replace(/(?<=.)\//, "\t/"), "refused"],
  ["a NUL within", (target) => target.replace(/(?<=.)\//, "\0/"), "refused"],
  ["another version behind", (target) => `${target} HTTP/1.0`, "refused"],
])) {
  targets.push(
    double(
      `a target with ${name}`,
      reads,
      (one) => {
        one.target = write(targetOf(one));
      },
      { ways: LINES },
    ),
  );
}

/** @param {Asked} one */
export const targetOf = (one) => one.target ?? one.path + (one.query.length > 0 ? `?${one.query.join("&")}` : "");

export const byPath = { BY_PATH, FEEDS, LINES, PROXIED, double };
export const ofTargets = [...parameters, ...paths, ...targets];
