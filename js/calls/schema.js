"use strict";

/**
 * What answers hold. A schema takes a value and where it stood, and gives what users get: known
 * fields only, dates as `Date`. A status we do not know is passed through as it is (defect 21).
 */

const { ProtocolError } = require("../errors/errors.js");

/** @typedef {(value: any, at: string) => any} Schema */

/** A schema whose value may be missing. */
class Optional {
  /** @param {Schema} schema */
  constructor(schema) {
    this.schema = schema;
  }
}

/** @param {Schema} schema */
function optional(schema) {
  return new Optional(schema);
}

function wrong(at, expected) {
  // The value stays out: it can be a user's data.
  return new ProtocolError("ERR_PROTOCOL", `${at === "" ? "it" : at} is no ${expected}`);
}

/** @type {Schema} */
function text(value, at) {
  if (typeof value !== "string") throw wrong(at, "text");
  return value;
}

/** @type {Schema} */
function number(value, at) {
  if (typeof value !== "number") throw wrong(at, "number");
  return value;
}

/** @type {Schema} */
function flag(value, at) {
  if (typeof value !== "boolean") throw wrong(at, "true or false");
  return value;
}

/** @type {Schema} */
function date(value, at) {
  const made = typeof value === "string" || typeof value === "number" ? new Date(value) : undefined;
  if (made === undefined || Number.isNaN(made.getTime())) throw wrong(at, "date");
  return made;
}

/** @type {Schema} */
function anything(value) {
  return value;
}

/** @type {Schema} */
function record(value, at) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(at, "object");
  return value;
}

/** @param {Schema} item @returns {Schema} */
function list(item) {
  return (value, at) => {
    if (!Array.isArray(value)) throw wrong(at, "list");
    return value.map((one, index) => item(one, `${at}[${index}]`));
  };
}

/** @param {Record<string, Schema | Optional>} fields @returns {Schema} */
function object(fields) {
  const entries = Object.entries(fields);
  return (value, at) => {
    record(value, at);
    /** @type {Record<string, unknown>} */
    const read = {};
    for (const [name, schema] of entries) {
      const field = value[name];
      const where = at === "" ? name : `${at}.${name}`;
      if (!(schema instanceof Optional)) read[name] = schema(field, where);
      else if (field !== undefined && field !== null) read[name] = schema.schema(field, where);
    }
    return read;
  };
}

module.exports = { anything, date, flag, list, number, object, optional, record, text };
