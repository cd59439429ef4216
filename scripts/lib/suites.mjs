// The JavaScript tests that run when not all of them do. A file is named without `.test.mjs`.

/**
 * Run last and by themselves: each takes all cores for a while, beside which nothing else can be timed, and a failure of
 * the others is seen before.
 *
 * @type {Record<string, string>}
 */
export const HEAVY = {
  "browser-connections": "fills a page with hooks in Chromium",
  "browser-hooks": "shows every hook in Chromium",
  "browser-react": "fills pages and tabs with our hooks in Chromium",
  "client-browser": "fills tabs with the client in Chromium",
  "emulator-page-browser": "uses the emulator's page in Chromium",
  "examples-nextjs": "installs, builds and drives an app",
  "examples-node": "installs and drives apps",
  "examples-nuxt": "installs, builds and drives an app",
  "examples-react-router": "installs, builds and drives an app",
  "examples-remix": "installs, builds and drives an app",
  "examples-sveltekit": "installs, builds and drives an app",
  "faults-matrix": "strikes all that users have open with every fault",
  package: "packs, and type-checks what was packed",
  "react-calls": "calls with hooks in Chromium",
  "react-ids": "shows what others follow in Chromium",
  "react-leaving": "has components leave in Chromium",
  "react-options": "changes options of hooks in Chromium",
  "react-random": "does with hooks in Chromium what comes at random",
  "react-shared": "shares views and tokens of hooks in Chromium",
  "react-storms": "storms hooks in Chromium",
  "react-tokens": "refuses tokens of hooks in Chromium",
  "react-users": "has users of hooks come and go in Chromium",
  registry: "installs with every package manager",
  runners: "installs test runners, and runs tests in each",
  runtimes: "runs in every runtime",
};

/** Test files that need Chromium. */
export const BROWSER = [
  "browser-connections",
  "browser-hooks",
  "browser-react",
  "client-browser",
  "emulator-page-browser",
  "examples-nextjs",
  "examples-nuxt",
  "examples-react-router",
  "examples-remix",
  "examples-sveltekit",
  "react-calls",
  "react-ids",
  "react-leaving",
  "react-options",
  "react-random",
  "react-shared",
  "react-storms",
  "react-tokens",
  "react-users",
];

/** Test files that need nginx. */
export const NGINX = ["faults-nginx"];

/**
 * Left out of `npm run test:fast`: what took more than about eight seconds alone on a machine of two cores, with the reason.
 *
 * @type {Record<string, string>}
 */
export const SLOW = {
  ...HEAVY,
  "calls-recordings": "replays every recorded call",
  compatibility: "type-checks the whole of the official SDK",
  "defect-endings": "waits for streams that the official SDK never ends",
  "defect-pace": "waits for a slow reader",
  demo: "runs the demo with each of its ends",
  "emulator-recordings": "replays every recorded answer of the real server",
  "emulator-sdk-surface": "runs everything twice, with the official SDK too",
  "faults-credentials": "waits until tokens have expired",
  "faults-machine": "stops processes, and waits until they find out",
  "faults-nginx": "starts nginx for each of a hundred cells",
  "faults-redirects": "waits until redirections are over",
  "feeds-defects": "runs everything twice, with the official SDK too",
  "feeds-memory": "follows thousands of updates to see what is kept",
  "feeds-refresh": "waits for tokens to run out",
  "feeds-replay": "replays every recorded feed",
  "feeds-response": "waits for browsers that come and go",
  growth: "counts and times lists of 80,000",
  "hostile-arguments": "calls everything with every odd value",
  "hostile-values": "reads values of megabytes, with the official SDK too",
  "process-ends": "ends processes in every way, with many feeds open",
  redirects: "runs a process for each redirection",
  "relay-access": "asks everything there is with every token",
  "relay-doubles": "says everything twice, in every way",
  "relay-browsers": "waits to see which polls are held",
  "relay-sdk": "runs everything twice, with the official SDK too",
  "relay-streams-replay": "replays every recorded stream",
  "replay-runs": "replays every recorded run",
  "replay-server": "replays every recorded run",
  "run-lazy": "decodes long packets by the thousand",
  "run-object": "compares every recorded run with the official SDK's",
  simulator: "plays scenarios with sockets, and waits as their servers do",
  secrets: "has a server send back every form of a token",
  "secrets-tools": "runs the command with every wrong argument, and an app that traces",
  "secrets-misuse": "passes secrets in the place of everything",
  "streams-parts-replay": "replays every recorded stream in parts",
  "streams-reading": "waits for slow streams",
  "token-differential": "compares thousands of tokens with the official SDK's",
};

/** Test files that show that an addon works on a platform, without recordings and Rust: `--addon`, in the workflows. */
export const ADDON = [
  "addon",
  "certificates",
  "emulator-sdk",
  "faults-process",
  "faults-run",
  "package",
  "registry",
  "runtimes",
  "threads",
  "token-claims",
  "token-refusals",
];

/** Test files that replay recordings: run once more where the originals are beside the checkout. */
export const REPLAYS = [
  "calls-recordings",
  "emulator-recordings",
  "feeds-replay",
  "relay-streams-replay",
  "replay-runs",
  "replay-server",
  "replay-tokens",
  "run-object",
  "streams-parts-replay",
  "streams-replay",
  "token-recordings",
];

/** @param {string} file */
export const nameOf = (file) => file.replace(/^.*[/\\]/, "").replace(/\.test\.mjs$/, "");
