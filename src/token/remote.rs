//! Public tokens that the server mints, for keys that cannot sign: additional keys and run tokens
//! (docs/server-protocol.md 2). This is the body of the request and the meaning of the response; `bridge` makes the
//! call.

use serde::Deserialize;

use super::{Grant, Use, stringify};
use crate::config::KeyKind;
use crate::error::{Error, ErrorCode, Result};
use crate::json::push_string;
use crate::token::Expiry;

/// The route that mints: `POST`, with the response `{token}`.
pub const PUBLIC_TOKENS_PATH: &str = "/api/v1/auth/public-tokens";

/// The body of the request, as the official SDK sends it: `scopes`, then `expirationTime`, `oneTimeUse` and `realtime`
/// where given. A period is sent as it was given.
///
/// # Errors
/// `ERR_SCOPES_REQUIRED` when there is no scope, `ERR_INVALID_EXPIRATION` as in
/// [`Expiry::resolve`]; the server would refuse both after a round trip. `now` is in Unix seconds.
pub fn request_body(grant: &Grant<'_>, now: i64) -> Result<String> {
    grant.expiry.resolve(now)?;
    let scopes = grant.scopes.filter(|scopes| *scopes != "[]").ok_or_else(|| {
        Error::new(
            ErrorCode::ScopesRequired,
            "a key of this kind only mints tokens with at least one scope: pass scopes, for example { scopes: { read: { runs: [\"run_1234\"] } } }",
        )
    })?;
    let mut body = format!("{{\"scopes\":{scopes}");
    match grant.expiry {
        Expiry::Default => {}
        Expiry::At(seconds) => {
            body.push_str(",\"expirationTime\":");
            stringify::push_f64(&mut body, seconds);
        }
        Expiry::Period(text) => {
            body.push_str(",\"expirationTime\":");
            push_string(&mut body, text);
        }
    }
    match grant.usage {
        Use::Public => {}
        Use::Once(_) => body.push_str(",\"oneTimeUse\":true"),
        Use::Multiple => body.push_str(",\"oneTimeUse\":false"),
    }
    if let Some(realtime) = grant.realtime {
        body.push_str(",\"realtime\":");
        body.push_str(realtime);
    }
    body.push('}');
    Ok(body)
}

/// The token from the response to [`PUBLIC_TOKENS_PATH`].
///
/// # Errors
/// `ERR_PROTOCOL` for a body without a `token`.
pub fn read_answer(body: &[u8]) -> Result<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: String,
    }
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) if !answer.token.is_empty() => Ok(answer.token),
        Ok(_) | Err(_) => Err(Error::protocol(
            "the answer to the request for a public token holds no token: check that the base URL is a Trigger.dev server",
        )),
    }
}

/// The error for a refusal: a 404 comes from a server without this route (`ERR_SERVER_TOO_OLD`); any other error stays
/// as it is.
pub fn explain_refusal(kind: KeyKind, error: Error) -> Error {
    if error.status() == Some(404) { too_old(kind).with_source(error) } else { error }
}

/// The error for a server that has no such route.
fn too_old(kind: KeyKind) -> Error {
    let key = match kind {
        KeyKind::Run => "A run token",
        KeyKind::Additional => "An additional API key",
        KeyKind::Root | KeyKind::Public => "This key",
    };
    Error::new(
        ErrorCode::ServerTooOld,
        format!(
            "{key} cannot sign public tokens itself, and this server is too old to mint them: upgrade the server, or use the environment's root API key"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const NOW: i64 = 1_795_339_568;

    fn grant(usage: Use, expiry: Expiry<'static>) -> Grant<'static> {
        Grant { usage, scopes: Some("[\"trigger:tasks:quick\"]"), realtime: None, expiry }
    }

    #[test]
    fn the_body_is_the_official_one() {
        for (grant, body) in [
            (grant(Use::Public, Expiry::Default), r#"{"scopes":["trigger:tasks:quick"]}"#),
            (grant(Use::Once([0; 16]), Expiry::Default), r#"{"scopes":["trigger:tasks:quick"],"oneTimeUse":true}"#),
            (
                Grant {
                    realtime: Some(r#"{"skipColumns":["payload"]}"#),
                    ..grant(Use::Multiple, Expiry::Period("1h"))
                },
                r#"{"scopes":["trigger:tasks:quick"],"expirationTime":"1h","oneTimeUse":false,"realtime":{"skipColumns":["payload"]}}"#,
            ),
            (
                grant(Use::Public, Expiry::At(1_795_343_168.0)),
                r#"{"scopes":["trigger:tasks:quick"],"expirationTime":1795343168}"#,
            ),
        ] {
            assert_eq!(request_body(&grant, NOW).expect("valid"), body);
        }
    }

    #[test]
    fn what_the_server_would_refuse_is_refused_before_the_call() {
        for scopes in [None, Some("[]")] {
            let grant = Grant { scopes, ..grant(Use::Public, Expiry::Default) };
            assert_eq!(request_body(&grant, NOW).expect_err("no scope").code(), ErrorCode::ScopesRequired);
        }
        let past = grant(Use::Public, Expiry::Period("5m ago"));
        assert_eq!(request_body(&past, NOW).expect_err("past").code(), ErrorCode::InvalidExpiration);
    }

    #[test]
    fn answers_become_a_token_or_an_error_that_names_the_fix() {
        assert_eq!(read_answer(br#"{"token":"t"}"#).expect("a token"), "t");
        for body in ["", "<html>", "{}", r#"{"token":7}"#, r#"{"token":""}"#] {
            assert_eq!(read_answer(body.as_bytes()).expect_err(body).kind(), Kind::Protocol);
        }
        let refused = |status, body: &str| {
            explain_refusal(KeyKind::Additional, Error::api(status, &http::HeaderMap::new(), body.as_bytes()))
        };
        let old = refused(404, "<html>");
        assert_eq!((old.kind(), old.code()), (Kind::Config, ErrorCode::ServerTooOld));
        assert!(old.message().contains("upgrade the server"));
        let denied = refused(403, r#"{"error":"no","code":"scopes_exceed_key_access"}"#);
        assert_eq!((denied.kind(), denied.status()), (Kind::Api, Some(403)));
    }
}
