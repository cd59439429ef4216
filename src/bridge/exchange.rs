//! One viewer's request and its response, between the relay and JavaScript.
//!
//! The usual response, that of a held poll, crosses with its body at once. A long body follows piece by piece, as fast
//! as JavaScript asks for more.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body as _, Frame};
use napi::bindgen_prelude::{BufferSlice, Object, ToNapiValue};
use napi::{Env, JsValue as _, Status, sys};
use napi_derive::napi;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::error::failure;
use super::mailbox::Text;
use super::promise::{promise, promise_of};
use crate::error::{Error, ErrorCode, Kind, Result};
use crate::lock::lock;
use crate::relay::{Grant, Relay, decode_request_head, encode_response_head, for_this_origin};
use crate::runtime;
use crate::serve::{Body, PlainPeer, Response};

/// The most of a body that crosses at once, in bytes, unless a single frame is longer.
const MAX_CROSSING_BYTES: usize = 256 * 1024;
/// The longest body, in bytes as announced, that is waited for, so that head and body cross together.
const MAX_WHOLE_BYTES: u64 = 64 * 1024;
/// The most pieces of a request's body that wait to be read.
const MAX_UPLOAD_PIECES: usize = 4;
/// How long a relay that was stopped may take to end the requests it holds.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// The data of one crossing of the N-API boundary: a text and bytes, as `[text, bytes | undefined]`.
#[derive(Debug)]
pub(super) struct Crossing {
    text: String,
    bytes: Option<Bytes>,
}

impl Crossing {
    fn failed(error: Error) -> Self {
        Self { text: failure(&error), bytes: None }
    }

    fn aborted() -> Self {
        Self::failed(Error::new(ErrorCode::Aborted, "the viewer left"))
    }
}

#[allow(unsafe_code, reason = "the trait is")]
impl ToNapiValue for Crossing {
    unsafe fn to_napi_value(raw: sys::napi_env, crossing: Self) -> napi::Result<sys::napi_value> {
        let check = |status| match Status::from(status) {
            Status::Ok => Ok(()),
            status => Err(napi::Error::new(status, "an answer cannot be handed over")),
        };
        let mut array = std::ptr::null_mut();
        // SAFETY: `raw` is the environment that napi calls this in, on its own thread; the values are of this scope.
        unsafe {
            check(sys::napi_create_array_with_length(raw, 2, &raw mut array))?;
            check(sys::napi_set_element(raw, array, 0, Text::to_napi_value(raw, Text(crossing.text))?))?;
            if let Some(bytes) = crossing.bytes {
                let buffer = BufferSlice::copy_from(&Env::from_raw(raw), &bytes)?;
                check(sys::napi_set_element(raw, array, 1, buffer.raw()))?;
            }
        }
        Ok(array)
    }
}

/// One request and its response. It ends with `abort()`, or when it is garbage-collected.
#[napi]
pub struct Exchange {
    shared: Arc<Shared>,
}

struct Shared {
    /// Cancelled when the viewer leaves.
    left: CancellationToken,
    request: Mutex<Option<PendingRequest>>,
    /// Takes the pieces of the request's body.
    upload: Mutex<Option<mpsc::Sender<Piece>>>,
    /// The rest of the response's body.
    rest: tokio::sync::Mutex<Remaining>,
}

/// A part of a request's body. A body whose sender goes without its end broke off: the server must not take a part of an
/// upload for the whole, whoever ended it.
enum Piece {
    Data(Bytes),
    End,
}

struct PendingRequest {
    relay: Arc<Relay>,
    request: Request<Body>,
    grant: Option<Grant>,
}

/// The rest of a response's body.
enum Remaining {
    Nothing,
    Body(Body),
    Broken(io::Error),
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

/// The parts that an exchange begins with.
pub(super) struct ExchangeInit<'a> {
    pub(super) relay: &'a Arc<Relay>,
    pub(super) head: &'a str,
    pub(super) grant: Option<Grant>,
    /// The body, or its first piece.
    pub(super) body: Option<&'a [u8]>,
    /// Whether pieces are written later.
    pub(super) more: bool,
    /// The peer's address, where the request came over HTTP/1.x without TLS; text that is none: it is not known.
    pub(super) peer: Option<&'a str>,
}

