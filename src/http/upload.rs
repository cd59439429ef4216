//! A body that is sent while it is made: the items of a batch, as lines of JSON (docs/server-protocol.md 6).
//!
//! One upload is one attempt. Whoever makes the items can make them again, so the retries are
//! decided by the caller, from what [`Upload::finish`] says of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::call::{Answer, Deadlines, Failed};
use super::client;
use super::echo::Echo;
use super::headers::{ClientOptions, items_headers};
use crate::config::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::lock::lock;
use crate::retry::Policy;
use crate::{random, runtime};

/// How many chunks wait for the wire: a slow server slows whoever writes (defect 9).
const CHUNKS_WAITING: usize = 2;

/// The most of a body that its connection holds: so many pieces of so many bytes. Always less than a
/// connection of HTTP/1.1 has room for (about 400 KiB, 16 pieces), so that it still asks for more when
/// its server takes nothing, and hears then that the body was given up. Told in no other way, it would
/// stay open until the server took what it holds.
const MOST_HELD: (usize, usize) = (4, 64 * 1024);

/// How long a connection has to notice that its body was given up.
const GRACE: Duration = Duration::from_secs(1);

/// The schedule of the attempts, as the official SDK has it: five, 1 s, doubled, at most 30 s.
const POLICY: Policy = Policy {
    max_attempts: 5,
    min_delay: Duration::from_secs(1),
    max_delay: Duration::from_secs(30),
    factor: 2.0,
    full_jitter: false,
};

/// A part of the body. Its end is told, so that a writer who vanishes never makes a part of a body
/// look like the whole.
#[derive(Debug)]
enum Part {
    Chunk(Bytes),
    End,
}

/// The body broke off on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the body was abandoned")]
struct Abandoned;

/// One attempt to send a body.
#[derive(Debug)]
pub struct Upload {
    sender: Mutex<Option<mpsc::Sender<Part>>>,
    task: Mutex<Option<JoinHandle<Result<Answer>>>>,
    given_up: CancellationToken,
    policy: Policy,
    attempt: u32,
}

/// How an attempt went.
#[derive(Debug)]
pub struct Uploaded {
    /// The answer, or what went wrong.
    pub outcome: Result<Answer>,
    /// How long to wait before the next attempt; `None` where it would do no better, or where this
    /// was the last one. After an answer below 400: the wait should its content ask for another.
    pub retry_in: Option<Duration>,
}

