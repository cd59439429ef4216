// The parameters and options of calls, and those that only ours have.

import { SignatureKind } from "typescript/unstable/sync";
import { awaitedOf, isStructured, propertiesOf } from "./compiler.mjs";

/**
 * @typedef {import("./compiler.mjs").Type} Type
 * @typedef {import("./compiler.mjs").Checker} Checker
 */

/** How deep options are looked into, in members. */
const DEEPEST = 8;

/**
 * What the official function takes and ours does not. Types alone let that pass: a function of fewer parameters is
 * assignable, and so are options with members that are not read. Those who write them down are refused, though.
 *
 * @param {Checker} checker @param {string} name @param {Type} our @param {Type} their
 * @param {(path: string) => boolean} leftOut
 * @returns {string[]}
 */
export function untaken(checker, name, our, their, leftOut) {
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

/**
 * The additions of ours: properties of the result (or of the object itself), and `{ option }`s.
 *
 * @param {Checker} checker @param {Type} our @param {Type} their
 */
export function additions(checker, our, their) {
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

/** Whether a parameter is a bag of options: its members are the options. @param {string} name */
function isOptions(name) {
  return /options$|^opts$|^params$|^filters$|^body$|^config$/i.test(name);
}

/** @param {Checker} checker @param {Type} our @param {Type | undefined} their */
function extra(checker, our, their) {
  const known = new Set(their ? propertiesOf(checker, their) : []);
  return propertiesOf(checker, our).filter((name) => !known.has(name));
}

/** Of several ways not to fit the one that fits best: the fewest problems, the deepest inside. @param {string[][]} tries */
export function shortest(tries) {
  const depth = (/** @type {string[]} */ found) => found[0].indexOf(": ");
  return tries.reduce((best, found) => {
    if (found.length !== best.length) return found.length < best.length ? found : best;
    return depth(found) >= depth(best) ? found : best;
  });
}
