//! The JSON web tokens that the server itself signs (docs/server-protocol.md 2, 3 and 6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value};

use super::ident;
use crate::error::{Error, ErrorCode, Result};
use crate::secret::Secret;
use crate::token::{AUDIENCE, ISSUER};

/// `{"alg":"HS256"}`, the only header of such a token.
const HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";

/// A token with `claims` and then `iss`, `aud`, `exp`, `iat`, as the server writes it.
///
/// # Errors
/// `ERR_INTERNAL` when the signature cannot be made.
pub(super) fn mint(mut claims: Map<String, Value>, key: &Secret, issued_s: u64, expires_s: u64) -> Result<String> {
    claims.insert("iss".into(), ISSUER.into());
    claims.insert("aud".into(), AUDIENCE.into());
    claims.insert("exp".into(), expires_s.into());
    claims.insert("iat".into(), issued_s.into());
    let message = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string()));
    let signature = mac(&message, key.expose().as_bytes())?;
    Ok(format!("{message}.{signature}"))
}

/// A keyed digest of `text`, in base64url.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn mac(text: &str, key: &[u8]) -> Result<String> {
    sign(text.as_bytes(), &EncodingKey::from_secret(key), Algorithm::HS256)
        .map_err(|error| Error::new(ErrorCode::Internal, "a signature could not be made").with_source(error))
}

/// The same in hexadecimal digits.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn hex_mac(text: &str, key: &[u8]) -> Result<String> {
    let digest = URL_SAFE_NO_PAD
        .decode(mac(text, key)?)
        .map_err(|error| Error::new(ErrorCode::Internal, "a signature could not be read").with_source(error))?;
    Ok(ident::hex(&digest))
}

/// The `sub` of a text in the form of a public token, before any check: it selects the key to verify with. `None` for
/// any other text, such as a key.
pub(super) fn subject(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    (claims["pub"] == true).then(|| claims["sub"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims() -> Map<String, Value> {
        json!({ "sub": "env_id_lab_prod", "pub": true, "scopes": ["read:runs:run_1"] })
            .as_object()
            .cloned()
            .unwrap_or_default()
    }

    #[test]
    fn a_token_is_the_servers_byte_for_byte() {
        // Recorded: `trigger-and-tokens`, POST /api/v1/auth/jwt, signed with the lab's fake key.
        let recorded = concat!(
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJlbnZfaWRfbGFiX3Byb2QiLCJwdWIiOnRydWUsInNjb3BlcyI6WyJyZWFkOnJ1bnM",
            "6cnVuXzEiXSwiaXNzIjoiaHR0cHM6Ly9pZC50cmlnZ2VyLmRldiIsImF1ZCI6Imh0dHBzOi8vYXBpLnRyaWdnZXIuZGV2Iiw",
            "iZXhwIjoxNzk1MzM1ODQ1LCJpYXQiOjE3OTUzMzU1NDV9.7f4A5Eek3Zthdg8wPlHgqk8KZkjB9EKtKnZGAlGjacQ",
        );
        let key = Secret::new("tr_prod_fakefakefakefakefake");
        assert_eq!(mint(claims(), &key, 1_795_335_545, 1_795_335_845).expect("a token"), recorded);
    }

    #[test]
    fn what_is_no_public_token_is_not_read_as_one() {
        for text in
            ["", "a.b", "a.b.c", "tr_dev_x", "eyJhbGciOiJIUzI1NiJ9.eyJwdWIiOmZhbHNlfQ.x", "a.eyJwdWIiOnRydWV9.b.c"]
        {
            assert_eq!(subject(text), None, "{text}");
        }
        assert_eq!(subject("a.eyJwdWIiOnRydWV9.b").as_deref(), Some(""));
    }
}
