// Which JavaScript tests run when not all of them do. Files are told by their names without `.test.mjs`.

/**
 * Left out of `npm run test:fast`: what takes more than a few seconds, each for a reason that cannot be helped.
 *
 * @type {Record<string, string>}
 */
export const SLOW = {
  "calls-differential": "runs the official SDK in a second process",
  compatibility: "type-checks the whole of the official SDK",
};

/** What shows that an addon works on a platform, and needs no recordings and no Rust: `--addon`, in the workflows. */
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

/** @param {string} file */
export const nameOf = (file) => file.replace(/^.*[/\\]/, "").replace(/\.test\.mjs$/, "");
