// What the package's declarations say of each name: the API reference, and what a test asks of it.

import { readFileSync } from "node:fs";
import path from "node:path";
import { SyntaxKind } from "typescript/unstable/ast";
import { API } from "typescript/unstable/sync";

/**
 * @typedef {object} Member
 * @property {string} name
 * @property {string} signature on one line, without comments
 * @property {string} doc
 * @property {boolean} isFunction
 *
 * @typedef {object} Entry
 * @property {string} name
 * @property {"function" | "const" | "class" | "interface" | "type"} kind
 * @property {string} signature on one line, without comments and without the members listed
 * @property {string} doc
 * @property {Member[]} members
 *
 * @typedef {object} Part
 * @property {string} file relative to the project
 * @property {string} specifier what its names are imported from
 * @property {string} doc
 * @property {Entry[]} entries
 */

/** @typedef {any} Node the compiler's nodes, whose members depend on their kind */

/**
 * The declarations of the other entries, and what their names are imported from.
 *
 * @type {Record<string, string>}
 */
const ENTRIES = {
  "emulator.d.ts": "trigger-native/emulator",
  "types/connect.d.ts": "trigger-native/client",
  "types/react.d.ts": "trigger-native/react",
};

/**
 * The declarations of the package, in the order of `index.d.ts`.
 *
 * @param {string} root
 * @returns {Part[]}
 */
export function parts(root) {
  const index = readFileSync(path.join(root, "index.d.ts"), "utf8");
  const names = [...index.matchAll(/export \* from "\.\/(.+)\.js"/g)].map(([, name]) => `${name}.d.ts`);
  const config = path.join(root, "tsconfig.json");
  const api = new API({ cwd: root });
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    return [...names, ...Object.keys(ENTRIES)].map((file) => {
      const source = project?.program.getSourceFile(path.join(root, file));
      if (!source) throw new Error(`${file} was not read`);
      const specifier = ENTRIES[file] ?? "trigger-native";
      return { file, specifier, doc: docOfFile(source.text), entries: entriesOf(source) };
    });
  } finally {
    api.close();
  }
}

/** The comment at the head of a file, which belongs to no declaration. @param {string} text */
function docOfFile(text) {
  const found = /^(?:\/\/\/[^\n]*\n+)*(\/\*\*(?:(?!\*\/).)*\*\/)\n\n/s.exec(text);
  return found ? plain(found[1] ?? "") : "";
}

/** @param {Node} source @returns {Entry[]} */
function entriesOf(source) {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  for (const statement of source.statements) {
    if (!statement.modifiers?.some((/** @type {Node} */ each) => each.kind === SyntaxKind.ExportKeyword)) continue;
    const entry = entryOf(source, statement);
    if (entry === undefined) continue;
    const known = entries.get(entry.name);
    // Overloads: the first one's documentation is theirs.
    if (known) known.signature += `; ${entry.signature}`;
    else entries.set(entry.name, entry);
  }
  return [...entries.values()];
}

