// The compiler over a file in memory, and the types that it finds.

import path from "node:path";
import { ModifierFlags } from "typescript/unstable/ast";
import { API, SignatureKind, SymbolFlags } from "typescript/unstable/sync";

/**
 * @typedef {import("typescript/unstable/sync").Type} Type
 * @typedef {import("typescript/unstable/sync").Symbol} Declared
 * @typedef {import("typescript/unstable/sync").Signature} Signature
 * @typedef {import("typescript/unstable/sync").Checker} Checker
 */

/**
 * A compiler over one file in memory.
 *
 * @param {string} root the project's folder
 * @param {string} text
 */
export function open(root, text) {
  const file = path.join(root, "__test__", "types", "__probe__.ts");
  const config = path.join(root, "__test__", "types", "__probe__.json");
  const settings = JSON.stringify({ extends: "../../tsconfig.json", include: [], files: ["./__probe__.ts"] });
  /** @type {Record<string, string>} */
  const files = { [file]: text, [config]: settings };
  const api = new API({
    cwd: root,
    fs: { readFile: (name) => files[name], fileExists: (name) => name in files || undefined },
  });
  const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
  const source = project?.program.getSourceFile(file);
  const module = source && project?.checker.getSymbolAtLocation(source);
  if (!project || !module) throw new Error("the compiler did not take the probe file");
  return { api, file, project, checker: project.checker, exported: project.checker.getExportsOfModule(module) };
}

/**
 * What a package declares.
 *
 * @param {string} root
 * @param {string} specifier
 * @returns {Map<string, { isValue: boolean, members: string[] }>} the exported names, sorted. `isValue`: more than a
 *   type, though perhaps exported as a type alone; `members`: of a constant, the names in it
 */
export function declaredBy(root, specifier) {
  const { api, checker, exported } = open(root, `export * from ${JSON.stringify(specifier)};`);
  try {
    const sorted = exported.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return new Map(
      sorted.map((one) => {
        const target = one.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(one) : one;
        const type = target.flags & SymbolFlags.Variable ? checker.getTypeOfSymbol(target) : undefined;
        const isValue = (target.flags & SymbolFlags.Value) !== 0;
        return [one.name, { isValue, members: type ? propertiesOf(checker, type).sort() : [] }];
      }),
    );
  } finally {
    api.close();
  }
}

/**
 * The names of a type's public members; of those with a symbol for a name `@` and the symbol's.
 *
 * @param {string} root
 * @param {string} header the imports that the expression needs
 * @param {string} type a type expression
 * @returns {string[]} sorted
 */
export function membersOf(root, header, type) {
  const { api, checker, exported } = open(root, `${header}\nexport type It = ${type};`);
  try {
    const it = declared(
      checker,
      exported.find(({ name }) => name === "It"),
    );
    return checker
      .getPropertiesOfType(it)
      .filter((property) => !isHidden(property))
      .map(plainName)
      .sort();
  } finally {
    api.close();
  }
}

/** @param {Checker} checker @param {Declared | undefined} symbol */
export function declared(checker, symbol) {
  if (symbol === undefined) throw new Error("the probe file lost a type");
  return checker.getDeclaredTypeOfSymbol(symbol);
}

/** Names of public properties, apart from those of arrays and primitives. @param {Checker} checker @param {Type} type */
export function propertiesOf(checker, type) {
  const plain = checker.getNonNullableType(type) ?? type;
  if (!isStructured(plain) || checker.isArrayLikeType(plain)) return [];
  return checker
    .getPropertiesOfType(plain)
    .filter((property) => !isHidden(property))
    .map(plainName)
    .filter((name) => !name.startsWith("@") || name === "@asyncDispose");
}

/** Objects, and intersections of them. @param {Type} type */
export function isStructured(type) {
  return type.isObjectType() || type.isIntersectionType();
}

/**
 * What a promise is of: the parameter of the first parameter of its `then`.
 *
 * @param {Checker} checker @param {Type} type
 * @returns {Type | undefined}
 */
export function awaitedOf(checker, type) {
  const then = isStructured(type) ? checker.getPropertyOfType(type, "then") : undefined;
  const method = then && checker.getTypeOfSymbol(then);
  const signature = method && checker.getSignaturesOfType(method, SignatureKind.Call)[0];
  const callback = signature && checker.getParameterType(signature, 0);
  const called =
    callback && checker.getSignaturesOfType(checker.getNonNullableType(callback) ?? callback, SignatureKind.Call)[0];
  return called && checker.getParameterType(called, 0);
}

/** A symbol's name; of a well-known symbol `@asyncIterator`. @param {Declared} property */
export function plainName(property) {
  return property.escapedName.startsWith("__@") ? property.name.replace(/^__/, "").replace(/@\d+$/, "") : property.name;
}

/** Whether users cannot name it: private, protected or `#`. @param {Declared} property */
export function isHidden(property) {
  if (property.name.startsWith("#") || property.escapedName.startsWith("__#")) return true;
  const node = property.valueDeclaration?.resolve();
  const flags = node && "modifierFlags" in node ? Number(node.modifierFlags) : 0;
  return (flags & (ModifierFlags.Private | ModifierFlags.Protected)) !== 0;
}
