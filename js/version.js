"use strict";

/** The version of this package; the addon and its package must be of the same. `scripts/version.mjs` writes it. */
module.exports = "0.1.0";
