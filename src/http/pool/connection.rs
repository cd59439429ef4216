//! A connection of the pool, whichever version of HTTP it speaks, with one request at a time.

use bytes::Bytes;
use http::Request;
use http::response::Parts;

use super::error::SendError;
use super::http1::Http1Connection;
use super::http2::StreamPermit;
use crate::error::Result;

/// A connection of HTTP/1.1, or the permit for one stream on a shared connection of HTTP/2.
#[derive(Debug)]
pub(super) enum PooledConnection {
    Http1(Box<Http1Connection>),
    Http2(StreamPermit),
}

impl PooledConnection {
    /// Whether it carried a request before.
    pub(super) fn was_used(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.was_used(),
            Self::Http2(_) => true,
        }
    }

    /// Whether another request can go out.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_open(),
            Self::Http2(permit) => permit.is_open(),
        }
    }

    /// Sends `request` and waits for the head of its response.
    pub(super) async fn head(&mut self, request: Box<Request<()>>) -> Result<Parts, SendError> {
        match self {
            Self::Http1(connection) => connection.head(request).await,
            Self::Http2(permit) => permit.head(request).await,
        }
    }

    /// The next bytes of the response, `None` at its end. Bytes that are not asked for stay on the
    /// wire. Cancel safe: dropping the future loses nothing.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes>> {
        match self {
            Self::Http1(connection) => connection.chunk().await,
            Self::Http2(permit) => permit.chunk().await,
        }
    }

    /// Takes a connection that fell silent out of use: the other streams on it may be as dead
    /// (defect 11).
    pub(super) fn abandon(&self) {
        match self {
            Self::Http1(_) => {}
            Self::Http2(permit) => permit.abandon(),
        }
    }
}
