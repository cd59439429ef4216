//! A request body that is sent while it is produced: the items of a batch, as lines of JSON
//! (docs/server-protocol.md 6).
//!
//! One upload is one attempt. The caller produces the items, and can do so again: it also makes the
//! retries, as [`Upload::finish`] says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::call::{AttemptError, Deadlines, Response};
use super::clients;
use super::headers::{ClientOptions, items_headers};
use super::redaction::Redaction;
use crate::config::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::lock::lock;
use crate::retry::Policy;
use crate::{random, runtime};

/// How many chunks wait for the wire. A slow server thereby slows the writer (defect 9).
const MAX_QUEUED_CHUNKS: usize = 2;

/// The most of a body that its connection holds: 4 pieces of 64 KiB. A connection of HTTP/1.1 has room
/// for more (about 400 KiB, 16 pieces), so that it still polls the body when its server reads nothing,
/// and finds out that the body was abandoned. Otherwise it would stay open until the server read on.
const MAX_PIECES: usize = 4;
const PIECE_BYTES: usize = 64 * 1024;

/// How long a connection has to notice that its body was abandoned.
const ABANDON_GRACE: Duration = Duration::from_secs(1);

/// The schedule of the attempts, as the official SDK has it: five, 1 s, doubled, at most 30 s.
const POLICY: Policy = Policy {
    max_attempts: 5,
    min_delay: Duration::from_secs(1),
    max_delay: Duration::from_secs(30),
    factor: 2.0,
    full_jitter: false,
};

/// A part of the body. Its end is explicit, so that a writer that vanishes never makes a part of a body
/// look like the whole.
#[derive(Debug)]
enum Part {
    Chunk(Bytes),
    End,
}

/// The error that breaks the body off on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the body was abandoned")]
struct Abandoned;

/// One attempt to send a body.
#[derive(Debug)]
pub struct Upload {
    sender: Mutex<Option<mpsc::Sender<Part>>>,
    task: Mutex<Option<JoinHandle<Result<Response>>>>,
    abandoned: CancellationToken,
    policy: Policy,
    attempt: u32,
}

/// How an attempt went.
#[derive(Debug)]
pub struct UploadOutcome {
    /// The response, or what went wrong.
    pub outcome: Result<Response>,
    /// How long to wait before the next attempt; `None` where it cannot succeed, or where this was the
    /// last one. After a response below 400: the wait in case its content asks for another attempt.
    pub retry_in: Option<Duration>,
}

