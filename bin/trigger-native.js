#!/usr/bin/env node
"use strict";

require("../js/cli/main.js")
  .main(process.argv.slice(2))
  .then((code) => {
    // Not `exit()`: pending output is still written.
    process.exitCode = code;
  });
