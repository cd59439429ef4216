"use strict";

/**
 * What answers hold. A shape takes a value and where it stood, and gives what users get: known
 * fields only, dates as `Date`. A status we do not know is passed through as it is (defect 21).
 */

const { ProtocolError } = require("../errors/errors.js");

/** @typedef {(value: any, at: string) => any} Shape */

/** A shape whose value may be missing. */
class Optional {
  /** @param {Shape} shape */
  constructor(shape) {
    this.shape = shape;
  }
}

/** @param {Shape} shape */
function optional(shape) {
  return new Optional(shape);
}

function wrong(at, expected) {
  // The value stays out: it can be a user's data.
  return new ProtocolError("ERR_PROTOCOL", `${at === "" ? "it" : at} is no ${expected}`);
}

/** @type {Shape} */
function text(value, at) {
  if (typeof value !== "string") throw wrong(at, "text");
  return value;
}

/** @type {Shape} */
function number(value, at) {
  if (typeof value !== "number") throw wrong(at, "number");
  return value;
}

/** @type {Shape} */
function flag(value, at) {
  if (typeof value !== "boolean") throw wrong(at, "true or false");
  return value;
}

/** @type {Shape} */
function date(value, at) {
  const made = typeof value === "string" || typeof value === "number" ? new Date(value) : undefined;
  if (made === undefined || Number.isNaN(made.getTime())) throw wrong(at, "date");
  return made;
}

/** @type {Shape} */
function anything(value) {
  return value;
}

/** @type {Shape} */
function record(value, at) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(at, "object");
  return value;
}

/** @param {Shape} item @returns {Shape} */
function list(item) {
  return (value, at) => {
    if (!Array.isArray(value)) throw wrong(at, "list");
    return value.map((one, index) => item(one, `${at}[${index}]`));
  };
}

/** @param {Record<string, Shape | Optional>} fields @returns {Shape} */
function object(fields) {
  const shapes = Object.entries(fields);
  return (value, at) => {
    record(value, at);
    /** @type {Record<string, unknown>} */
    const read = {};
    for (const [name, shape] of shapes) {
      const field = value[name];
      const where = at === "" ? name : `${at}.${name}`;
      if (!(shape instanceof Optional)) read[name] = shape(field, where);
      else if (field !== undefined && field !== null) read[name] = shape.shape(field, where);
    }
    return read;
  };
}

module.exports = { anything, date, flag, list, number, object, optional, record, text };
