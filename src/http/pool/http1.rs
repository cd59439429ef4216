//! A connection of HTTP/1.1. The task that waits for a response also drives the connection: it needs
//! no task of its own, and no queue between two tasks.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Request;
use http::response::Parts;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};

use super::connect::Socket;
use super::error::{SendError, connection_error};
use crate::error::{Error, Result};
use crate::log::Span;

/// A connection with at most one request out.
#[derive(Debug)]
pub(super) struct Http1Connection {
    sender: SendRequest<Empty<Bytes>>,
    connection: Connection<Socket, Empty<Bytes>>,
    /// The rest of the present response.
    body: Option<Incoming>,
    used: bool,
    closed: bool,
    /// Its end is logged when it is dropped.
    _log: Span,
}

impl Http1Connection {
    /// Performs the handshake on `socket`.
    ///
    /// # Errors
    /// `ERR_CONNECTION`.
    pub(super) async fn open(socket: Socket) -> Result<Self> {
        let (sender, connection) = http1::handshake(socket).await.map_err(broken)?;
        Ok(Self { sender, connection, body: None, used: false, closed: false, _log: Span::default() })
    }

    /// The same connection, whose start was logged as `log`.
    pub(super) fn logged(self, log: Span) -> Self {
        Self { _log: log, ..self }
    }

    /// Whether it carried a response before.
    pub(super) fn was_used(&self) -> bool {
        self.used
    }

    /// Whether another request can go out: the last response was read to its end, and neither side
    /// closed.
    pub(super) fn is_open(&self) -> bool {
        !self.closed && self.body.is_none() && !self.sender.is_closed()
    }

    /// As [`Http1Connection::is_open`], after a read: an idle connection notices only then that its server
    /// closed it.
    pub(super) fn is_alive(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.is_open()
    }

    /// Sends `request` and waits for the head of its response.
    pub(super) async fn head(&mut self, request: Box<Request<()>>) -> Result<Parts, SendError> {
        // An idle connection notices only here that its server closed it.
        poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(())
        })
        .await;
        if self.closed {
            return Err(SendError { error: connection_error(), unsent: true });
        }
        let mut response = pin!(self.sender.send_request((*request).map(|()| Empty::new())));
        let (connection, closed) = (&mut self.connection, &mut self.closed);
        let response = poll_fn(|cx| {
            drive(connection, closed, cx);
            match response.as_mut().poll(cx) {
                // A connection that ended before it took the request would never answer it, nor say so.
                Poll::Pending if *closed => Poll::Ready(None),
                response => response.map(Some),
            }
        })
        .await;
        let Some(response) = response else { return Err(SendError { error: connection_error(), unsent: true }) };
        match response {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                self.used = true;
                self.body = Some(body);
                Ok(parts)
            }
            Err(error) => {
                self.closed = true;
                Err(SendError { unsent: error.is_canceled(), error: broken(error) })
            }
        }
    }

    /// The next bytes of the response, `None` at its end.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes>> {
        loop {
            let body = self.body.as_mut()?;
            let (connection, closed) = (&mut self.connection, &mut self.closed);
            let mut frame = body.frame();
            let frame = poll_fn(|cx| {
                if let Poll::Ready(frame) = frame.poll_unpin(cx) {
                    return Poll::Ready(frame);
                }
                drive(connection, closed, cx);
                frame.poll_unpin(cx)
            })
            .await;
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Some(Ok(bytes));
                    }
                }
                Some(Err(error)) => {
                    self.closed = true;
                    return Some(Err(broken(error)));
                }
                None => {
                    self.body = None;
                    // The connection now gets ready for the next request, or closes.
                    poll_fn(|cx| {
                        self.drive(cx);
                        Poll::Ready(())
                    })
                    .await;
                    return None;
                }
            }
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.connection, &mut self.closed, cx);
    }
}

/// Lets the connection read and write. The request that is out reports its error.
fn drive(connection: &mut Connection<Socket, Empty<Bytes>>, closed: &mut bool, cx: &mut Context<'_>) {
    if !*closed && connection.poll_unpin(cx).is_ready() {
        *closed = true;
    }
}

fn broken(error: hyper::Error) -> Error {
    connection_error().with_source(error)
}
