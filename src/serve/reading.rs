//! Answers over HTTP/2 that wait for their reader: each has a deadline of its own, since one connection carries many.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Sleep, sleep};

use super::listener::Room;
use super::sliced::Done;

/// How many answers may wait for their readers for as long as they like, up to the deadline.
const PATIENT: usize = 10_000;
/// How long those beyond may.
const HURRY: Duration = Duration::from_secs(1);

/// Runs the requests of an HTTP/2 connection.
#[derive(Clone, Debug)]
pub(super) struct Reading(Arc<Room>);

impl Reading {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self(room)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Reading {
    fn execute(&self, request: F) {
        tokio::spawn(Read { request: Box::pin(request), room: self.0.clone(), unread: None });
    }
}

/// One request, from when it came until its answer was read.
struct Read<F> {
    request: Pin<Box<F>>,
    room: Arc<Room>,
    /// While it waits for its reader.
    unread: Option<Unread>,
}

struct Unread {
    room: Arc<Room>,
    late: Pin<Box<Sleep>>,
}

impl Unread {
    fn new(room: &Arc<Room>) -> Self {
        let (unread, stalled) = (room.bounds.times.unread, room.counts.stall());
        let patience = if stalled > PATIENT { unread.min(HURRY) } else { unread };
        Self { room: room.clone(), late: Box::pin(sleep(patience)) }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.room.counts.go_on();
    }
}

impl<F: Future<Output = ()>> Future for Read<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Done::forget();
        if self.request.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let done = Done::seen();
        if done.waited {
            self.unread = None;
            return Poll::Pending;
        }
        if done.gave || self.unread.is_none() {
            let room = self.room.clone();
            self.unread = Some(Unread::new(&room));
        }
        let Some(unread) = &mut self.unread else { return Poll::Pending };
        ready!(unread.late.as_mut().poll(cx));
        self.room.counts.drop_unread();
        // What is dropped with this is reset.
        Poll::Ready(())
    }
}

impl<F> fmt::Debug for Read<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("is_unread", &self.unread.is_some()).finish_non_exhaustive()
    }
}
