"use strict";

/**
 * Schemas of response bodies. A schema takes a value and its path, and gives the value that users get: known fields
 * only, dates as `Date`. An unknown status is passed through (defect 21).
 */

const { ProtocolError } = require("../errors/errors.js");

/**
 * @template T
 * @typedef {(value: unknown, at: string) => T} Schema throws a `ProtocolError` for a value that is no `T`
 */

/**
 * @typedef {Record<string, Schema<unknown> | Optional<unknown>>} Fields
 */

/**
 * The value of an object with these fields.
 *
 * @template F
 * @typedef {{ [Name in keyof F as F[Name] extends Optional<unknown> ? never : Name]: F[Name] extends Schema<infer T> ? T : never }
 *   & { [Name in keyof F as F[Name] extends Optional<unknown> ? Name : never]?: F[Name] extends Optional<infer T> ? T : never }} Read
 */

/** A schema whose value may be missing. @template T */
class Optional {
  /** @param {Schema<T>} schema */
  constructor(schema) {
    this.schema = schema;
  }
}

/** @template T @param {Schema<T>} schema @returns {Optional<T>} */
function optional(schema) {
  return new Optional(schema);
}

/** @param {string} at @param {string} expected */
function wrong(at, expected) {
  // Without the value, which can be a user's data.
  return new ProtocolError("ERR_PROTOCOL", `${at === "" ? "it" : at} is no ${expected}`);
}

/** @type {Schema<string>} */
function text(value, at) {
  if (typeof value !== "string") throw wrong(at, "text");
  return value;
}

/** @type {Schema<number>} */
function number(value, at) {
  if (typeof value !== "number") throw wrong(at, "number");
  return value;
}

/** @type {Schema<boolean>} */
function flag(value, at) {
  if (typeof value !== "boolean") throw wrong(at, "true or false");
  return value;
}

/** @type {Schema<Date>} */
function date(value, at) {
  const made = new Date(typeof value === "string" || typeof value === "number" ? value : Number.NaN);
  if (Number.isNaN(made.getTime())) throw wrong(at, "date");
  return made;
}

/** @type {Schema<unknown>} */
function anything(value) {
  return value;
}

/** @type {Schema<Record<string, unknown>>} */
function record(value, at) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(at, "object");
  return /** @type {Record<string, unknown>} */ (value);
}

/** @template T @param {Schema<T>} item @returns {Schema<T[]>} */
function list(item) {
  return (value, at) => {
    if (!Array.isArray(value)) throw wrong(at, "list");
    return value.map((one, index) => item(one, `${at}[${index}]`));
  };
}

/** @template {Fields} F @param {F} fields @returns {Schema<Read<F>>} */
function object(fields) {
  const entries = Object.entries(fields);
  return (value, at) => {
    const given = record(value, at);
    /** @type {Record<string, unknown>} */
    const read = {};
    for (const [name, schema] of entries) {
      const field = given[name];
      const where = at === "" ? name : `${at}.${name}`;
      if (!(schema instanceof Optional)) read[name] = schema(field, where);
      else if (field !== undefined && field !== null) read[name] = schema.schema(field, where);
    }
    return /** @type {Read<F>} */ (read);
  };
}

module.exports = { anything, date, flag, list, number, object, optional, record, text };
