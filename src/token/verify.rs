//! Verification of public tokens, as on the server (docs/server-protocol.md 3), for the relay and the emulator.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use super::{AUDIENCE, ISSUER};
use crate::secret::Secret;

/// The size limit of a token, in bytes. A header cannot carry as much.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// The size of an HS256 signature, in bytes.
const SIGNATURE_BYTES: usize = 32;

/// The reason why a token is invalid. The server gives its callers the same response for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Not a JWT, or a claim of a type it cannot have.
    Malformed,
    /// Any algorithm but HS256, `none` above all, or a critical extension.
    Algorithm,
    /// The token is signed with another key, or was altered.
    Signature,
    /// Another issuer than [`ISSUER`].
    Issuer,
    /// Another audience than [`AUDIENCE`].
    Audience,
    /// `exp` is in the past.
    Expired,
    /// `nbf` is in the future.
    NotYet,
    /// `pub` is not `true`.
    NotPublic,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the token is not a readable JWT",
            Self::Algorithm => "the token is not signed with HS256",
            Self::Signature => "the token's signature does not match the key",
            Self::Issuer => "the token has another issuer",
            Self::Audience => "the token has another audience",
            Self::Expired => "the token has expired",
            Self::NotYet => "the token is not valid yet",
            Self::NotPublic => "the token is not a public token",
        })
    }
}

impl std::error::Error for Invalid {}

/// The claims of a valid public token.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicClaims {
    /// The environment's id.
    pub sub: String,
    /// The scopes, see [`grants`](super::grants). Empty when the claim is absent.
    pub scopes: Vec<String>,
    /// Whether the token works once only. Only the boolean `true` counts (docs/server-protocol.md 3).
    pub otu: bool,
    /// The id of the token.
    pub jti: Option<String>,
    /// `realtime.skipColumns`: the columns that feeds with this token leave out.
    pub skip_columns: Vec<String>,
    /// The expiry in Unix seconds. A token without one never expires, as on the server.
    pub exp: Option<f64>,
}

/// Verifies `token` with the root key `key` at `now` (Unix seconds), with `leeway` seconds for a clock that is off:
/// HS256, signature, `exp`, `nbf`, `iss`, `aud`, `pub`.
///
/// # Errors
/// The first reason. The signature is checked before the claims.
pub fn verify(token: &str, key: &Secret, now: i64, leeway: u32) -> Result<PublicClaims, Invalid> {
    let parts = Parts::read(token)?;
    let key = DecodingKey::from_secret(key.expose().as_bytes());
    match crypto::verify(parts.signature, parts.message.as_bytes(), &key, Algorithm::HS256) {
        Ok(true) => {}
        // An error is a signature that is not base64url.
        Ok(false) | Err(_) => return Err(Invalid::Signature),
    }
    read(object(parts.payload)?, now, leeway)
}

/// Checks everything of `token` that [`verify`] checks, except for the signature itself: whether it is worth asking the
/// server that has the key. The returned claims are not proven.
///
/// # Errors
/// As [`verify`]. [`Invalid::Signature`] is a signature that no key makes: of another length, or not in canonical
/// base64url. A decoder that skips other characters would take very many texts for the same token.
pub fn inspect(token: &str, now: i64, leeway: u32) -> Result<PublicClaims, Invalid> {
    let parts = Parts::read(token)?;
    let claims = read(object(parts.payload)?, now, leeway)?;
    match URL_SAFE_NO_PAD.decode(parts.signature) {
        Ok(signature) if signature.len() == SIGNATURE_BYTES => Ok(claims),
        Ok(_) | Err(_) => Err(Invalid::Signature),
    }
}

struct Parts<'t> {
    message: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    fn read(token: &'t str) -> Result<Self, Invalid> {
        let (message, signature) =
            token.rsplit_once('.').filter(|_| token.len() <= MAX_TOKEN_BYTES).ok_or(Invalid::Malformed)?;
        let (header, payload) =
            message.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or(Invalid::Malformed)?;
        let header = object(header)?;
        if header.get("alg").and_then(Value::as_str) != Some("HS256") || header.contains_key("crit") {
            return Err(Invalid::Algorithm);
        }
        Ok(Self { message, payload, signature })
    }
}

