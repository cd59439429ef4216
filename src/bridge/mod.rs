//! Stand-in for the N-API bridge, enough to run the token tests; the real one replaces it.

mod mint;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;
use once_cell::sync::Lazy;

use crate::config::Endpoint;
use crate::error::{Error, Result};
use crate::token::Minter;

/// One client as JavaScript holds it.
#[allow(missing_debug_implementations, reason = "never printed")]
pub struct Client {
    endpoint: Endpoint,
    /// Set once the claims are known, so that minting looks nothing up.
    minter: Arc<OnceLock<Arc<Minter>>>,
}

static RUNTIME: Lazy<std::io::Result<tokio::runtime::Runtime>> =
    Lazy::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build());

static HTTP: Lazy<reqwest::Result<reqwest::Client>> = Lazy::new(|| {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().build()
});

/// A client, or `!` and an error.
#[napi]
pub fn client(
    base_url: String,
    key: String,
    branch: Option<String>,
    _options: Option<String>,
) -> Either<External<Client>, String> {
    match Endpoint::new(&base_url, &key, branch.as_deref()) {
        Ok(endpoint) => Either::A(External::new(Client { endpoint, minter: Arc::default() })),
        Err(error) => Either::B(refusal(&error)),
    }
}

/// `!` and the error as JSON.
fn refusal(error: &Error) -> String {
    let mut json = serde_json::json!({
        "kind": format!("{:?}", error.kind()), "code": error.code(), "message": error.message(),
    });
    if let Some(answer) = error.answer() {
        json["status"] = answer.status.into();
        json["headers"] = serde_json::json!(answer.headers);
        json["body"] = answer.body.as_str().into();
    }
    format!("!{json}")
}

/// Any answer of the server, whatever its status.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Bytes,
}

async fn post(endpoint: &Endpoint, path: &str, body: Option<String>) -> Result<Answer> {
    let http = HTTP.as_ref().map_err(|_| Error::config("ERR_TLS", "no HTTP client"))?;
    let mut request = http
        .post(format!("{}{path}", endpoint.base_url()))
        .bearer_auth(endpoint.key().expose())
        .header("content-type", "application/json")
        .header("trigger-version", "4.8.3")
        .header("x-trigger-api-version", "2025-07-16")
        .header("x-trigger-source", "sdk")
        .header("x-trigger-realtime-streams-version", "v2")
        .header("x-trigger-request-idempotency-key", "3b2c3e0e-0000-4000-8000-000000000000");
    if let Some(branch) = endpoint.branch() {
        request = request.header("x-trigger-branch", branch);
    }
    let response = request.body(body.unwrap_or_default()).send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.bytes().await? })
}