impl Exchange {
    /// # Errors
    /// `ERR_INVALID_REQUEST` for a head that cannot be one of HTTP.
    pub(super) fn open(init: ExchangeInit<'_>) -> Result<Self> {
        let invalid =
            || Error::new(ErrorCode::InvalidRequest, "the request cannot be one of HTTP").of_kind(Kind::Argument);
        let mut request = decode_request_head(init.head).ok_or_else(invalid)?;
        if let Some(peer) = init.peer {
            request.extensions_mut().insert(PlainPeer(peer.parse().ok()));
        }
        let first = init.body.map(Bytes::copy_from_slice);
        let (upload, body) = if init.more {
            let (sender, receiver) = mpsc::channel(MAX_UPLOAD_PIECES);
            if let Some(first) = first {
                // The channel has room, because this is the first piece.
                let _ = sender.try_send(Piece::Data(first));
            }
            let pieces = unfold(Some(receiver), async |receiver| {
                let mut receiver = receiver?;
                match receiver.recv().await {
                    Some(Piece::Data(data)) => Some((Ok(Frame::data(data)), Some(receiver))),
                    Some(Piece::End) => None,
                    None => Some((Err(io::Error::from(io::ErrorKind::UnexpectedEof)), None)),
                }
            });
            (Some(sender), StreamBody::new(pieces).boxed_unsync())
        } else {
            (None, Full::new(first.unwrap_or_default()).map_err(|never| match never {}).boxed_unsync())
        };
        let pending = PendingRequest { relay: init.relay.clone(), request: request.map(|()| body), grant: init.grant };
        Ok(Self {
            shared: Arc::new(Shared {
                left: CancellationToken::new(),
                request: Mutex::new(Some(pending)),
                upload: Mutex::new(upload),
                rest: tokio::sync::Mutex::new(Remaining::Nothing),
            }),
        })
    }
}

#[napi]
impl Exchange {
    /// A promise of the response: `[head, body]`, where the head is as in `encode_response_head`, or a failure. Called once.
    #[napi(catch_unwind)]
    pub fn respond<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let shared = self.shared.clone();
        let work = async move {
            let left = shared.left.clone();
            tokio::select! {
                biased;
                () = left.cancelled() => Crossing::aborted(),
                crossing = shared.respond() => crossing,
            }
        };
        promise_of(env, work, Crossing::failed)
    }

    /// A promise of the next piece of the body: `["", bytes]`, without bytes at its end, or a failure.
    /// JavaScript reads one piece at a time.
    #[napi(catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let shared = self.shared.clone();
        let work = async move {
            let left = shared.left.clone();
            let next = async {
                let mut rest = shared.rest.lock().await;
                let (bytes, left_over) = match std::mem::replace(&mut *rest, Remaining::Nothing) {
                    Remaining::Nothing => (Bytes::new(), Remaining::Nothing),
                    Remaining::Body(body) => gather(body, Wait::First).await,
                    Remaining::Broken(error) => {
                        let what = "the answer's body broke off";
                        let error = Error::new(ErrorCode::BodyBrokeOff, what).with_source(error);
                        return Crossing::failed(error);
                    }
                };
                *rest = left_over;
                if bytes.is_empty() && matches!(&*rest, Remaining::Broken(_)) {
                    *rest = Remaining::Nothing;
                    let error = Error::new(ErrorCode::BodyBrokeOff, "the answer's body broke off");
                    return Crossing::failed(error);
                }
                Crossing { text: String::new(), bytes: (!bytes.is_empty()).then_some(bytes) }
            };
            tokio::select! {
                biased;
                () = left.cancelled() => Crossing::aborted(),
                crossing = next => crossing,
            }
        };
        promise_of(env, work, Crossing::failed)
    }

    /// Resolves with `true` once there was room for a piece of the request's body, with `false` when the body is no longer
    /// read.
    #[napi(catch_unwind)]
    pub fn write<'env>(&self, env: &'env Env, piece: &[u8]) -> napi::Result<Object<'env>> {
        let sender = self.shared.upload().clone();
        let (left, piece) = (self.shared.left.clone(), Bytes::copy_from_slice(piece));
        promise(env, async move {
            let Some(sender) = sender else { return "false".to_owned() };
            tokio::select! {
                biased;
                () = left.cancelled() => "false".to_owned(),
                sent = sender.send(Piece::Data(piece)) => sent.is_ok().to_string(),
            }
        })
    }

    /// Ends the request's body; unless `whole`, as a body that broke off.
    #[napi(catch_unwind)]
    pub fn finish(&self, whole: bool) {
        let Some(sender) = self.shared.upload().take() else { return };
        if whole && let Ok(runtime) = runtime::get() {
            runtime.spawn(async move {
                // An error means that the body is no longer read.
                let _ = sender.send(Piece::End).await;
            });
        }
    }

    /// The viewer left: everything held for it ends at once. Idempotent.
    #[napi(catch_unwind)]
    pub fn abort(&self) {
        self.shared.abort();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.shared.abort();
    }
}