fn read(claims: Map<String, Value>, now: i64, leeway: u32) -> Result<PublicClaims, Invalid> {
    let number = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Invalid::Malformed),
    };
    #[expect(clippy::cast_precision_loss, reason = "a clock's seconds are far below 2^53")]
    let (now, leeway) = (now as f64, f64::from(leeway));
    let exp = number("exp")?;
    // The server refuses an `iat` that is not a number, and does not compare it.
    number("iat")?;
    if claims.get("iss").and_then(Value::as_str) != Some(ISSUER) {
        return Err(Invalid::Issuer);
    }
    let fits = |audience: &Value| audience.as_str() == Some(AUDIENCE);
    if !claims.get("aud").is_some_and(|aud| fits(aud) || aud.as_array().is_some_and(|all| all.iter().any(fits))) {
        return Err(Invalid::Audience);
    }
    if number("nbf")?.is_some_and(|nbf| nbf > now + leeway) {
        return Err(Invalid::NotYet);
    }
    if exp.is_some_and(|exp| exp <= now - leeway) {
        return Err(Invalid::Expired);
    }
    if claims.get("pub") != Some(&Value::Bool(true)) {
        return Err(Invalid::NotPublic);
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let skip = claims.get("realtime").and_then(|realtime| realtime.get("skipColumns"));
    Ok(PublicClaims {
        sub: text("sub").ok_or(Invalid::Malformed)?,
        scopes: scopes(claims.get("scopes"))?,
        otu: claims.get("otu") == Some(&Value::Bool(true)),
        jti: text("jti"),
        skip_columns: strings(skip)?,
        exp,
    })
}

fn object(part: &str) -> Result<Map<String, Value>, Invalid> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Invalid::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Invalid::Malformed)
}

