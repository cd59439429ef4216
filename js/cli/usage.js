"use strict";

/** A wrong use of the command: one sentence, exit code 2. */
class UsageError extends Error {}

module.exports = { UsageError };
