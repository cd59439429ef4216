/**
 * Which file imports which: the modules of src/, tests left out, and the files of js/; and the circles of that graph.
 *
 * Rust is read without a compiler: `use` trees and paths in the code, through re-exports to the file that defines the
 * name. A root's `mod` and `pub use` are no imports: they list.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";

/** The files below `folder` with that ending, as paths with slashes. */
export const filesBelow = (root, folder, ending) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => posix.join(relative(root, entry.parentPath).replaceAll("\\", "/"), entry.name))
    .filter((path) => !path.includes("node_modules"))
    .sort();

/** Rust without its comments and with its strings empty: paths in either are no imports. */
export const bare = (text) =>
  text.replace(
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|b?r(#+)"[\s\S]*?"\1|b?r"[^"]*"|b?"(?:\\[\s\S]|[^"\\])*"|b?'(?:\\(?:x[0-9a-f]{2}|u\{[^}]*\}|.)|[^'\\\n])'/gi,
    (found) => (found.startsWith("/") ? " " : '""'),
  );

/** The end of the item that begins at `from`: past its block, or past its semicolon. */
const itemEnd = (text, from) => {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const c = text[at];
    if (c === "{" || c === "(" || c === "[") depth++;
    else if (c === "}" || c === ")" || c === "]") {
      depth--;
      if (depth === 0 && c === "}") return at + 1;
      if (depth < 0) return at;
    } else if ((c === ";" || c === ",") && depth === 0) return at + 1;
  }
  return text.length;
};

const TEST_ONLY = /#\[cfg\(test\)\]|#\[cfg\((?:all\(test|any\(test, fuzzing)[^\]]*\]/g;

/** The code without what is compiled for tests only, and the names of the modules that only tests have. */
const withoutTests = (text) => {
  const modules = [];
  let kept = "";
  let from = 0;
  for (const found of text.matchAll(TEST_ONLY)) {
    if (found.index < from) continue;
    kept += text.slice(from, found.index);
    const end = itemEnd(text, found.index + found[0].length);
    const name = /^\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;/.exec(
      text.slice(found.index + found[0].length, end),
    );
    if (name) modules.push(name[1]);
    from = end;
  }
  return { text: kept + text.slice(from), modules };
};

