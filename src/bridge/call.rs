//! Calls to the API. JavaScript gives the request; ids are filled into its path and encoded here (defect 8).

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use napi::Env;
use napi::bindgen_prelude::{Either, External, Object};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cancel::{Bounds, Cancel};
use super::client::Client;
use super::error::{error_value, failure};
use super::mint::times;
use super::promise::promise;
use crate::config::KeyKind;
use crate::error::{Error, ErrorCode, Result};
use crate::http::{Call, ClientOptions, Deadlines, Response, RetryOptions};
use crate::id;
use crate::token::{Grant, Minter, Use};

/// A request, as `js/calls/call.js` writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(default = "get")]
    method: String,
    /// The path. `ids` fill its `{}`, in order: `{task}` takes the id of a task, `{text}` a name of the user's choice.
    path: String,
    /// For each id, what errors call it, and the id.
    #[serde(default)]
    ids: Vec<(String, String)>,
    /// The query, encoded, without its question mark.
    query: Option<String>,
    /// Replaces the client's retry options.
    retry: Option<RetryOptions>,
    /// Replace the client's additional headers.
    additional_headers: Option<std::collections::BTreeMap<String, String>>,
    /// Headers that the app's tracing adds.
    #[serde(default)]
    trace_headers: std::collections::BTreeMap<String, String>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Request {
    pub(super) fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorCode::InvalidOptions, "the request cannot be read").with_source(error))
    }

    /// The path with the ids, each as one segment, and the query.
    pub(super) fn target(&self) -> Result<String> {
        let mut pieces = self.path.split('{');
        let mut target = pieces.next().unwrap_or_default().to_owned();
        for ((what, id), piece) in self.ids.iter().zip(pieces) {
            let (kind, rest) = piece.split_once('}').unwrap_or_default();
            target.push_str(&match kind {
                "task" => id::task_segment(what, id)?,
                "text" => id::text_segment(what, id)?,
                _ => id::path_segment(what, id)?,
            });
            target.push_str(rest);
        }
        if let Some(query) = self.query.as_deref().filter(|query| !query.is_empty()) {
            target.push('?');
            target.push_str(query);
        }
        Ok(target)
    }

    fn method(&self) -> Result<Method> {
        self.method
            .parse()
            .map_err(|error| Error::new(ErrorCode::InvalidOptions, "not a method of HTTP").with_source(error))
    }

    /// The client's options, overridden by those of this request.
    pub(super) fn options(&self, client: &ClientOptions) -> ClientOptions {
        let mut options = client.clone();
        if let Some(retry) = &self.retry {
            options.retry = retry.clone();
        }
        if let Some(headers) = &self.additional_headers {
            options.additional_headers = headers.clone();
        }
        options.trace_headers.clone_from(&self.trace_headers);
        options
    }
}

/// Makes a call. Resolves with `{"ok": {"status", "headers", "body"}}` or an error.
#[napi(catch_unwind)]
pub fn call<'env>(
    env: &'env Env,
    client: &External<Client>,
    request: String,
    body: Option<String>,
    cancel: Option<&Cancel>,
    timeout_ms: Option<u32>,
) -> napi::Result<Object<'env>> {
    let client = Client::clone(client);
    let deadlines = Deadlines::within(timeout_ms.map(|ms| Duration::from_millis(ms.into())));
    let bounds = Bounds::new(cancel, timeout_ms);
    promise(
        env,
        bounds.apply(async move {
            let send = async {
                let request = Request::read(&request)?;
                let (path, options) = (request.target()?, request.options(&client.options));
                let body = body.map(Bytes::from);
                let call = Call { method: request.method()?, path: &path, body, deadlines };
                call.send(&client.endpoint, &options).await
            };
            outcome(send.await)
        }),
    )
}

/// Fetches a presigned URL, which the server at `base_url` gave, without credentials. Resolves as [`call`].
#[napi(catch_unwind)]
pub fn get_presigned<'env>(
    env: &'env Env,
    url: String,
    base_url: String,
    cancel: Option<&Cancel>,
    timeout_ms: Option<u32>,
) -> napi::Result<Object<'env>> {
    let bounds = Bounds::new(cancel, timeout_ms);
    promise(env, bounds.apply(async move { outcome(Call::get_presigned(&url, &base_url).await) }))
}

