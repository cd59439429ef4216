#!/usr/bin/env node
"use strict";

require("../js/cli/main.js")
  .main(process.argv.slice(2))
  .then((code) => {
    // Not `exit`: what is still being written is written.
    process.exitCode = code;
  });
