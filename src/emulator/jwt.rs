//! Signing and verifying the emulator's own public tokens (protocol.md 3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{sign, verify};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Map, Value};

use crate::config::Secret;
use crate::error::{Error, Kind, Result};

/// `{"alg":"HS256"}`, the only header such a token has.
const HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";
const ISSUER: &str = "https://id.trigger.dev";
const AUDIENCE: &str = "https://api.trigger.dev";

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
        .map_err(|error| Error::new(Kind::Internal, "ERR_INTERNAL", "a signature could not be made").with_source(error))
}

/// The claims of a text that has the form of a public token, before anything is checked.
pub(super) fn unverified(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims: Map<String, Value> = match (parts.next(), URL_SAFE_NO_PAD.decode(payload)) {
        (None, Ok(bytes)) => serde_json::from_slice(&bytes).ok()?,
        _ => return None,
    };
    (claims.get("pub") == Some(&Value::Bool(true))).then_some(claims)
}

/// Whether `token`, whose claims are `claims`, is signed with `key`, of this issuer and
/// audience, and not expired at `now_s`.
pub(super) fn holds(token: &str, claims: &Map<String, Value>, key: &Secret, now_s: u64) -> bool {
    let Some((message, signature)) = token.rsplit_once('.') else { return false };
    let header = message.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let is_hs256 = header
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .is_some_and(|header| header["alg"] == "HS256");
    let signed = || {
        let key = DecodingKey::from_secret(key.expose().as_bytes());
        verify(signature, message.as_bytes(), &key, Algorithm::HS256).unwrap_or(false)
    };
    let for_us = match claims.get("aud") {
        Some(Value::String(one)) => one == AUDIENCE,
        Some(Value::Array(several)) => several.iter().any(|one| one == AUDIENCE),
        _ => false,
    };
    let number = |name: &str| claims.get(name).map(|value| value.as_f64().unwrap_or(f64::NAN));
    let now = now_s as f64;
    is_hs256
        && claims.get("iss").is_some_and(|issuer| issuer == ISSUER)
        && for_us
        && number("exp").is_some_and(|exp| exp > now)
        && number("nbf").is_none_or(|nbf| nbf <= now)
        && signed()
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
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJlbnZfaWRfbGFiX3Byb2QiLCJwdWIiOnRydWUsInNjb3BlcyI6WyJyZWFkOnJ1bnM6cnVuXzEiXSwi",
            "aXNzIjoiaHR0cHM6Ly9pZC50cmlnZ2VyLmRldiIsImF1ZCI6Imh0dHBzOi8vYXBpLnRyaWdnZXIuZGV2IiwiZXhwIjoxNzk1MzM1ODQ1LCJpYX",
            "QiOjE3OTUzMzU1NDV9",
        );
        let token = mint(claims(), &Secret::new("tr_prod_fakefakefakefakefake"), 1_795_335_545, 1_795_335_845)
            .expect("a token");
        assert_eq!(token.rsplit_once('.').map(|(message, _)| message), Some(recorded));
    }

    #[test]
    fn only_a_token_of_this_key_and_time_holds() {
        let key = Secret::new("tr_dev_one");
        let token = mint(claims(), &key, 1_000, 2_000).expect("a token");
        let read = unverified(&token).expect("a public token");
        assert!(holds(&token, &read, &key, 1_999));
        assert!(!holds(&token, &read, &key, 2_000));
        assert!(!holds(&token, &read, &Secret::new("tr_dev_two"), 1_500));
        assert!(!holds(&token[..token.len() - 1], &read, &key, 1_500));
    }

    #[test]
    fn what_is_no_public_token_is_not_read_as_one() {
        for text in
            ["", "a.b", "a.b.c", "tr_dev_x", "eyJhbGciOiJIUzI1NiJ9.eyJwdWIiOmZhbHNlfQ.x", "a.eyJwdWIiOnRydWV9.b.c"]
        {
            assert_eq!(unverified(text), None, "{text}");
        }
    }
}
