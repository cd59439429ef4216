// What two packages declare, compared by the compiler.
//
// Assignability as such is too strict here: the official results are classes with private members, which nothing but
// themselves is assignable to. So where the compiler says no, the public members are compared one by one, the way users
// use them: parameters, awaited results, properties.

import path from "node:path";
import { ModifierFlags } from "typescript/unstable/ast";
import { API, SignatureKind, SymbolFlags } from "typescript/unstable/sync";

/**
 * @typedef {import("typescript/unstable/sync").Type} Type
 * @typedef {import("typescript/unstable/sync").Symbol} Declared
 * @typedef {import("typescript/unstable/sync").Signature} Signature
 * @typedef {import("typescript/unstable/sync").Checker} Checker
 *
 * @typedef {object} Pair One export, as each package types it.
 * @property {string} name `runs.retrieve`, `RunShape`
 * @property {string} ours a type expression over the name `ours`
 * @property {string} theirs a type expression over the name `sdk`
 *
 * @typedef {object} Verdict
 * @property {string[]} problems why one cannot stand for the other, each starting with the path of the member
 * @property {string[]} more what ours has that theirs has not: of the result or the object, and options
 * @property {"same" | "has more" | "takes more" | "neither"} fit for types: which way round they fit
 * @property {number} parameters how many our function declares, in the longest of its forms
 */

/** Deep enough for a page's items and the members of a client's namespaces. */
const DEEPEST = 8;

/**
 * A compiler over one file that nobody has to write to the disk.
 *
 * @param {string} root the project's folder
 * @param {string} text
 */
