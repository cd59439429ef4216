"use strict";

const { startEmulator } = require("./js/emulator.js");

exports.startEmulator = startEmulator;