/** @param {Node} source @param {Node} statement @returns {Entry | undefined} */
function entryOf(source, statement) {
  const doc = docOf(source, statement);
  switch (statement.kind) {
    case SyntaxKind.FunctionDeclaration:
      return { name: statement.name.text, kind: "function", signature: written(source, statement), doc, members: [] };
    case SyntaxKind.VariableStatement: {
      const [declared] = statement.declarationList.declarations;
      const { text: name } = declared.name;
      return { name, kind: "const", signature: `const ${name}`, doc, members: membersOf(source, declared.type) };
    }
    case SyntaxKind.ClassDeclaration:
    case SyntaxKind.InterfaceDeclaration: {
      const kind = statement.kind === SyntaxKind.ClassDeclaration ? "class" : "interface";
      const signature = written(source, statement).replace(/\s*\{.*$/s, "");
      return { name: statement.name.text, kind, signature, doc, members: membersOf(source, statement) };
    }
    case SyntaxKind.TypeAliasDeclaration: {
      const members = membersOf(source, statement.type);
      const whole = written(source, statement).replace(/;$/, "");
      const signature = members.length > 0 ? whole.replace(/\s*=.*$/s, "") : whole;
      return { name: statement.name.text, kind: "type", signature, doc, members };
    }
    default:
      return undefined;
  }
}

/** What an object type, a class or an interface has in it. @param {Node} source @param {Node} node @returns {Member[]} */
function membersOf(source, node) {
  if (node?.kind === SyntaxKind.IntersectionType) {
    return node.types.flatMap((/** @type {Node} */ each) => membersOf(source, each));
  }
  const isHolder = [SyntaxKind.TypeLiteral, SyntaxKind.ClassDeclaration, SyntaxKind.InterfaceDeclaration];
  if (!isHolder.includes(node?.kind)) return [];
  /** @type {Member[]} */
  const members = [];
  for (const member of node.members) {
    const signature = written(source, member).replace(/[;,]$/, "");
    const name = member.name ? sourceText(source, member.name.getStart(source), member.name.end) : "()";
    const isFunction = member.kind === SyntaxKind.MethodSignature || member.kind === SyntaxKind.MethodDeclaration;
    const doc = docOf(source, member);
    const overloaded = isFunction ? members.find((each) => each.name === name) : undefined;
    if (overloaded && doc === "") overloaded.signature += `; ${signature}`;
    else members.push({ name, signature, doc, isFunction });
  }
  return members;
}

/** @param {Node} source @param {number} start @param {number} end @returns {string} */
const sourceText = (source, start, end) => source.text.slice(start, end);

/** A node on one line, without comments. @param {Node} source @param {Node} node */
function written(source, node) {
  const text = sourceText(source, node.getStart(source), node.end);
  return text
    .replace(/\/\*.*?\*\//gs, "")
    .replace(/^\s*\/\/.*$/gm, "")
    .replace(/^export (declare )?/, "")
    .replace(/\s+/g, " ")
    .replace(/([=:(]) \| /g, "$1 ")
    .replace(/([({]) ([^})])/g, (whole, open, next) => (open === "(" ? open + next : whole))
    .replace(/,? \)/g, ")")
    .trim();
}

/** @param {Node} source @param {Node} node */
function docOf(source, node) {
  const comment = node.jsDoc?.at(-1);
  return comment ? plain(sourceText(source, comment.pos, comment.end)) : "";
}

/** A comment's text. @param {string} comment */
function plain(comment) {
  return comment
    .replace(/^\s*\/\*\*\s?|\s*\*\/\s*$/g, "")
    .replace(/^ *\* ?/gm, "")
    .trim();
}

/**
 * The page.
 *
 * @param {Part[]} all
 */
export function render(all) {
  const names = new Map(all.flatMap(({ specifier, entries }) => entries.map(({ name }) => [name, specifier])));
  const out = [
    "# API reference",
    "",
    "Every name of `trigger-native`, its `emulator`, `client` and `react`, with what an editor shows of it. Written by `npm run api`",
    "from the declarations, and compared with them by the tests: change those, not this page.",
  ];
  for (const { file, doc, entries } of all) {
    const title = path.basename(file, ".d.ts");
    out.push("", `## ${title}`, "", `[${file}](../${file})${doc === "" ? "" : `: ${markdown(doc, names)}`}`);
    for (const entry of entries) {
      out.push("", `### ${entry.name}`, "", `${code(entry.signature)}`);
      if (entry.doc !== "") out.push("", markdown(entry.doc, names));
      if (entry.members.length > 0) out.push("");
      for (const { signature, doc: said } of entry.members) {
        const text = said === "" ? "" : `: ${markdown(said, names)}`;
        out.push(`- ${code(signature)}${text.replaceAll(/\n(?=.)/g, "\n  ")}`);
      }
    }
  }
  return `${out.join("\n")}\n`;
}

/** @param {string} text */
const code = (text) => (text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``);

/** A comment's text as Markdown. @param {string} doc @param {Map<string, string>} names */
function markdown(doc, names) {
  const [said = "", ...tags] = doc.split(/(?:^|\s)(?=@(?:default|deprecated|example|param|returns|throws)\b)/);
  const parts = [said.trim(), ...tags.map((tag) => tagged(tag.trim(), names))];
  return parts
    .filter((part) => part !== "")
    .join("\n\n")
    .replace(/\{@link ([^}]+)\}/g, "`$1`");
}

/** @param {string} tag @param {Map<string, string>} names */
function tagged(tag, names) {
  const [, name = "", text = ""] = /^@(\w+)\s*(.*)$/s.exec(tag) ?? [];
  if (name === "example") return `\`\`\`ts\n${imports(text, names)}${text.trim()}\n\`\`\``;
  if (name === "throws") return `Throws ${text.replace(/^\{(\w+)\}/, "`$1`")}`;
  const words = { default: "Default:", deprecated: "Deprecated:", param: "Parameter", returns: "Gives" }[name];
  return `${words} ${text}`;
}

/** What an example imports, and does not show in an editor. @param {string} text @param {Map<string, string>} names */
function imports(text, names) {
  /** @type {Map<string, string[]>} */
  const used = new Map();
  for (const [name, specifier] of names) {
    if (!new RegExp(`(?<![\\w.])${name}(?=[.(<])`).test(text)) continue;
    used.set(specifier, [...(used.get(specifier) ?? []), name]);
  }
  const lines = [...used].map(([specifier, list]) => `import { ${list.sort().join(", ")} } from "${specifier}";\n`);
  return lines.length > 0 ? `${lines.join("")}\n` : "";
}
