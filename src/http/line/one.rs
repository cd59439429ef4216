//! A connection of HTTP/1.1 for one feed. It is driven by whoever waits for an answer on it: no
//! task of its own, and nothing to hand from one task to another.

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

use super::connect::{Socket, failed};
use super::way::Failed;
use crate::error::{Error, Result};

/// A connection with at most one request out.
#[derive(Debug)]
pub(super) struct One {
    sender: SendRequest<Empty<Bytes>>,
    connection: Connection<Socket, Empty<Bytes>>,
    /// The rest of the present answer.
    body: Option<Incoming>,
    used: bool,
    over: bool,
}

impl One {
    /// # Errors
    /// `ERR_CONNECTION`.
    pub(super) async fn open(socket: Socket) -> Result<Self> {
        let (sender, connection) = http1::handshake(socket).await.map_err(broken)?;
        Ok(Self { sender, connection, body: None, used: false, over: false })
    }

    /// Whether there was an answer on it before.
    pub(super) fn was_used(&self) -> bool {
        self.used
    }

    /// Whether another request can go out: the answer was read to its end, and nobody closed.
    pub(super) fn is_open(&self) -> bool {
        !self.over && self.body.is_none() && !self.sender.is_closed()
    }

    /// As [`One::is_open`], after a look at whether the server closed it while nobody did.
    pub(super) fn is_alive(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.is_open()
    }

    /// Sends `request`; the headers of its answer.
    pub(super) async fn head(&mut self, request: Box<Request<()>>) -> Result<Parts, Failed> {
        // Takes notice of the end of a connection that was idle.
        poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(())
        })
        .await;
        if self.over {
            return Err(Failed { error: failed(), unsent: true });
        }
        let mut answer = pin!(self.sender.send_request((*request).map(|()| Empty::new())));
        let (connection, over) = (&mut self.connection, &mut self.over);
        let answer = poll_fn(|cx| {
            drive(connection, over, cx);
            answer.as_mut().poll(cx)
        })
        .await;
        match answer {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                self.used = true;
                self.body = Some(body);
                Ok(parts)
            }
            Err(error) => {
                self.over = true;
                Err(Failed { unsent: error.is_canceled(), error: broken(error) })
            }
        }
    }

    /// The next bytes of the answer, `None` at its end.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes>> {
        loop {
            let body = self.body.as_mut()?;
            let (connection, over) = (&mut self.connection, &mut self.over);
            let mut frame = body.frame();
            let frame = poll_fn(|cx| {
                if let Poll::Ready(frame) = frame.poll_unpin(cx) {
                    return Poll::Ready(frame);
                }
                drive(connection, over, cx);
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
                    self.over = true;
                    return Some(Err(broken(error)));
                }
                None => {
                    self.body = None;
                    // Lets the connection get ready for the next request, or close.
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
        drive(&mut self.connection, &mut self.over, cx);
    }
}

/// Lets the connection read and write. Its error, if it has one, is the request's too.
fn drive(connection: &mut Connection<Socket, Empty<Bytes>>, over: &mut bool, cx: &mut Context<'_>) {
    if !*over && connection.poll_unpin(cx).is_ready() {
        *over = true;
    }
}

fn broken(error: hyper::Error) -> Error {
    failed().with_source(error)
}
