"use strict";

/** Calls a callback of the user's. What it throws is ignored: feeds and streams go on. */
function attempt(/** @type {() => void} */ callback) {
  try {
    callback();
  } catch {}
}

module.exports = { attempt };
