//! Minting of public tokens: HS256 over a payload that equals the official SDK's byte for byte
//! (docs/server-protocol.md 3), apart from the `jti` of one-time tokens (defect 2).

use std::fmt;
use std::fmt::Write as _;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{AUDIENCE, Expiry, ISSUER, stringify};
use crate::error::Result;
use crate::json::push_string;
use crate::secret::Secret;

/// `{"alg":"HS256"}` in base64url, and the dot after it.
const HEADER: &str = "eyJhbGciOiJIUzI1NiJ9.";

/// The use of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// `createPublicToken`.
    Public,
    /// A trigger or batch-trigger token that works once. The 16 random bytes become its `jti`. Without it, two tokens
    /// of the same second would be the same token, and the server would refuse the second as used (defect 2).
    Once([u8; 16]),
    /// A trigger or batch-trigger token that works until it expires.
    Multiple,
}

/// The content of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grant<'a> {
    /// The use of the token.
    pub usage: Use,
    /// The `scopes` claim, a JSON text as `JSON.stringify` writes it. Absent when `None`.
    pub scopes: Option<&'a str>,
    /// The `realtime` claim, a JSON text as `JSON.stringify` writes it. Absent when `None`.
    pub realtime: Option<&'a str>,
    /// The time at which the token expires.
    pub expiry: Expiry<'a>,
}

/// Signs public tokens with one key over one set of server claims. The fixed parts of the payload and the state of the
/// HMAC key are computed once.
pub struct Minter {
    key: hmac::Key,
    public: Vec<Piece>,
    once: Vec<Piece>,
    multiple: Vec<Piece>,
    subject: Box<str>,
}

/// A part of a payload: fixed claims, or one variable claim.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Fixed members, without a leading comma.
    Text(String),
    Scopes,
    Realtime,
    Exp,
    Iat,
    Jti,
}

impl Minter {
    /// A minter with the root key `key` over `claims`, the server's response to `POST /api/v1/auth/jwt/claims`.
    #[must_use]
    pub fn new(key: &Secret, claims: &Map<String, Value>) -> Self {
        let text = |name: &str, value: &str| (name.to_owned(), Piece::Text(format!("\"{name}\":{value}")));
        let own = |piece: Piece, name: &str| (name.to_owned(), piece);
        let quoted = |name: &str, value: &str| text(name, &format!("\"{value}\""));
        let tail = || [quoted("iss", ISSUER), quoted("aud", AUDIENCE), own(Piece::Exp, "exp"), own(Piece::Iat, "iat")];
        let (scopes, realtime) = (own(Piece::Scopes, "scopes"), own(Piece::Realtime, "realtime"));
        let trigger = |otu: &str| [text("otu", otu), realtime.clone(), scopes.clone()];
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes()),
            public: layout(claims, [scopes.clone(), realtime.clone()].into_iter().chain(tail())),
            once: layout(claims, trigger("true").into_iter().chain(tail()).chain([own(Piece::Jti, "jti")])),
            multiple: layout(claims, trigger("false").into_iter().chain(tail())),
            subject: claims.get("sub").and_then(Value::as_str).unwrap_or_default().into(),
        }
    }

    /// The environment's id, which is the `sub` of every token. Empty where the claims have none.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Mints a token at `now` (Unix seconds). It lives 15 minutes by default.
    ///
    /// # Errors
    /// `ERR_INVALID_EXPIRATION`, see [`Expiry::resolve`].
    pub fn mint(&self, grant: &Grant<'_>, now: i64) -> Result<String> {
        let exp = grant.expiry.resolve(now)?;
        let payload = self.payload(grant, exp, now);
        // The signature and its dot are 44 characters.
        let mut token = String::with_capacity(HEADER.len() + payload.len().div_ceil(3) * 4 + 44);
        token.push_str(HEADER);
        URL_SAFE_NO_PAD.encode_string(&payload, &mut token);
        let signature = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn payload(&self, grant: &Grant<'_>, exp: f64, now: i64) -> String {
        let (pieces, jti) = match grant.usage {
            Use::Public => (&self.public, None),
            Use::Once(jti) => (&self.once, Some(jti)),
            Use::Multiple => (&self.multiple, None),
        };
        let variable = grant.scopes.map_or(0, str::len) + grant.realtime.map_or(0, str::len);
        let mut out = String::with_capacity(320 + variable);
        out.push('{');
        for piece in pieces {
            match piece {
                Piece::Text(text) => member(&mut out, text),
                Piece::Scopes => {
                    if let Some(scopes) = grant.scopes {
                        member(&mut out, "\"scopes\":");
                        out.push_str(scopes);
                    }
                }
                Piece::Realtime => {
                    if let Some(realtime) = grant.realtime {
                        member(&mut out, "\"realtime\":");
                        out.push_str(realtime);
                    }
                }
                Piece::Exp => {
                    member(&mut out, "\"exp\":");
                    stringify::push_f64(&mut out, exp);
                }
                Piece::Iat => {
                    member(&mut out, "\"iat\":");
                    // Writing into a String cannot fail.
                    let _ = write!(out, "{now}");
                }
                Piece::Jti => {
                    if let Some(jti) = jti {
                        member(&mut out, "\"jti\":\"");
                        for byte in jti {
                            out.push(hex_digit(byte >> 4));
                            out.push(hex_digit(byte & 15));
                        }
                        out.push('"');
                    }
                }
            }
        }
        out.push('}');
        out
    }
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is a secret.
        f.debug_struct("Minter").finish_non_exhaustive()
    }
}