function open(root, text) {
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

/**
 * Compares pairs of types.
 *
 * @param {string} root
 * @param {string} header the imports that the pairs' expressions need
 * @param {readonly Pair[]} pairs
 * @param {(path: string) => boolean} leftOut whether a missing member is allowed to be
 * @returns {Map<string, Verdict>} by name
 */
export function compareTypes(root, header, pairs, leftOut) {
  const lines = pairs.map(
    ({ ours, theirs }, index) => `export type O${index} = ${ours}; export type T${index} = ${theirs};`,
  );
  const { api, file, project, checker, exported } = open(root, [header, ...lines].join("\n"));
  try {
    const byName = new Map(exported.map((one) => [one.name, one]));
    const wrong = project.program.getSemanticDiagnostics(file);
    /** @type {Map<string, Verdict>} */
    const verdicts = new Map();
    for (const [index, { name, ours, theirs }] of pairs.entries()) {
      const offset = [header, ...lines.slice(0, index)].join("\n").length;
      const errors = wrong.filter(({ pos }) => pos > offset && pos <= offset + lines[index].length + 1);
      if (errors.length > 0) {
        const problems = errors.map(({ text }) => `${name}: ${text} (in \`${ours}\` or \`${theirs}\`)`);
        verdicts.set(name, { problems, more: [], fit: "neither", parameters: 0 });
        continue;
      }
      const our = declared(checker, byName.get(`O${index}`));
      const their = declared(checker, byName.get(`T${index}`));
      verdicts.set(name, judge(checker, name, our, their, leftOut));
    }
    return verdicts;
  } finally {
    api.close();
  }
}

/** @param {Checker} checker @param {Declared | undefined} symbol */
function declared(checker, symbol) {
  if (symbol === undefined) throw new Error("the probe file lost a type");
  return checker.getDeclaredTypeOfSymbol(symbol);
}

/**
 * @param {Checker} checker
 * @param {string} name
 * @param {Type} our
 * @param {Type} their
 * @param {(path: string) => boolean} leftOut
 * @returns {Verdict}
 */
function judge(checker, name, our, their, leftOut) {
  const forwards = new Comparison(checker, leftOut).fits(our, their, name, 0);
  const backwards = new Comparison(checker, leftOut).fits(their, our, name, 0);
  const fits = [forwards, backwards].map((found) => found.length === 0);
  const fit = fits[0] ? (fits[1] ? "same" : "has more") : fits[1] ? "takes more" : "neither";
  const ways = checker.getSignaturesOfType(our, SignatureKind.Call);
  const parameters = Math.max(0, ...ways.map((signature) => signature.getParameters().length));
  const problems = [...forwards, ...untaken(checker, name, our, their, leftOut)];
  return { problems, more: additions(checker, our, their), fit, parameters };
}

/**
 * What the official function takes and ours does not. Types alone let that pass: a function of fewer parameters is
 * assignable, and so are options with members that nobody reads. Those who write them down are refused, though.
 *
 * @param {Checker} checker @param {string} name @param {Type} our @param {Type} their
 * @param {(path: string) => boolean} leftOut
 * @returns {string[]}
 */
function untaken(checker, name, our, their, leftOut) {
  return [SignatureKind.Call, SignatureKind.Construct].flatMap((kind) => {
    const ways = checker.getSignaturesOfType(our, kind);
    return checker.getSignaturesOfType(their, kind).flatMap((wanted) => {
      const given = wanted.getParameters();
      const tries = ways.map((way) => {
        const taken = way.getParameters();
        if (taken.length < given.length && !way.hasRestParameter) {
          return [`${name}: takes ${taken.length} parameters instead of ${given.length}`];
        }
        return given.flatMap((parameter, index) => {
          const [ours, theirs] = [checker.getParameterType(way, index), checker.getParameterType(wanted, index)];
          if (!ours || !theirs || !isOptions(parameter.name)) return [];
          return missingOptions(checker, ours, theirs, `${name}(${parameter.name})`, leftOut);
        });
      });
      return tries.length === 0 || tries.some((found) => found.length === 0) ? [] : shortest(tries);
    });
  });
}

/** @param {Checker} checker @param {Type} our @param {Type} their @param {string} where @param {(path: string) => boolean} leftOut @returns {string[]} */
function missingOptions(checker, our, their, where, leftOut) {
  const [ours, theirs] = [checker.getNonNullableType(our) ?? our, checker.getNonNullableType(their) ?? their];
  if (ours.id === theirs.id || where.split(".").length > DEEPEST || !isStructured(ours) || !isStructured(theirs))
    return [];
  if (checker.isArrayLikeType(theirs) || checker.getSignaturesOfType(theirs, SignatureKind.Call).length > 0) return [];
  return propertiesOf(checker, theirs).flatMap((name) => {
    const [mine, official] = [checker.getPropertyOfType(ours, name), checker.getPropertyOfType(theirs, name)];
    if (!mine) return leftOut(`${where}.${name}`) ? [] : [`${where}: { ${name} } is not taken`];
    const [type, wanted] = [checker.getTypeOfSymbol(mine), official && checker.getTypeOfSymbol(official)];
    return type && wanted ? missingOptions(checker, type, wanted, `${where}.${name}`, leftOut) : [];
  });
}

class Comparison {
  /** Pairs under way or done: a type that comes back to itself ends there. @type {Set<string>} */
  #seen = new Set();
  #checker;
  #leftOut;

  /** @param {Checker} checker @param {(path: string) => boolean} leftOut */
  constructor(checker, leftOut) {
    this.#checker = checker;
    this.#leftOut = leftOut;
  }

  /**
   * Why a `from` cannot stand where a `to` is asked for.
   *
   * @param {Type} from
   * @param {Type} to
   * @param {string} where
   * @param {number} depth
   * @returns {string[]}
   */
  fits(from, to, where, depth) {
    const checker = this.#checker;
    if (checker.isTypeAssignableTo(from, to)) return [];
    const pair = `${from.id}:${to.id}`;
    if (this.#seen.has(pair) || depth > DEEPEST) return [];
    this.#seen.add(pair);
    const found = this.#compare(from, to, where, depth);
    // What did not fit in one place must not count as fitting in the next.
    if (found.length > 0) this.#seen.delete(pair);
    return found;
  }

  /** @param {Type} from @param {Type} to @param {string} where @param {number} depth @returns {string[]} */
  #compare(from, to, where, depth) {
    const checker = this.#checker;
    if (from.isUnionType()) {
      return alternativesOf(from).flatMap((member) => this.fits(member, to, where, depth + 1));
    }
    if (to.isUnionType()) {
      const tries = alternativesOf(to).map((member) => this.fits(from, member, where, depth + 1));
      return tries.find((found) => found.length === 0) ?? shortest(tries);
    }
    const unlike = [`${where}: ${checker.typeToString(from)} is no ${checker.typeToString(to)}`];
    if (checker.isArrayType(from) && checker.isArrayType(to) && from.isTypeReference() && to.isTypeReference()) {
      return this.fits(checker.getTypeArguments(from)[0], checker.getTypeArguments(to)[0], `${where}[]`, depth + 1);
    }
    if (!isStructured(from) || !isStructured(to)) return unlike;
    return [
      ...this.#signatures(SignatureKind.Call, from, to, where, depth),
      ...this.#signatures(SignatureKind.Construct, from, to, where, depth),
      ...this.#properties(from, to, where, depth),
    ];
  }

  /** @param {Type} from @param {Type} to @param {string} where @param {number} depth @returns {string[]} */
  #properties(from, to, where, depth) {
    const checker = this.#checker;
    const awaited = awaitedOf(checker, to);
    const from_ = awaited && awaitedOf(checker, from);
    if (awaited && !from_) return [`${where}: ${checker.typeToString(from)} is no promise`];
    const found = awaited && from_ ? this.fits(from_, awaited, where, depth + 1) : [];
    const has = new Map(checker.getPropertiesOfType(from).map((property) => [plainName(property), property]));
    for (const property of checker.getPropertiesOfType(to)) {
      const name = plainName(property);
      if (isHidden(property) || (awaited && PROMISE.has(name)) || name === "prototype") continue;
      const path = `${where}.${name}`;
      const ours = has.get(name);
      if (ours === undefined || isHidden(ours)) {
        if (!(property.flags & SymbolFlags.Optional) && !this.#leftOut(path)) found.push(`${path}: missing`);
        continue;
      }
      const [type, wanted] = [checker.getTypeOfSymbol(ours), checker.getTypeOfSymbol(property)];
      if (type && wanted) found.push(...this.fits(type, wanted, path, depth + 1));
    }
    return found;
  }

  /**
   * Each way `to` can be called must be a way `from` can be.
   *
   * @param {SignatureKind} kind @param {Type} from @param {Type} to @param {string} where @param {number} depth
   * @returns {string[]}
   */
  #signatures(kind, from, to, where, depth) {
    const ways = this.#checker.getSignaturesOfType(from, kind);
    return this.#checker.getSignaturesOfType(to, kind).flatMap((wanted) => {
      if (wanted.getTypeParameters().length > 0) {
        // Of a client's own functions: each is a pair of its own.
        if (depth > 0 && this.#leftOut(where)) return [];
        return [`${where}: is generic: say in "samples" how to instantiate it`];
      }
      const tries = ways.map((way) => this.#signature(way, wanted, where, depth));
      if (tries.length === 0) return [`${where}: cannot be called`];
      return tries.find((found) => found.length === 0) ?? shortest(tries);
    });
  }

  /** @param {Signature} from @param {Signature} to @param {string} where @param {number} depth @returns {string[]} */
  #signature(from, to, where, depth) {
    const checker = this.#checker;
    const given = to.getParameters();
    const taken = from.getParameters();
    const found = [];
    for (const [index, parameter] of taken.entries()) {
      const wanted = checker.getParameterType(from, index);
      const gift = index < given.length ? checker.getParameterType(to, index) : checker.getUndefinedType();
      // Read the other way round: what was passed there is passed here.
      if (wanted && gift) found.push(...this.fits(gift, wanted, `${where}(${parameter.name})`, depth + 1));
    }
    const [result, expected] = [checker.getReturnTypeOfSignature(from), checker.getReturnTypeOfSignature(to)];
    if (result && expected) found.push(...this.fits(result, expected, where, depth + 1));
    return found;
  }
}

