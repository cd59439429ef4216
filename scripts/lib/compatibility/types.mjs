// What two packages declare, compared by the compiler.
//
// Assignability as such is too strict here: the official results are classes with private members, which nothing but
// themselves is assignable to. So where the compiler says no, the public members are compared one by one, the way users
// use them: parameters, awaited results, properties.

import { SignatureKind, SymbolFlags } from "typescript/unstable/sync";
import { additions, shortest, untaken } from "./calls.mjs";
import { awaitedOf, declared, isHidden, isStructured, open, plainName } from "./compiler.mjs";

/**
 * @typedef {import("./compiler.mjs").Type} Type
 * @typedef {import("./compiler.mjs").Signature} Signature
 * @typedef {import("./compiler.mjs").Checker} Checker
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
      // Read the other way round: arguments for theirs are passed to ours.
      if (wanted && gift) found.push(...this.fits(gift, wanted, `${where}(${parameter.name})`, depth + 1));
    }
    const [result, expected] = [checker.getReturnTypeOfSignature(from), checker.getReturnTypeOfSignature(to)];
    if (result && expected) found.push(...this.fits(result, expected, where, depth + 1));
    return found;
  }
}

/** Members of every promise. */
const PROMISE = new Set(["then", "catch", "finally", "@toStringTag"]);

/** @param {Type} type @returns {readonly Type[]} */
function alternativesOf(type) {
  return type.isUnionType() ? type.getTypes() : [type];
}