/// The scopes that are strings. Others allow nothing, and are left out (docs/server-protocol.md 8).
fn scopes(value: Option<&Value>) -> Result<Vec<String>, Invalid> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or(Invalid::Malformed)?;
    Ok(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn strings(value: Option<&Value>) -> Result<Vec<String>, Invalid> {
    match value {
        None => Ok(Vec::new()),
        Some(value) => {
            let items = value.as_array().ok_or(Invalid::Malformed)?;
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or(Invalid::Malformed)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::EncodingKey;
    use serde_json::json;

    const NOW: i64 = 1_795_339_568;

    fn signed(header: &Value, payload: &Value, key: &str, algorithm: Algorithm) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(payload));
        let key = EncodingKey::from_secret(key.as_bytes());
        format!("{message}.{}", crypto::sign(message.as_bytes(), &key, algorithm).expect("signs"))
    }

    fn claims() -> Value {
        json!({ "sub": "env_1", "pub": true, "scopes": ["read:runs:r"], "otu": true, "jti": "j",
            "realtime": { "skipColumns": ["payload"] }, "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 1, "iat": NOW })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn check(payload: &Value) -> Result<PublicClaims, Invalid> {
        verify(&signed(&json!({ "alg": "HS256" }), payload, "key", Algorithm::HS256), &Secret::new("key"), NOW, 0)
    }

    #[test]
    fn a_valid_token_says_what_it_may_do() {
        let claims = check(&claims()).expect("valid");
        assert_eq!((claims.sub.as_str(), claims.otu, claims.jti.as_deref()), ("env_1", true, Some("j")));
        assert_eq!((claims.scopes, claims.skip_columns), (vec!["read:runs:r".to_owned()], vec!["payload".to_owned()]));
        assert!(!check(&with("otu", json!("true"))).expect("valid").otu);
        assert!(check(&with("aud", json!(["x", AUDIENCE]))).is_ok());
    }

    #[test]
    fn a_token_that_is_wrong_says_why() {
        for (payload, why) in [
            (with("iss", json!("https://elsewhere")), Invalid::Issuer),
            (with("iss", json!(null)), Invalid::Issuer),
            (with("aud", json!("https://elsewhere")), Invalid::Audience),
            (with("aud", json!([])), Invalid::Audience),
            (with("exp", json!(NOW)), Invalid::Expired),
            (with("exp", json!("later")), Invalid::Malformed),
            (with("iat", json!("now")), Invalid::Malformed),
            (with("iat", json!(null)), Invalid::Malformed),
            (with("nbf", json!(NOW + 1)), Invalid::NotYet),
            (with("pub", json!(1)), Invalid::NotPublic),
            (with("sub", json!(7)), Invalid::Malformed),
            (with("scopes", json!("read:runs")), Invalid::Malformed),
            (json!([]), Invalid::Malformed),
        ] {
            assert_eq!(check(&payload), Err(why), "{payload}");
        }
    }

    #[test]
    fn a_token_keeps_the_scopes_that_are_text_beside_those_that_are_not() {
        let scopes = |scopes: Value| check(&with("scopes", scopes)).expect("valid").scopes;
        assert_eq!(scopes(json!([7, "read:runs:r", null, ["admin"], { "admin": true }, true])), ["read:runs:r"]);
        assert_eq!(scopes(json!([null])), Vec::<String>::new());
        let mut without = claims();
        without.as_object_mut().expect("claims").remove("iat");
        assert!(check(&without).is_ok(), "one without a time is taken");
    }

    #[test]
    fn only_hs256_with_the_right_key_counts() {
        let key = Secret::new("key");
        let good = signed(&json!({ "alg": "HS256" }), &claims(), "key", Algorithm::HS256);
        let unsigned =
            format!("{}.{}.", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"), good.split('.').nth(1).expect("payload"));
        let hs512 = signed(&json!({ "alg": "HS512" }), &claims(), "key", Algorithm::HS512);
        let critical = signed(&json!({ "alg": "HS256", "crit": ["x"] }), &claims(), "key", Algorithm::HS256);
        for (token, why) in [
            (unsigned.as_str(), Invalid::Algorithm),
            (&hs512, Invalid::Algorithm),
            (&critical, Invalid::Algorithm),
            (&signed(&json!({ "alg": "HS256" }), &claims(), "other", Algorithm::HS256), Invalid::Signature),
            (&good[..good.len() - 1], Invalid::Signature),
            (&format!("{good}!"), Invalid::Signature),
            (&good.replacen('.', "..", 1), Invalid::Malformed),
            ("", Invalid::Malformed),
            ("a.b.c", Invalid::Malformed),
            (&"x".repeat(MAX_TOKEN_BYTES + 1), Invalid::Malformed),
        ] {
            assert_eq!(verify(token, &key, NOW, 0), Err(why), "{why}");
        }
    }

    #[test]
    fn one_token_is_written_in_one_way_alone() {
        let good = signed(&json!({ "alg": "HS256" }), &claims(), "other", Algorithm::HS256);
        assert!(inspect(&good, NOW, 0).is_ok());
        let (message, signature) = good.rsplit_once('.').expect("a JWT");
        // Of the last letter only four bits count.
        let last = signature.chars().last().expect("a letter");
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let next = alphabet.chars().nth(alphabet.find(last).expect("base64url") + 1).expect("the low bits were 0");
        for other in [
            format!("{}{next}", &signature[..signature.len() - 1]),
            format!("{signature}="),
            format!("{signature}!"),
            format!("{signature}A"),
            format!("{}*{}", &signature[..9], &signature[9..]),
            signature[..signature.len() - 1].to_owned(),
            String::new(),
        ] {
            assert_eq!(inspect(&format!("{message}.{other}"), NOW, 0), Err(Invalid::Signature), "{other}");
        }
    }

    #[test]
    fn leeway_forgives_a_clock_that_is_off() {
        let token = signed(&json!({ "alg": "HS256" }), &with("exp", json!(NOW - 4)), "key", Algorithm::HS256);
        assert_eq!(verify(&token, &Secret::new("key"), NOW, 4), Err(Invalid::Expired));
        assert!(verify(&token, &Secret::new("key"), NOW, 5).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_token_panics(token in "[A-Za-z0-9_.=-]{0,80}") {
            let _ = verify(&token, &Secret::new("key"), NOW, 0);
        }
    }
}
