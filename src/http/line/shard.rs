//! Connections of HTTP/2 that feeds share, each with no more streams than its server allows.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream};
use http::Request;
use http::response::Parts;
use hyper_util::rt::TokioIo;

use super::Failed;
use super::connect::{Socket, failed};
use super::origin::Origin;
use crate::error::{Error, Result};

/// The most feeds of one connection where its server allows more: they share its fate.
const MOST: usize = 250;
/// What is allowed until the server has said: what most servers allow at least.
const AT_FIRST: usize = 100;
/// What one answer may have under way, in bytes.
const STREAM_WINDOW: u32 = 1 << 20;
/// What a whole connection may have under way, in bytes.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A shared connection.
#[derive(Debug)]
pub(super) struct Shard {
    sender: SendRequest<Bytes>,
    /// Feeds that have a place on it.
    feeds: AtomicUsize,
    /// It ended, is about to, or may be dead: nothing new goes out on it.
    closed: AtomicBool,
}

impl Shard {
    /// # Errors
    /// `ERR_CONNECTION`.
    pub(super) async fn open(socket: Socket) -> Result<Arc<Self>> {
        let (sender, connection) = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(AT_FIRST)
            .enable_push(false)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(broken)?;
        let shard = Arc::new(Self { sender, feeds: AtomicUsize::new(0), closed: AtomicBool::new(false) });
        let watched = Arc::downgrade(&shard);
        tokio::spawn(async move {
            // Whoever waits on it hears of the error.
            let _ = connection.await;
            if let Some(shard) = watched.upgrade() {
                shard.close();
            }
        });
        Ok(shard)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.feeds.load(Ordering::Acquire) == 0
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// A place for one feed, if one is free. Called under the origin's lock.
    pub(super) fn place(self: &Arc<Self>, origin: &Arc<Origin>) -> Option<Place> {
        let allowed = self.sender.current_max_send_streams().min(MOST);
        if !self.is_open() || self.feeds.load(Ordering::Acquire) >= allowed {
            return None;
        }
        self.feeds.fetch_add(1, Ordering::AcqRel);
        Some(Place { shard: self.clone(), origin: Arc::downgrade(origin), body: None })
    }
}

/// A feed's place on a shared connection: room for one stream at a time.
#[derive(Debug)]
pub(super) struct Place {
    shard: Arc<Shard>,
    origin: Weak<Origin>,
    /// The rest of the present answer.
    body: Option<RecvStream>,
}

impl Place {
    pub(super) fn is_open(&self) -> bool {
        self.shard.is_open() && self.body.is_none()
    }

    /// Nothing new goes out on this connection.
    pub(super) fn abandon(&self) {
        self.shard.close();
    }

    /// Sends `request`; the headers of its answer.
    pub(super) async fn head(&mut self, request: Box<Request<()>>) -> Result<Parts, Failed> {
        let sender = self.shard.sender.clone();
        let answer = match sender.ready().await {
            Ok(mut sender) => sender.send_request(*request, true).map(|(answer, _)| answer),
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(answer) => answer.await,
            // It is closing: the request never went out.
            Err(error) => {
                self.shard.close();
                return Err(Failed { unsent: true, error: broken(error) });
            }
        };
        match answer {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                self.body = Some(body);
                Ok(parts)
            }
            Err(error) => {
                // A server that goes away names the last request it saw; these came after it.
                let unsent =
                    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
                if !error.is_reset() {
                    self.shard.close();
                }
                Err(Failed { unsent, error: broken(error) })
            }
        }
    }

    /// The next bytes of the answer, `None` at its end.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes>> {
        let body = self.body.as_mut()?;
        match body.data().await {
            Some(Ok(bytes)) => {
                // An error means that the stream is over, which the next chunk tells.
                let _ = body.flow_control().release_capacity(bytes.len());
                Some(Ok(bytes))
            }
            Some(Err(error)) => Some(Err(broken(error))),
            None => {
                self.body = None;
                None
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let last = self.shard.feeds.fetch_sub(1, Ordering::AcqRel) == 1;
        if let Some(origin) = self.origin.upgrade() {
            origin.left(last.then_some(&self.shard));
        }
    }
}

fn broken(error: h2::Error) -> Error {
    failed().with_source(error)
}
