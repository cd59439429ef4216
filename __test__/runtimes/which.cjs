"use strict";

// Prints which runtime this is, and the packages whose addon it takes.

const { candidates } = require("./node_modules/trigger-native/js/native/platform.js");

const { bun, node } = process.versions;
console.log(bun ? `Bun ${bun}` : `Node ${node}`, "takes", candidates().join(" or "));
