//! A body that is sent while it is made: the items of a batch, as lines of JSON (protocol.md 6).
//!
//! One upload is one attempt. Whoever makes the items can make them again, so the retries are
//! decided by the caller, from what [`Upload::finish`] says of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::call::{Answer, Deadlines, Failed};
use super::client;
use super::echo::Echo;
use super::headers::{ClientOptions, items_headers};
use crate::config::Endpoint;
use crate::error::{Error, Kind, Result};
use crate::retry::Policy;
use crate::{random, runtime};

/// How many chunks wait for the wire: a slow server slows whoever writes (defect 9).
const CHUNKS_WAITING: usize = 2;

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
        let chunks = stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Part::Chunk(chunk)) => Some((Ok(chunk), Some(receiver))),
                Some(Part::End) => None,
                None => Some((Err(Abandoned), None)),
            }
        });
        let request = client::calls()?
            .post(format!("{}{path}", endpoint.base_url()))
            .headers(headers)
            .body(reqwest::Body::wrap_stream(chunks));
        let given_up = CancellationToken::new();
        let token = given_up.clone();
        let task = runtime::get()?.spawn(async move {
            tokio::select! {
                () = token.cancelled() => Err(late("took nothing of the batch's items")),
                answer = async { Answer::read(request.send().await?, &echo).await } => answer,
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
        let sent = timeout(Deadlines::CALL.attempt, sender.send(part)).await;
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
            None => Err(Error::new(Kind::Internal, "ERR_INTERNAL", "an upload was finished twice")),
            Some(mut task) => match timeout(Deadlines::CALL.attempt, &mut task).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(error)) => {
                    Err(Error::new(Kind::Internal, "ERR_INTERNAL", "an upload broke off").with_source(error))
                }
                Err(_) => {
                    task.abort();
                    Err(late("did not answer to the batch's items"))
                }
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

fn late(what: &str) -> Error {
    Error::new(
        Kind::Timeout,
        "ERR_TIMEOUT",
        format!("the server {what} for {} ms", Deadlines::CALL.attempt.as_millis()),
    )
}

/// What a mutex guards. No holder can leave it half-done, so a poisoned one is as good.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
