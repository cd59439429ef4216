//! A relay that listens, held by JavaScript, and its calls of `authorize`, which decides what a viewer may read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body_util::{BodyExt as _, Full};
use napi::bindgen_prelude::{FnArgs, Function, Object};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Status};
use napi_derive::napi;
use serde_json::json;
use tokio::sync::{Notify, oneshot};

use super::error::failure;
use super::grant::read_grant;
use super::promise::promise;
use crate::lock::lock;
use crate::relay::{Authorize, Authorized, Listen, Listening, Relay, decode_response_head, encode_request_head};
use crate::serve::{Body, Response};

/// Requests that `authorize` is deciding about in JavaScript, by ticket.
#[derive(Clone, Default)]
pub(super) struct PendingDecisions(Arc<Mutex<HashMap<u32, oneshot::Sender<Authorized>>>>);

impl PendingDecisions {
    fn insert(&self, ticket: u32, decided: oneshot::Sender<Authorized>) {
        lock(&self.0).insert(ticket, decided);
    }

    fn remove(&self, ticket: u32) -> Option<oneshot::Sender<Authorized>> {
        lock(&self.0).remove(&ticket)
    }
}

/// Removes a pending decision when its viewer has left.
struct RemoveOnDrop {
    pending: PendingDecisions,
    ticket: u32,
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        self.pending.remove(self.ticket);
    }
}

/// Lets the function `authorize` of JavaScript decide about requests. The function keeps no process alive: the
/// listener does.
pub(super) fn authorizer(
    authorize: Function<'_, FnArgs<(u32, String)>, ()>,
) -> napi::Result<(PendingDecisions, Authorize)> {
    let pending = PendingDecisions::default();
    let call = authorize
        .build_threadsafe_function::<(u32, String)>()
        .callee_handled::<false>()
        .weak::<true>()
        .build_callback(|context| Ok(FnArgs::from(context.value)))?;
    let (call, tickets, waiting) = (Arc::new(call), Arc::new(AtomicU32::new(0)), pending.clone());
    let decide: Authorize = Arc::new(move |head: &Parts| {
        let ticket = tickets.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        waiting.insert(ticket, sender);
        let guard = RemoveOnDrop { pending: waiting.clone(), ticket };
        let (call, text) = (call.clone(), encode_request_head(head));
        Box::pin(async move {
            let _guard = guard;
            let status = call.call((ticket, text), ThreadsafeFunctionCallMode::NonBlocking);
            match (status, receiver.await) {
                (Status::Ok, Ok(authorized)) => authorized,
                // The JavaScript environment is ending.
                _ => Authorized::Answer(Box::new(
                    Response::error(StatusCode::SERVICE_UNAVAILABLE, "The relay is closing")
                        .into_http(&http::HeaderMap::new(), http::Version::HTTP_2),
                )),
            }
        })
    });
    Ok((pending, decide))
}

/// A relay on a port. It ends with `stop()`, or when it is collected.
#[napi]
pub struct RelayListener {
    /// Taken by `start()`.
    start: Mutex<Option<(Arc<Relay>, Listen)>>,
    running: Arc<tokio::sync::Mutex<Option<Listening>>>,
    pending: PendingDecisions,
    stopped: Arc<Notify>,
}

impl std::fmt::Debug for RelayListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayListener").finish_non_exhaustive()
    }
}

impl RelayListener {
    pub(super) fn new(relay: Arc<Relay>, listen: Listen, pending: PendingDecisions) -> Self {
        Self { start: Mutex::new(Some((relay, listen))), running: Arc::default(), pending, stopped: Arc::default() }
    }
}

#[napi]
impl RelayListener {
    /// A promise of `{"ok": {"url"}}`, or of an error. Called once.
    #[napi(catch_unwind)]
    pub fn start<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let start = lock(&self.start).take();
        let running = self.running.clone();
        promise(env, async move {
            let Some((relay, listen)) = start else { return String::new() };
            match Listening::start(relay, listen).await {
                Ok(listening) => {
                    let url = listening.url();
                    *running.lock().await = Some(listening);
                    json!({ "ok": { "url": url } }).to_string()
                }
                Err(error) => failure(&error),
            }
        })
    }

    /// A promise that settles when the listener was stopped, and keeps the process alive until then.
    #[napi(catch_unwind)]
    pub fn ended<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let stopped = self.stopped.clone();
        promise(env, async move {
            stopped.notified().await;
            String::new()
        })
    }

    /// The decision of `authorize` about the request `ticket`: a grant, or else a response, whose
    /// head is as `decode_response_head` reads it.
    #[napi(catch_unwind)]
    pub fn decide(&self, ticket: u32, grant: Option<String>, head: Option<String>, body: Option<&[u8]>) {
        // None: the viewer has left.
        let Some(sender) = self.pending.remove(ticket) else { return };
        let authorized = grant
            .and_then(|grant| read_grant(&grant).ok())
            .map_or_else(|| Authorized::Answer(Box::new(answer_of(head.as_deref(), body))), Authorized::Granted);
        let _ = sender.send(authorized);
    }

    /// A promise that settles when the listener has stopped. Idempotent.
    #[napi(catch_unwind)]
    pub fn stop<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (running, stopped) = (self.running.clone(), self.stopped.clone());
        promise(env, async move {
            let listening = running.lock().await.take();
            if let Some(listening) = listening {
                listening.stop().await;
            }
            stopped.notify_one();
            String::new()
        })
    }
}

/// The app's own response. A header that HTTP cannot carry is left out.
fn answer_of(head: Option<&str>, body: Option<&[u8]>) -> http::Response<Body> {
    let (status, headers) = decode_response_head(head.unwrap_or("500"));
    let bytes = Bytes::copy_from_slice(body.unwrap_or_default());
    let mut answer = http::Response::new(Full::new(bytes).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}
