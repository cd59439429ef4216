//! Minting, as JavaScript calls it. A mint is synchronous where the claims are known, since an asynchronous
//! call alone costs 15 to 29 µs and a signature 1 to 2 µs. Results cross as data, never as exceptions.
//!
//! The first character of a returned string says what it is: `{` a failure, `@` a request body for [`mint_remotely`],
//! anything else the token (a JWT starts with neither). The token is bare because this is the fast path: JSON around it
//! would be parsed for each token.

use napi::Env;
use napi::JsString;
use napi::bindgen_prelude::{External, Object};
use napi_derive::napi;

use super::cancel::{Bounds, Cancel};
use super::client::Client;
use super::error::failure;
use super::promise::promise;
use crate::config::KeyKind;
use crate::error::{Error, ErrorCode, Result};
use crate::http::{Call, ClientOptions, Deadlines};
use crate::token::{self, ClaimsStore, Expiry, Grant, Use};

/// Mints a token.
///
/// `kind`: 0 public, 1 one-time, 2 multiple-use. `scopes` and `realtime` are JSON texts. `now_ms`
/// is `Date.now()`. `exp_seconds` is in Unix seconds, `NaN` for none; then `period`
/// counts. Returns the token; `@` and the body for [`mint_remotely`] where the key cannot sign; a
/// failure; `null` while the claims are not known: call [`load_claims`], then this again.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments, reason = "plain arguments cross faster than an object")]
pub fn mint<'env>(
    env: &'env Env,
    client: &External<Client>,
    kind: u32,
    scopes: Option<String>,
    realtime: Option<String>,
    now_ms: f64,
    exp_seconds: f64,
    period: Option<String>,
) -> napi::Result<Option<JsString<'env>>> {
    let (now, expiry) = times(now_ms, exp_seconds, period.as_deref());
    let minted = usage(kind).and_then(|usage| {
        let grant = Grant { usage, scopes: scopes.as_deref(), realtime: realtime.as_deref(), expiry };
        answer(client, &grant, now)
    });
    let Some(text) = minted.unwrap_or_else(|error| Some(failure(&error))) else { return Ok(None) };
    // A token is ASCII, which V8 takes over as it is: no decoding.
    if text.is_ascii() { env.create_string_latin1(text) } else { env.create_string(text) }.map(Some)
}

/// Why a token cannot expire so, as an error, before a server is asked; the arguments are those of [`mint`].
#[napi(catch_unwind)]
pub fn check_expiry(now_ms: f64, exp_seconds: f64, period: Option<String>) -> Option<String> {
    let (now, expiry) = times(now_ms, exp_seconds, period.as_deref());
    expiry.resolve(now).err().map(|error| failure(&error))
}

/// The present in Unix seconds and the expiry of a token, from the arguments of [`mint`].
pub(super) fn times(now_ms: f64, exp_seconds: f64, period: Option<&str>) -> (i64, Expiry<'_>) {
    let expiry = match period {
        _ if !exp_seconds.is_nan() => Expiry::At(exp_seconds),
        Some(period) => Expiry::Period(period),
        None => Expiry::Default,
    };
    #[expect(clippy::cast_possible_truncation, reason = "saturates; a clock's seconds fit")]
    let now = (now_ms / 1_000.0).floor() as i64;
    (now, expiry)
}

fn answer(client: &Client, grant: &Grant<'_>, now: i64) -> Result<Option<String>> {
    match client.endpoint.kind() {
        KeyKind::Root => match client.minter.get() {
            Some(minter) => minter.mint(grant, now).map(Some),
            None => match ClaimsStore::global().known(&client.endpoint) {
                Some(minter) => client.minter.get_or_init(|| minter).mint(grant, now).map(Some),
                // A bad expiry is refused before the server is asked for claims.
                None => grant.expiry.resolve(now).map(|_| None),
            },
        },
        KeyKind::Additional | KeyKind::Run => token::remote_body(grant, now).map(|body| Some(format!("@{body}"))),
        KeyKind::Public => Err(Error::new(
            ErrorCode::CannotSign,
            "the access token is a public token, which acts within its own scopes and cannot sign others: set TRIGGER_SECRET_KEY, or pass the environment's secret key to configure()",
        )),
    }
}

fn usage(kind: u32) -> Result<Use> {
    match kind {
        0 => Ok(Use::Public),
        1 => {
            let mut jti = [0; 16];
            getrandom::fill(&mut jti).map_err(|error| {
                Error::new(ErrorCode::Internal, "no randomness for a one-time token").with_source(error)
            })?;
            Ok(Use::Once(jti))
        }
        2 => Ok(Use::Multiple),
        _ => Err(Error::new(ErrorCode::Internal, "an unknown kind of token")),
    }
}

/// Asks the server for the claims of `client`, unless they are known or asked for already
/// (defect 14). Resolves with `{"ok": null}` or an error.
#[napi(catch_unwind)]
pub fn load_claims<'env>(
    env: &'env Env,
    client: &External<Client>,
    cancel: Option<&Cancel>,
    timeout_ms: Option<u32>,
    trace: Option<String>,
) -> napi::Result<Object<'env>> {
    let client = Client::clone(client);
    let bounds = Bounds::new(cancel, timeout_ms);
    let (endpoint, options) = (client.endpoint.clone(), traced(&client, trace));
    let ask = || async move {
        let answer = post(token::CLAIMS_PATH, None, Deadlines::CLAIMS).send(&endpoint, &options).await?;
        Ok(answer.body)
    };
    let claims = ClaimsStore::global().get(&client.endpoint, ask);
    promise(
        env,
        bounds.apply(async move {
            match claims.await {
                // Kept in the client too: the next `mint` succeeds even if the store has evicted the claims.
                Ok(minter) => {
                    client.minter.get_or_init(|| minter);
                    "{\"ok\":null}".to_owned()
                }
                Err(error) => failure(&error),
            }
        }),
    )
}

/// Lets the server mint: `body` is what [`mint`] returned after `@`. Resolves with
/// `{"ok": token}` or an error.
#[napi(catch_unwind)]
pub fn mint_remotely<'env>(
    env: &'env Env,
    client: &External<Client>,
    body: String,
    cancel: Option<&Cancel>,
    timeout_ms: Option<u32>,
    trace: Option<String>,
) -> napi::Result<Object<'env>> {
    let client = Client::clone(client);
    let (bounds, options) = (Bounds::new(cancel, timeout_ms), traced(&client, trace));
    promise(
        env,
        bounds.apply(async move {
            let call = post(token::PUBLIC_TOKENS_PATH, Some(body.into()), Deadlines::CALL);
            let token = call
                .send(&client.endpoint, &options)
                .await
                .map_err(|error| token::explain_remote_refusal(client.endpoint.kind(), error))
                .and_then(|answer| token::read_remote_token(&answer.body));
            match token {
                Ok(token) => serde_json::json!({ "ok": token }).to_string(),
                Err(error) => failure(&error),
            }
        }),
    )
}

/// The options of `client`, with the headers of a trace, as JSON.
fn traced(client: &Client, trace: Option<String>) -> ClientOptions {
    let trace_headers = trace.and_then(|trace| serde_json::from_str(&trace).ok()).unwrap_or_default();
    ClientOptions { trace_headers, ..ClientOptions::clone(&client.options) }
}

fn post(path: &str, body: Option<bytes::Bytes>, deadlines: Deadlines) -> Call<'_> {
    Call { method: http::Method::POST, path, body, deadlines }
}
