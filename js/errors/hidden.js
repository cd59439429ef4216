"use strict";

/** Messages without secrets. `src/log/text.rs` does the same for log lines. */

/** The text in the place of a secret, as in the native library. */
const PLACEHOLDER = "(secret)";

/** A key, whose kind its beginning says; a JSON Web Token, whole or cut; the login of a URL. */
const SECRETS =
  /tr_(?:dev|stg|prod|preview|pat|oat)_[\w-]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]+|\beyJ[\w-]{12,}(?:\.[\w-]*)?|(?<=:\/\/)[^\s/@"'<>]+(?=@)/g;

/**
 * A message without the keys and tokens that a caller passed in a place that is not for one.
 *
 * @param {string} message
 */
function withoutSecrets(message) {
  return message.replace(SECRETS, PLACEHOLDER);
}

module.exports = { withoutSecrets };
