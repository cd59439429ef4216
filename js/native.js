"use strict";

// Stand-in for the loader of the addon.
module.exports = require("./trigger-native.node");