/** Members of every promise. */
const PROMISE = new Set(["then", "catch", "finally", "@toStringTag"]);

/**
 * What ours has and theirs has not: properties of the result (or of the object itself), and `{ option }`s.
 *
 * @param {Checker} checker @param {Type} our @param {Type} their
 */
function additions(checker, our, their) {
  const last = (/** @type {Type} */ type) => checker.getSignaturesOfType(type, SignatureKind.Call).at(-1);
  const [way, official] = [last(our), last(their)];
  if (!way || !official) return extra(checker, our, their);
  const more = [];
  const given = official.getParameters().length;
  for (const [index, parameter] of way.getParameters().entries()) {
    const type = checker.getParameterType(way, index);
    const known = index < given ? checker.getParameterType(official, index) : undefined;
    if (!type || !isOptions(parameter.name)) continue;
    more.push(...extra(checker, type, known).map((name) => `{ ${name} }`));
  }
  const [result, expected] = [checker.getReturnTypeOfSignature(way), checker.getReturnTypeOfSignature(official)];
  if (result && expected) {
    more.push(...extra(checker, awaitedOf(checker, result) ?? result, awaitedOf(checker, expected) ?? expected));
  }
  return more;
}

/** Whether a parameter is a bag of options: its own members are what users choose from. @param {string} name */
function isOptions(name) {
  return /options$|^opts$|^params$|^filters$|^body$|^config$/i.test(name);
}