impl Upload {
    /// Opens the `attempt`-th (from 1) request: a `POST` to `path`, encoded, beginning with `/`.
    ///
    /// # Errors
    /// Only what no attempt can mend: headers or a client that cannot be built.
    pub fn open(endpoint: &Endpoint, options: &ClientOptions, path: &str, attempt: u32) -> Result<Self> {
        let headers = items_headers(endpoint, options)?;
        let echo = Echo::of(&headers);
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
        let given_up = CancellationToken::new();
        let url = format!("{}{path}", endpoint.base_url());
        let on_pool = client::calls().attempt(&url)?.within(Deadlines::CALL.attempt);
        let request = on_pool
            .client()
            .post(url)
            .headers(headers)
            .body(reqwest::Body::wrap_stream(body(receiver, given_up.clone())));
        let token = given_up.clone();
        let task = runtime::get()?.spawn(async move {
            // Dropped only after that: a connection whose request is dropped first does not look at the body.
            let over = async {
                token.cancelled().await;
                sleep(GRACE).await;
            };
            tokio::select! {
                () = over => Err(took_nothing()),
                answer = async { Answer::read(request.send().await?, &echo).await } => {
                    // One that was broken off says nothing of its connection.
                    if !token.is_cancelled() {
                        on_pool.heard();
                    }
                    answer
                }
            }
        });
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            task: Mutex::new(Some(task)),
            given_up,
            policy: options.retry.over(POLICY),
            attempt,
        })
    }

    /// Sends `chunk`, once there is room for it. False when the request is over, whatever its
    /// outcome: [`Upload::finish`] has it.
    pub async fn write(&self, chunk: Bytes) -> bool {
        self.send(Part::Chunk(chunk)).await
    }

    async fn send(&self, part: Part) -> bool {
        let sender = lock(&self.sender).clone();
        let Some(sender) = sender else { return false };
        let sent = tokio::select! {
            biased;
            // The connection may take a while to let go of the body, and who gave up waits for nobody.
            () = self.given_up.cancelled() => return false,
            sent = timeout(Deadlines::CALL.attempt, sender.send(part)) => sent,
        };
        if sent.is_err() {
            // The server took nothing for so long that it will not.
            self.given_up.cancel();
        }
        matches!(sent, Ok(Ok(())))
    }

    /// Ends the body, and waits for the answer.
    pub async fn finish(&self) -> Uploaded {
        self.send(Part::End).await;
        let task = lock(&self.task).take();
        let outcome = match task {
            None => Err(Error::new(ErrorCode::Internal, "an upload was finished twice")),
            Some(mut task) => tokio::select! {
                biased;
                done = timeout(Deadlines::CALL.attempt, &mut task) => match done {
                    Ok(Ok(Err(_))) if self.given_up.is_cancelled() => Err(took_nothing()),
                    Ok(Ok(outcome)) => outcome,
                    Ok(Err(error)) => {
                        Err(Error::new(ErrorCode::Internal, "an upload broke off").with_source(error))
                    }
                    Err(_) => {
                        self.given_up.cancel();
                        Err(late("did not answer to the batch's items"))
                    }
                },
                () = self.given_up.cancelled() => Err(took_nothing()),
            },
        };
        self.judge(outcome)
    }

    /// Breaks the request off, so that the server never takes a part for the whole. Idempotent.
    pub fn abandon(&self) {
        self.given_up.cancel();
        lock(&self.sender).take();
    }

    fn judge(&self, outcome: Result<Answer>) -> Uploaded {
        let backoff = self.policy.delay(self.attempt, random::unit());
        let failed = match outcome.map_err(Failed::from_error).and_then(Failed::read) {
            Ok(answer) => return Uploaded { outcome: Ok(answer), retry_in: backoff },
            Err(failed) => failed,
        };
        match failed {
            Failed::Final(error) => Uploaded { outcome: Err(error), retry_in: None },
            Failed::Passing(error, asked) => {
                // Capped, whatever the server asks for (defect 19).
                let wait = |backoff| asked.map_or(backoff, |asked: Duration| asked.min(self.policy.max_delay));
                Uploaded { outcome: Err(error), retry_in: backoff.map(wait) }
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// The pieces of a body, as the connection has room for them; an error once it was given up.
fn body(
    receiver: mpsc::Receiver<Part>,
    given_up: CancellationToken,
) -> impl Stream<Item = std::result::Result<Bytes, Abandoned>> + Send + 'static {
    let (pieces, piece_bytes) = MOST_HELD;
    let places = Arc::new(Semaphore::new(pieces));
    stream::unfold(Some((receiver, Bytes::new())), move |state| {
        let (places, given_up) = (places.clone(), given_up.clone());
        async move {
            let (mut receiver, mut rest) = state?;
            let next = async {
                let place = places.clone().acquire_owned().await.map_err(|_| Abandoned)?;
                if rest.is_empty() {
                    match receiver.recv().await {
                        Some(Part::Chunk(chunk)) => rest = chunk,
                        Some(Part::End) => {
                            drop(place);
                            // Its end is told when the connection holds nothing of it any more.
                            let all = u32::try_from(pieces).unwrap_or(u32::MAX);
                            drop(places.acquire_many(all).await);
                            return Ok(None);
                        }
                        None => return Err(Abandoned),
                    }
                }
                let piece = rest.split_to(rest.len().min(piece_bytes));
                Ok(Some(Bytes::from_owner(Placed { piece, _place: place })))
            };
            let next = tokio::select! {
                biased;
                () = given_up.cancelled() => Err(Abandoned),
                next = next => next,
            };
            match next {
                Ok(Some(piece)) => Some((Ok(piece), Some((receiver, rest)))),
                Ok(None) => None,
                Err(abandoned) => Some((Err(abandoned), None)),
            }
        }
    })
}

/// A piece, whose place is free once the connection let go of it.
struct Placed {
    piece: Bytes,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Placed {
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

    /// States of the connections to a local port, as Linux tells them: 01 is open.
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

    /// An upload whose server takes nothing more, and what keeps that server there.
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
