//! The send timeout of HTTP/2 responses. One connection carries many streams, so each response has a deadline of its own.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Sleep, sleep};

use super::listener_state::ListenerState;
use super::split_body::Progress;

/// How many stalled responses get the full send timeout. Each holds its frame in memory.
const MAX_FULL_DEADLINES: usize = 10_000;
/// The send timeout of the stalled responses beyond them.
const SHORT_DEADLINE: Duration = Duration::from_secs(1);

/// Spawns the stream tasks of an HTTP/2 connection, each with a read deadline.
#[derive(Clone, Debug)]
pub(super) struct ReadDeadlineExecutor(Arc<ListenerState>);

impl ReadDeadlineExecutor {
    pub(super) fn new(listener: Arc<ListenerState>) -> Self {
        Self(listener)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for ReadDeadlineExecutor {
    fn execute(&self, stream: F) {
        tokio::spawn(WithReadDeadline { stream: Box::pin(stream), listener: self.0.clone(), deadline: None });
    }
}

/// One stream, from its request until its response was read.
struct WithReadDeadline<F> {
    stream: Pin<Box<F>>,
    listener: Arc<ListenerState>,
    /// Set while the response waits for the client to read.
    deadline: Option<Deadline>,
}

struct Deadline {
    listener: Arc<ListenerState>,
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    fn new(listener: &Arc<ListenerState>) -> Self {
        let (timeout, stalled) = (listener.bounds.timeouts.send, listener.counts.stall());
        let timeout = if stalled > MAX_FULL_DEADLINES { timeout.min(SHORT_DEADLINE) } else { timeout };
        Self { listener: listener.clone(), sleep: Box::pin(sleep(timeout)) }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.listener.counts.resume();
    }
}

impl<F: Future<Output = ()>> Future for WithReadDeadline<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Progress::reset();
        if self.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let progress = Progress::get();
        if progress.is_pending {
            self.deadline = None;
            return Poll::Pending;
        }
        if progress.has_frame || self.deadline.is_none() {
            let listener = self.listener.clone();
            self.deadline = Some(Deadline::new(&listener));
        }
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        ready!(deadline.sleep.as_mut().poll(cx));
        self.listener.counts.count_send_timeout();
        // hyper resets the stream when its task is dropped.
        Poll::Ready(())
    }
}

impl<F> fmt::Debug for WithReadDeadline<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithReadDeadline").field("is_stalled", &self.deadline.is_some()).finish_non_exhaustive()
    }
}