/// Uploads `body` to a presigned URL, which the server at `base_url` gave, without credentials. Resolves as [`call`].
#[napi(catch_unwind)]
pub fn put_presigned<'env>(
    env: &'env Env,
    url: String,
    base_url: String,
    kind: String,
    body: String,
    cancel: Option<&Cancel>,
    timeout_ms: Option<u32>,
) -> napi::Result<Object<'env>> {
    let deadlines = Deadlines::within(timeout_ms.map(|ms| Duration::from_millis(ms.into())));
    let bounds = Bounds::new(cancel, timeout_ms);
    promise(
        env,
        bounds.apply(async move { outcome(Call::put_presigned(&url, &kind, body.into(), deadlines, &base_url).await) }),
    )
}

/// Signs the token of a handle with the claims that the server sent along (docs/server-protocol.md 6): the token,
/// or a failure. `now_ms` is `Date.now()`; `exp_seconds` as in `mint`.
#[napi(catch_unwind)]
pub fn mint_handle(
    client: &External<Client>,
    claims: String,
    scopes: String,
    now_ms: f64,
    exp_seconds: f64,
    period: Option<String>,
) -> String {
    signed(client, &claims, &scopes, now_ms, exp_seconds, period.as_deref()).unwrap_or_else(|error| failure(&error))
}

fn signed(client: &Client, claims: &str, scopes: &str, now_ms: f64, exp: f64, period: Option<&str>) -> Result<String> {
    match client.endpoint.kind() {
        KeyKind::Root => {}
        KeyKind::Additional | KeyKind::Run | KeyKind::Public => {
            return Err(Error::new(
                ErrorCode::CannotSign,
                "the server gave no token with its answer, and this key cannot sign one: upgrade the server, or use the environment's root API key",
            ));
        }
    }
    let claims: Map<String, Value> = serde_json::from_str(claims)
        .map_err(|error| Error::protocol("the x-trigger-jwt-claims header is not a JSON object").with_json(&error))?;
    let (now, expiry) = times(now_ms, exp, period);
    let grant = Grant { usage: Use::Public, scopes: Some(scopes), realtime: None, expiry };
    Minter::new(client.endpoint.key(), &claims).mint(&grant, now)
}

/// One attempt to upload the items of a batch.
#[napi]
#[derive(Debug)]
pub struct Upload {
    upload: std::sync::Arc<crate::http::Upload>,
}

/// Opens the `attempt`-th (from 1) upload of a batch's items; text is the error.
#[napi(catch_unwind)]
pub fn open_upload(client: &External<Client>, request: String, attempt: u32) -> Either<Upload, String> {
    let open = || {
        let request = Request::read(&request)?;
        let options = request.options(&client.options);
        crate::http::Upload::open(&client.endpoint, &options, &request.target()?, attempt)
    };
    match open() {
        Ok(upload) => Either::A(Upload { upload: upload.into() }),
        Err(error) => Either::B(failure(&error)),
    }
}

#[napi]
impl Upload {
    /// Resolves with `true` once there was room for `chunk`, with `false` when the request is over.
    #[napi(catch_unwind)]
    pub fn write<'env>(&self, env: &'env Env, chunk: String) -> napi::Result<Object<'env>> {
        let upload = self.upload.clone();
        promise(env, async move { upload.write(chunk.into()).await.to_string() })
    }

    /// Ends the body. Resolves with `{"ok", "retryInMs"}` or `{"error", "retryInMs"}`.
    #[napi(catch_unwind)]
    pub fn finish<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let upload = self.upload.clone();
        promise(env, async move {
            let uploaded = upload.finish().await;
            let wait = uploaded.retry_in.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            match uploaded.outcome {
                Ok(answer) => json!({ "ok": answer_value(&answer), "retryInMs": wait }),
                Err(error) => json!({ "error": error_value(&error), "retryInMs": wait }),
            }
            .to_string()
        })
    }

    /// Aborts the request. Idempotent.
    #[napi(catch_unwind)]
    pub fn abandon(&self) {
        self.upload.abandon();
    }
}

fn outcome(answer: Result<Response>) -> String {
    match answer {
        Ok(answer) => json!({ "ok": answer_value(&answer) }).to_string(),
        Err(error) => failure(&error),
    }
}

fn answer_value(answer: &Response) -> Value {
    let headers: Map<String, Value> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    json!({ "status": answer.status, "headers": headers, "body": String::from_utf8_lossy(&answer.body) })
}