/** `a::{b, c::{d as e}}` as [{path: [a, b], name: b}, {path: [a, c, d], name: e}]. */
const branchesOf = (tree, before = []) => {
  const text = tree.trim();
  const brace = text.indexOf("{");
  if (brace === -1) {
    const [path, name] = text.split(/\s+as\s+/);
    const parts = [
      ...before,
      ...path
        .split("::")
        .map((part) => part.trim().replace(/^r#/, ""))
        .filter(Boolean),
    ];
    if (parts.at(-1) === "self" && parts.length > 1) parts.pop();
    return parts.length ? [{ path: parts, name: (name ?? parts.at(-1)).trim() }] : [];
  }
  const head = [
    ...before,
    ...text
      .slice(0, brace)
      .split("::")
      .map((part) => part.trim())
      .filter(Boolean),
  ];
  const inner = text.slice(brace + 1, text.lastIndexOf("}"));
  const branches = [];
  let [depth, from] = [0, 0];
  for (let at = 0; at <= inner.length; at++) {
    if (inner[at] === "{") depth++;
    else if (inner[at] === "}") depth--;
    else if (at === inner.length || (inner[at] === "," && depth === 0)) {
      branches.push(inner.slice(from, at));
      from = at + 1;
    }
  }
  return branches.flatMap((branch) => branchesOf(branch, head));
};

export const isRoot = (file) => /(^|\/)(mod|lib)\.rs$/.test(file);

/** The imports of each Rust file below src/: Map file -> Map imported file -> Set of what is named. */
export const rustImports = (root = ".") => {
  const files = filesBelow(root, "src", ".rs");
  const moduleOf = (file) =>
    file
      .slice("src/".length)
      .replace(/(^|\/)(mod|lib)\.rs$|\.rs$/, "")
      .split("/")
      .filter(Boolean);
  const read = new Map(files.map((file) => [file, withoutTests(bare(readFileSync(join(root, file), "utf8")))]));
  const inTests = new Set(files.filter((file) => /(_tests|\/tests)\.rs$/.test(file)));
  for (const [file, { modules }] of read)
    for (const name of modules) {
      const at = ["src", ...moduleOf(file), name].join("/");
      for (const other of files) if (other === `${at}.rs` || other.startsWith(`${at}/`)) inTests.add(other);
    }
  const modules = new Map(files.filter((file) => !inTests.has(file)).map((file) => [moduleOf(file).join("::"), file]));
  const parsed = new Map();
  for (const [module, file] of modules) {
    const uses = [];
    const rest = read.get(file).text.replace(/(pub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);/g, (_, visible, tree) => {
      for (const use of branchesOf(tree)) uses.push({ ...use, visible: Boolean(visible) });
      return "";
    });
    parsed.set(module, { file, uses, rest });
  }
  const absolute = (module, path) => {
    const here = module ? module.split("::") : [];
    if (path[0] === "crate") return path.slice(1);
    if (path[0] === "self") return [...here, ...path.slice(1)];
    if (path[0] === "super") {
      let ups = 0;
      while (path[ups] === "super") ups++;
      return [...here.slice(0, here.length - ups), ...path.slice(ups)];
    }
    return modules.has([...here, path[0]].join("::")) ? [...here, ...path] : undefined;
  };
  const defines = (module, name) =>
    new RegExp(`\\b(?:struct|enum|union|fn|trait|const|static|type|macro_rules!|mod)\\s+(?:mut\\s+)?${name}\\b`).test(
      parsed.get(module).rest,
    );
  /** The module of an absolute path, and the name in it: through re-exports to where it is defined. */
  const resolve = (path, depth = 0) => {
    let at = 0;
    while (at < path.length && modules.has(path.slice(0, at + 1).join("::"))) at++;
    const module = path.slice(0, at).join("::");
    const name = path[at];
    if (name === undefined || name === "*" || depth > 8) return { module, name };
    const { uses } = parsed.get(module);
    const through = (use, rest) => {
      const target = absolute(module, use.path);
      return target && resolve([...target, ...rest], depth + 1);
    };
    const exported = uses.find((use) => use.visible && use.name === name && use.path.at(-1) !== "*");
    if (exported && !defines(module, name)) {
      const found = through(exported, path.slice(at + 1));
      if (found) return found;
    }
    if (!defines(module, name))
      for (const use of uses.filter((use) => use.visible && use.path.at(-1) === "*")) {
        const target = absolute(module, use.path.slice(0, -1));
        if (!target) continue;
        const found = resolve([...target, name], depth + 1);
        if (defines(found.module, found.name)) return found;
      }
    return { module, name };
  };
  const imports = new Map();
  for (const [module, { file, uses, rest }] of parsed) {
    const to = new Map();
    imports.set(file, to);
    const add = (path) => {
      const found = resolve(path);
      const target = modules.get(found.module);
      if (target === file) return;
      to.set(target, (to.get(target) ?? new Set()).add(found.name ?? "(module)"));
    };
    const aliases = new Map();
    for (const use of uses) {
      if (use.visible && isRoot(file)) continue;
      const path = absolute(module, use.path);
      if (!path) continue;
      const found = resolve(path);
      if (found.name === undefined) aliases.set(use.name, path);
      else add(path);
    }
    const named = new Set();
    for (const [, first, more] of rest.matchAll(/(?<![\w:])((?:r#)?[a-z_]\w*)((?:::(?:r#)?\w+)+)/g)) {
      const path = [first, ...more.split("::").filter(Boolean)];
      if (aliases.has(first)) {
        named.add(first);
        add([...aliases.get(first), ...path.slice(1)]);
      } else {
        const target = absolute(module, path);
        if (target) add(target);
      }
    }
    for (const [name, path] of aliases) if (!named.has(name)) add(path);
  }
  return imports;
};

/** The files that each JavaScript file below js/ requires: Map file -> Map required file -> Set of when. */
export const scriptImports = (root = ".") => {
  const files = filesBelow(root, "js", ".js");
  const present = new Set(files);
  return new Map(
    files.map((file) => {
      const to = new Map();
      const text = readFileSync(join(root, file), "utf8").replace(/\/\*[\s\S]*?\*\/|(?<![:'"`])\/\/[^\n]*/g, "");
      for (const found of text.matchAll(/\brequire\(\s*['"](\.[^'"]*)['"]\s*\)/g)) {
        const base = posix.join(dirname(file), found[1]);
        const target = [base, `${base}.js`, `${base}/index.js`].find((name) => present.has(name));
        const line = text.slice(text.lastIndexOf("\n", found.index) + 1, found.index);
        const late = /^\s|=>|\bfunction\b/.test(line);
        if (target && target !== file)
          to.set(target, (to.get(target) ?? new Set()).add(late ? "when used" : "when loaded"));
      }
      return [file, to];
    }),
  );
};

/** The circles of a graph, Map node -> Map node -> Set: each a sorted list of nodes. */
export const circles = (graph) => {
  const [index, low, stack, on, found] = [new Map(), new Map(), [], new Set(), []];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    on.add(node);
    for (const next of graph.get(node)?.keys() ?? []) {
      if (!index.has(next)) visit(next);
      if (on.has(next)) low.set(node, Math.min(low.get(node), low.get(next)));
    }
    if (low.get(node) !== index.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    for (const member of circle) on.delete(member);
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found.sort((a, b) => (a.join() < b.join() ? -1 : 1));
};

/** The same graph between the children of `folder`: files of it, and folders in it as one each. */
export const between = (graph, folder) => {
  const child = (file) =>
    file.startsWith(`${folder}/`) ? posix.join(folder, file.slice(folder.length + 1).split("/")[0]) : undefined;
  const out = new Map();
  for (const [file, to] of graph) {
    const from = child(file);
    // A root stands for its folder, seen from above; from within it only lists.
    if (!from || isRoot(from)) continue;
    if (!out.has(from)) out.set(from, new Map());
    for (const [target, names] of to) {
      const other = child(target);
      if (!other || other === from || isRoot(other)) continue;
      const why = out.get(from).get(other) ?? new Set();
      for (const name of names) why.add(`${file} -> ${target}: ${name}`);
      out.get(from).set(other, why);
    }
  }
  return out;
};

/** Circles in which a folder takes part, for every folder: [{ folder, circle, graph }]. */
export const folderCircles = (graph) => {
  const folders = new Set();
  for (const file of graph.keys())
    for (let at = posix.dirname(file); at !== "."; at = posix.dirname(at)) folders.add(at);
  return [...folders].sort().flatMap((folder) => {
    const inner = between(graph, folder);
    return circles(inner)
      .filter((circle) => circle.some((name) => folders.has(name)) || folder === "src")
      .map((circle) => ({ folder, circle, graph: inner }));
  });
};