/** @param {Checker} checker @param {Type} our @param {Type | undefined} their */
function extra(checker, our, their) {
  const known = new Set(their ? propertiesOf(checker, their) : []);
  return propertiesOf(checker, our).filter((name) => !known.has(name));
}

/** Names of public properties, apart from those of arrays and primitives. @param {Checker} checker @param {Type} type */
function propertiesOf(checker, type) {
  const plain = checker.getNonNullableType(type) ?? type;
  if (!isStructured(plain) || checker.isArrayLikeType(plain)) return [];
  return checker
    .getPropertiesOfType(plain)
    .filter((property) => !isHidden(property))
    .map(plainName)
    .filter((name) => !name.startsWith("@") || name === "@asyncDispose");
}

/** Objects, and intersections of them. @param {Type} type */
function isStructured(type) {
  return type.isObjectType() || type.isIntersectionType();
}

/** @param {Type} type @returns {readonly Type[]} */
function alternativesOf(type) {
  return type.isUnionType() ? type.getTypes() : [type];
}

/** Of several ways not to fit the one that fits best: the fewest problems, the deepest inside. @param {string[][]} tries */
function shortest(tries) {
  const depth = (/** @type {string[]} */ found) => found[0].indexOf(": ");
  return tries.reduce((best, found) => {
    if (found.length !== best.length) return found.length < best.length ? found : best;
    return depth(found) >= depth(best) ? found : best;
  });
}

/**
 * What a promise is of: the parameter of the first parameter of its `then`.
 *
 * @param {Checker} checker @param {Type} type
 * @returns {Type | undefined}
 */
function awaitedOf(checker, type) {
  const then = isStructured(type) ? checker.getPropertyOfType(type, "then") : undefined;
  const method = then && checker.getTypeOfSymbol(then);
  const signature = method && checker.getSignaturesOfType(method, SignatureKind.Call)[0];
  const callback = signature && checker.getParameterType(signature, 0);
  const called =
    callback && checker.getSignaturesOfType(checker.getNonNullableType(callback) ?? callback, SignatureKind.Call)[0];
  return called && checker.getParameterType(called, 0);
}

/** A symbol's name; of a well-known symbol `@asyncIterator`. @param {Declared} property */
function plainName(property) {
  return property.escapedName.startsWith("__@") ? property.name.replace(/^__/, "").replace(/@\d+$/, "") : property.name;
}

/** Whether users cannot name it: private, protected or `#`. @param {Declared} property */
function isHidden(property) {
  if (property.name.startsWith("#") || property.escapedName.startsWith("__#")) return true;
  const node = property.valueDeclaration?.resolve();
  const flags = node && "modifierFlags" in node ? Number(node.modifierFlags) : 0;
  return (flags & (ModifierFlags.Private | ModifierFlags.Protected)) !== 0;
}