impl Upload {
    /// Opens the `attempt`-th (from 1) request: a `POST` to `path`, encoded, beginning with `/`.
    ///
    /// # Errors
    /// Only errors that no attempt can mend: headers or a client that cannot be built.
    pub fn open(endpoint: &Endpoint, options: &ClientOptions, path: &str, attempt: u32) -> Result<Self> {
        let headers = items_headers(endpoint, options)?;
        let redaction = Redaction::of(&headers);
        let (sender, receiver) = mpsc::channel(MAX_QUEUED_CHUNKS);
        let abandoned = CancellationToken::new();
        let url = format!("{}{path}", endpoint.base_url());
        let client_attempt = clients::calls().attempt(&url)?.with_time_out(Deadlines::CALL.attempt);
        let request = client_attempt
            .client()
            .post(url)
            .headers(headers)
            .body(reqwest::Body::wrap_stream(body(receiver, abandoned.clone())));
        let token = abandoned.clone();
        let task = runtime::get()?.spawn(async move {
            // The request is dropped only after the grace: a connection whose request is dropped first never
            // polls the body again.
            let over = async {
                token.cancelled().await;
                sleep(ABANDON_GRACE).await;
            };
            tokio::select! {
                () = over => Err(took_nothing()),
                response = async { Response::read(request.send().await?, &redaction).await } => {
                    // A request that was broken off says nothing of its connection.
                    if !token.is_cancelled() {
                        client_attempt.completed();
                    }
                    response
                }
            }
        });
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            task: Mutex::new(Some(task)),
            abandoned,
            policy: options.retry.over(POLICY),
            attempt,
        })
    }

    /// Sends `chunk`, once there is room for it. False when the request is over; [`Upload::finish`] then
    /// has its outcome.
    pub async fn write(&self, chunk: Bytes) -> bool {
        self.send(Part::Chunk(chunk)).await
    }

    async fn send(&self, part: Part) -> bool {
        let sender = lock(&self.sender).clone();
        let Some(sender) = sender else { return false };
        let sent = tokio::select! {
            biased;
            // The connection may take a while to drop the body; a writer that abandoned it does not wait.
            () = self.abandoned.cancelled() => return false,
            sent = timeout(Deadlines::CALL.attempt, sender.send(part)) => sent,
        };
        if sent.is_err() {
            // A server that reads nothing for 30 s will not read on.
            self.abandoned.cancel();
        }
        matches!(sent, Ok(Ok(())))
    }

    /// Ends the body, and waits for the response.
    pub async fn finish(&self) -> UploadOutcome {
        self.send(Part::End).await;
        let task = lock(&self.task).take();
        let outcome = match task {
            None => Err(Error::new(ErrorCode::Internal, "an upload was finished twice")),
            Some(mut task) => tokio::select! {
                biased;
                done = timeout(Deadlines::CALL.attempt, &mut task) => match done {
                    Ok(Ok(Err(_))) if self.abandoned.is_cancelled() => Err(took_nothing()),
                    Ok(Ok(outcome)) => outcome,
                    Ok(Err(error)) => {
                        Err(Error::new(ErrorCode::Internal, "an upload broke off").with_source(error))
                    }
                    Err(_) => {
                        self.abandoned.cancel();
                        Err(late("did not answer to the batch's items"))
                    }
                },
                () = self.abandoned.cancelled() => Err(took_nothing()),
            },
        };
        self.classify(outcome)
    }

    /// Breaks the request off, so that the server never takes a part of the body for the whole. Idempotent.
    pub fn abandon(&self) {
        self.abandoned.cancel();
        lock(&self.sender).take();
    }

    fn classify(&self, outcome: Result<Response>) -> UploadOutcome {
        let backoff = self.policy.delay(self.attempt, random::unit());
        let failed = match outcome.map_err(AttemptError::from_error).and_then(AttemptError::check) {
            Ok(response) => return UploadOutcome { outcome: Ok(response), retry_in: backoff },
            Err(failed) => failed,
        };
        match failed {
            AttemptError::Permanent(error) => UploadOutcome { outcome: Err(error), retry_in: None },
            AttemptError::Transient(error, asked) => {
                // The wait that the server asks for is capped (defect 19).
                let wait = |backoff| asked.map_or(backoff, |asked: Duration| asked.min(self.policy.max_delay));
                UploadOutcome { outcome: Err(error), retry_in: backoff.map(wait) }
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// The pieces of a body, as the connection has room for them; an error once it was abandoned.
fn body(
    receiver: mpsc::Receiver<Part>,
    abandoned: CancellationToken,
) -> impl Stream<Item = std::result::Result<Bytes, Abandoned>> + Send + 'static {
    let room = Arc::new(Semaphore::new(MAX_PIECES));
    stream::unfold(Some((receiver, Bytes::new())), move |state| {
        let (room, abandoned) = (room.clone(), abandoned.clone());
        async move {
            let (mut receiver, mut rest) = state?;
            let next = async {
                let permit = room.clone().acquire_owned().await.map_err(|_| Abandoned)?;
                if rest.is_empty() {
                    match receiver.recv().await {
                        Some(Part::Chunk(chunk)) => rest = chunk,
                        Some(Part::End) => {
                            drop(permit);
                            // The body ends once the connection has sent all its pieces.
                            let all = u32::try_from(MAX_PIECES).unwrap_or(u32::MAX);
                            drop(room.acquire_many(all).await);
                            return Ok(None);
                        }
                        None => return Err(Abandoned),
                    }
                }
                let piece = rest.split_to(rest.len().min(PIECE_BYTES));
                Ok(Some(Bytes::from_owner(HeldPiece { piece, _permit: permit })))
            };
            let next = tokio::select! {
                biased;
                () = abandoned.cancelled() => Err(Abandoned),
                next = next => next,
            };
            match next {
                Ok(Some(piece)) => Some((Ok(piece), Some((receiver, rest)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }
    })
}

/// A piece that holds its permit until the connection drops it.
struct HeldPiece {
    piece: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for HeldPiece {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

fn took_nothing() -> Error {
    late("took nothing of the batch's items")
}

fn late(what: &str) -> Error {
    Error::new(ErrorCode::Timeout, format!("the server {what} for {} ms", Deadlines::CALL.attempt.as_millis()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// States of the connections to a local port in `/proc/net/tcp`: 01 is open.
    fn states(port: u16) -> Vec<String> {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        let wanted = format!(":{port:04X}");
        table
            .lines()
            .filter_map(|line| {
                let parts: Vec<_> = line.split_whitespace().collect();
                parts[2].ends_with(&wanted).then(|| parts[3].to_owned())
            })
            .collect()
    }

    /// An upload whose server reads nothing more, and a guard that keeps that server open.
    async fn stalled() -> (Upload, u16, impl Sized) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let endpoint = Endpoint::new(&format!("http://127.0.0.1:{port}"), "tr_dev_test", None).expect("valid");
        let upload = Upload::open(&endpoint, &ClientOptions::default(), "/items", 1).expect("opened");
        let (socket, _) = listener.accept().await.expect("a connection");
        let chunk = Bytes::from(vec![b'x'; 1 << 20]);
        while timeout(Duration::from_millis(200), upload.write(chunk.clone())).await.is_ok() {}
        (upload, port, (socket, listener))
    }

    #[test]
    fn a_stalled_upload_ends_when_it_is_given_up_and_its_connection_with_it() {
        runtime::get().expect("a runtime").block_on(async {
            let (upload, port, _server) = stalled().await;
            assert_eq!(states(port), ["01"]);
            let write = upload.write(Bytes::from_static(b"x"));
            let give_up = async {
                tokio::task::yield_now().await;
                upload.abandon();
            };
            let (written, ()) = timeout(Duration::from_secs(5), async { tokio::join!(write, give_up) })
                .await
                .expect("the writer is let go at once");
            assert!(!written);
            let over = timeout(Duration::from_secs(5), upload.finish()).await.expect("as is who waits for the answer");
            assert_eq!(over.outcome.expect_err("given up").code(), ErrorCode::Timeout);
            for _ in 0..100 {
                if !states(port).contains(&"01".to_owned()) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
            panic!("the connection is still open: {:?}", states(port));
        });
    }
}
