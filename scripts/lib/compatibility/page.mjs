// `docs/compatibility.md` out of the findings.

/** @typedef {import("./inspect.mjs").Findings} Findings */

/** @param {Findings} findings @returns {string} */
export function pageOf({ notes, values, types, adds, addedTypes }) {
  const { version, theirs, options } = notes;
  return `${[
    `# Compatibility with \`@trigger.dev/sdk\` ${version}`,
    "Written by `npm run compatibility -- --write`, which compares the exports and types of the two packages; `npm test` fails when this page is out of date. A function works when it exists at run time and its types accept the official function's arguments and return its results. The differential tests show that it also sends and returns the same.",
    "## What works here",
    table(
      ["export", "", "added to it"],
      values.map(({ name, works, more }) => {
        const limit = notes.limits[name];
        return [code(name), works ? `works${limit ? `; ${limit}` : ""}` : "**not yet**", added(more)];
      }),
    ),
    "`{ name }` is an option, `name` a member of the result. All additions are optional.",
    "## Types",
    table(
      ["type", "", "added to it"],
      types.map(({ name, kind, works, more }) => [code(name), works ? FITS[kind] : "**not yet**", added(more)]),
    ),
    "## What stays with the official SDK",
    "These names are not here, for the reason before each list. Import them from `@trigger.dev/sdk`, beside this package.",
    ...theirs.map(({ reason, names }) => `**${reason}** ${names.map(code).join(", ")}`),
    "Options that are not taken:",
    ...options.map(({ reason, names }) => `**${reason}** ${names.map(code).join(", ")}`),
    "## Added here",
    table(
      ["export", "purpose"],
      adds.map((name) => [code(name), notes.adds[name] ?? ""]),
    ),
    `Types: ${addedTypes.map(code).join(", ")}`,
  ].join("\n\n")}\n`;
}

/** How our type relates to the official one. @type {Record<string, string>} */
const FITS = {
  same: "the same",
  "has more": "can be passed as the official one",
  "takes more": "takes the official one",
};

/** @param {string} name */
function code(name) {
  return `\`${name}\``;
}

/** @param {readonly string[]} more */
function added(more) {
  return more.map((name) => code(name === "@asyncDispose" ? "await using" : name)).join(" ");
}

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