impl Shared {
    async fn respond(&self) -> Crossing {
        let pending = lock(&self.request).take();
        let Some(PendingRequest { relay, request, grant }) = pending else { return Crossing::aborted() };
        let (head, version) = (request.headers().clone(), request.version());
        let stop = relay.stop.clone();
        let stopped = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        let mut answer = tokio::select! {
            biased;
            answer = relay.respond(request, grant) => answer,
            () = stopped => {
                Response::api_error(StatusCode::SERVICE_UNAVAILABLE, "The relay was closed").into_http(&head, version)
            }
        };
        for_this_origin(&mut answer);
        self.hand_over(answer).await
    }

    async fn hand_over(&self, answer: http::Response<Body>) -> Crossing {
        let (head, body) = answer.into_parts();
        let wait = if body.size_hint().exact().is_some_and(|size| size <= MAX_WHOLE_BYTES) {
            Wait::Whole
        } else {
            Wait::Never
        };
        let (bytes, rest) = gather(body, wait).await;
        let text = encode_response_head(head.status, &head.headers, !matches!(rest, Remaining::Nothing));
        *self.rest.lock().await = rest;
        Crossing { text, bytes: (!bytes.is_empty()).then_some(bytes) }
    }

    fn upload(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Piece>>> {
        lock(&self.upload)
    }

    fn abort(&self) {
        self.left.cancel();
        self.upload().take();
        lock(&self.request).take();
        // Otherwise the task that holds the lock was cancelled just now, and drops the body.
        if let Ok(mut rest) = self.rest.try_lock() {
            *rest = Remaining::Nothing;
        }
    }
}

/// How long a body is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Not at all: only bytes that are there are taken.
    Never,
    /// Until its first bytes.
    First,
    /// Until its end.
    Whole,
}

/// The bytes of `body` that are there, at most about [`MAX_CROSSING_BYTES`], and the rest of it.
async fn gather(mut body: Body, wait: Wait) -> (Bytes, Remaining) {
    // The usual body is one frame, which is not copied.
    let (mut first, mut joined) = (Bytes::new(), Vec::new());
    let end = poll_fn(|cx| {
        loop {
            let size = first.len().max(joined.len());
            if size >= MAX_CROSSING_BYTES {
                return Poll::Ready(None);
            }
            match Pin::new(&mut body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if size == 0 => first = data,
                    Ok(data) => {
                        if joined.is_empty() {
                            joined.extend_from_slice(&first);
                        }
                        joined.extend_from_slice(&data);
                    }
                    // Trailers, which no web `Response` has.
                    Err(_) => {}
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(Some(Ok(()))),
                Poll::Pending if wait == Wait::Whole || (wait == Wait::First && size == 0) => return Poll::Pending,
                Poll::Pending => return Poll::Ready(None),
            }
        }
    })
    .await;
    let bytes = if joined.is_empty() { first } else { joined.into() };
    let rest = match end {
        None => Remaining::Body(body),
        Some(Ok(())) => Remaining::Nothing,
        Some(Err(error)) => Remaining::Broken(error),
    };
    (bytes, rest)
}
