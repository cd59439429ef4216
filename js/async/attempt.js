"use strict";

/** Calls what the user gave to be told. What it throws is its own affair: feeds and streams go on. */
function attempt(/** @type {() => void} */ callback) {
  try {
    callback();
  } catch {}
}

module.exports = { attempt };