/// The pieces of a payload in the order of a JavaScript object: the server's claims, then `set`. A claim of the server
/// that is set again keeps its position.
fn layout(claims: &Map<String, Value>, set: impl Iterator<Item = (String, Piece)>) -> Vec<Piece> {
    let mut members: Vec<(String, Piece)> = stringify::members(claims)
        .into_iter()
        .map(|(name, value)| {
            let mut text = String::new();
            push_string(&mut text, name);
            text.push(':');
            stringify::push_value(&mut text, value);
            (name.to_owned(), Piece::Text(text))
        })
        .collect();
    for (name, piece) in set {
        match members.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = piece,
            None => members.push((name, piece)),
        }
    }
    let mut pieces: Vec<Piece> = Vec::with_capacity(members.len());
    for (_, piece) in members {
        match (pieces.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => {
                before.push(',');
                before.push_str(&text);
            }
            (_, piece) => pieces.push(piece),
        }
    }
    pieces
}

/// Appends the member `text`, after a comma unless it is the first one.
fn member(out: &mut String, text: &str) {
    if out.len() > 1 {
        out.push(',');
    }
    out.push_str(text);
}

fn hex_digit(digit: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(digit & 15)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    const NOW: i64 = 1_795_339_568;

    fn minter(claims: &str) -> Minter {
        Minter::new(&Secret::new("tr_dev_fakefakefakefakefakef"), &serde_json::from_str(claims).expect("an object"))
    }

    fn payload_of(token: &str) -> String {
        let middle = token.split('.').nth(1).expect("three parts");
        String::from_utf8(URL_SAFE_NO_PAD.decode(middle).expect("base64url")).expect("UTF-8")
    }

    fn minted(minter: &Minter, usage: Use, scopes: Option<&str>, realtime: Option<&str>) -> String {
        let grant = Grant { usage, scopes, realtime, expiry: Expiry::Default };
        payload_of(&minter.mint(&grant, NOW).expect("valid"))
    }

    const TAIL: &str =
        r#""iss":"https://id.trigger.dev","aud":"https://api.trigger.dev","exp":1795340468,"iat":1795339568"#;

    #[test]
    fn claims_stand_in_the_official_order() {
        let minter = minter(r#"{"sub":"env_1","pub":true}"#);
        let (scopes, realtime) = (Some(r#"["read:runs:r"]"#), Some(r#"{"skipColumns":["payload"]}"#));
        assert_eq!(
            minted(&minter, Use::Public, scopes, realtime),
            format!(
                r#"{{"sub":"env_1","pub":true,"scopes":["read:runs:r"],"realtime":{{"skipColumns":["payload"]}},{TAIL}}}"#
            )
        );
        assert_eq!(minted(&minter, Use::Public, None, None), format!(r#"{{"sub":"env_1","pub":true,{TAIL}}}"#));
        assert_eq!(
            minted(&minter, Use::Multiple, scopes, realtime),
            format!(
                r#"{{"sub":"env_1","pub":true,"otu":false,"realtime":{{"skipColumns":["payload"]}},"scopes":["read:runs:r"],{TAIL}}}"#
            )
        );
        assert_eq!(
            minted(&minter, Use::Once([0xab; 16]), scopes, None),
            format!(
                r#"{{"sub":"env_1","pub":true,"otu":true,"scopes":["read:runs:r"],{TAIL},"jti":"{}"}}"#,
                "ab".repeat(16)
            )
        );
    }

    #[test]
    fn a_claim_of_the_server_that_is_set_again_keeps_its_place() {
        let minter = minter(r#"{"scopes":["x"],"exp":1,"sub":"env_1","jti":"kept","7":1.0}"#);
        assert_eq!(
            minted(&minter, Use::Public, None, None),
            r#"{"7":1,"exp":1795340468,"sub":"env_1","jti":"kept","iss":"https://id.trigger.dev","aud":"https://api.trigger.dev","iat":1795339568}"#
        );
        assert!(
            minted(&minter, Use::Once([1; 16]), Some("[]"), None)
                .starts_with(r#"{"7":1,"scopes":[],"exp":1795340468,"sub":"env_1","jti":"0101"#)
        );
    }

    #[test]
    fn a_token_verifies_with_its_key_and_debug_shows_no_key() {
        let minter = minter(r#"{"sub":"env_1","pub":true}"#);
        let grant = Grant { usage: Use::Public, scopes: None, realtime: None, expiry: Expiry::Period("1h") };
        let token = minter.mint(&grant, NOW).expect("valid");
        let key = Secret::new("tr_dev_fakefakefakefakefakef");
        assert_eq!(super::super::verify(&token, &key, NOW, 0).expect("valid").sub, "env_1");
        assert!(!format!("{minter:?}").contains("fake"));
    }

    #[test]
    fn a_bad_expiry_is_refused_before_signing() {
        let grant = Grant { usage: Use::Public, scopes: None, realtime: None, expiry: Expiry::At(1.0) };
        assert_eq!(minter(r#"{"sub":"e"}"#).mint(&grant, NOW).expect_err("past").code(), ErrorCode::InvalidExpiration);
    }
}
