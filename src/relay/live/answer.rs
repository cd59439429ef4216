//! The body of a live response: the events of all its wants, written when the connection takes them.
//!
//! There is no task and no queue for it: the connection's own task polls the body, and each want is looked at once its bit
//! of the [`ReadySet`] is set.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::time::{Instant, Sleep, sleep_until};

use super::event::{self, AGAIN, HEARTBEAT, Refused};
use super::opening::{Asked, Opened};
use super::ready_set::{ReadySet, waker};
use super::shared::Shared;
use super::step::Step;
use super::wants::Want;
use crate::relay::browser::Hold;
use crate::relay::log;
use crate::relay::stats::Refusal;
use crate::serve::ListenerStop;
use crate::serve::feed::hold;

/// How often a response sends a comment at least.
pub(super) const BEAT: Duration = Duration::from_secs(15);
/// How long a response lasts, give or take 15 percent: less than the five minutes after which platforms cut one.
pub(super) const LIFE: Duration = Duration::from_secs(240);
/// A part of the body is handed over from this length on, in bytes.
const PART_BYTES: usize = 16 << 10;
/// After how many turns in which wants only compared rows the connection's task leaves its thread to others.
const MAX_LATER: usize = 16;

/// A want, and its place in the ready set.
struct Slot {
    /// Its id as JSON.
    id: Box<str>,
    waker: Waker,
    state: State,
}

enum State {
    Opening(BoxFuture<'static, Result<Opened, Refused>>),
    Open(Box<Opened>),
    Over,
}

/// The body.
pub(super) struct Events {
    shared: Arc<Shared>,
    ready: Arc<ReadySet>,
    slots: Box<[Slot]>,
    /// How many wants are not over.
    open: usize,
    beat: u64,
    ends_at: Instant,
    timer: (Pin<Box<Sleep>>, Waker),
    stop: (BoxFuture<'static, ()>, Waker),
    /// What was written, and long bytes that follow it.
    out: Vec<u8>,
    long: Option<Bytes>,
    is_over: bool,
    /// How many wants only compared rows since the last poll.
    later: usize,
    /// The response takes one of the connections of a browser that has few.
    _connection: Option<Hold>,
}

impl Events {
    /// The events of these wants. `connection` counts the response among those of its
    /// browser (F12).
    pub(super) fn new(shared: Arc<Shared>, wants: Vec<Want>, asked: Asked, connection: Option<Hold>) -> Self {
        let ready = ReadySet::new(wants.len() + 2);
        let (asked, open) = (Arc::new(asked), wants.len());
        let slots = wants.into_iter().enumerate().map(|(slot, want)| {
            let id = event::id_text(&want.id);
            let (opener, asked) = (shared.opener.clone(), asked.clone());
            let opening = Box::pin(async move { opener.open(want, asked, 0).await });
            Slot { id, waker: waker(&ready, slot), state: State::Opening(opening) }
        });
        let now = Instant::now();
        Self {
            slots: slots.collect(),
            open,
            beat: 0,
            ends_at: now + hold(LIFE),
            timer: (Box::pin(sleep_until(now + BEAT)), waker(&ready, open)),
            stop: (Box::pin(shared.stop.clone().cancelled_owned()), waker(&ready, open + 1)),
            out: Vec::new(),
            long: None,
            is_over: false,
            later: 0,
            _connection: connection,
            shared,
            ready,
        }
    }

    /// The same, which ends when the listener that its request came through stops, too.
    pub(super) fn ending_with(mut self, listener: Option<ListenerStop>) -> Self {
        if let Some(ListenerStop(listener)) = listener {
            let relay = self.shared.stop.clone();
            self.stop.0 = Box::pin(async move {
                tokio::select! {
                    () = relay.cancelled() => {}
                    () = listener.cancelled() => {}
                }
            });
        }
        self
    }

    /// Looks at a slot that is ready. Whoever has more to tell is ready again.
    fn turn(&mut self, slot: usize) {
        let wants = self.slots.len();
        if slot == wants {
            self.tick();
        } else if slot > wants {
            if poll(self.stop.0.as_mut(), &self.stop.1).is_ready() {
                self.end();
            }
        } else if let State::Opening(_) = self.slots[slot].state {
            self.open(slot);
        } else {
            self.tell(slot);
        }
    }

    /// The timer may have run out.
    fn tick(&mut self) {
        while poll(self.timer.0.as_mut(), &self.timer.1).is_ready() {
            let now = Instant::now();
            if now >= self.ends_at {
                return self.end();
            }
            self.beat += 1;
            self.out.extend_from_slice(HEARTBEAT.as_bytes());
            for (slot, want) in self.slots.iter().enumerate() {
                if let State::Open(open) = &want.state
                    && (open.expires_ms.is_some() || open.follower.has_doubts())
                {
                    self.ready.insert(slot);
                }
            }
            self.timer.0.as_mut().reset((now + BEAT).min(self.ends_at));
        }
    }

    /// Ends the response: the page asks again.
    fn end(&mut self) {
        self.out.extend_from_slice(AGAIN.as_bytes());
        self.is_over = true;
        self.slots = Box::default();
    }

    /// Goes on to open a want.
    fn open(&mut self, slot: usize) {
        let want = &mut self.slots[slot];
        let State::Opening(opening) = &mut want.state else { return };
        match poll(opening.as_mut(), &want.waker) {
            Poll::Pending => {}
            Poll::Ready(Ok(opened)) => {
                want.state = State::Open(Box::new(opened));
                self.ready.insert(slot);
            }
            Poll::Ready(Err(refused)) => self.refuse(slot, &refused),
        }
    }

    /// Writes the next event of a want.
    fn tell(&mut self, slot: usize) {
        let want = &mut self.slots[slot];
        let State::Open(open) = &mut want.state else { return };
        if open.expires_ms.is_some_and(|expires_ms| expires_ms <= self.shared.clock.now_ms()) {
            let why = "The token has expired: ask again with a new one";
            return self.refuse(slot, &Refused::new(StatusCode::UNAUTHORIZED, why, false));
        }
        match open.follower.step(&self.shared.digests, self.beat, &want.waker) {
            Step::Idle => return,
            Step::Row(text, true) => return self.write(slot, "row", &text),
            Step::Row(text, false) => return self.write(slot, "change", &text),
            Step::Chunk(text) => return self.write(slot, "chunk", &text),
            Step::Later => self.later += 1,
            Step::Gone(key) => event::push_gone(&mut self.out, &want.id, key),
            Step::Ready { is_partial } => event::push_ready(&mut self.out, &want.id, is_partial),
            Step::End => {
                event::push_plain(&mut self.out, "end", &want.id);
                return self.close(slot);
            }
            Step::Failed(refused) => return self.refuse(slot, &refused),
        }
        self.ready.insert(slot);
    }

    /// Writes an event of two lines, of which `text` is the second.
    fn write(&mut self, slot: usize, name: &str, text: &Bytes) {
        let want = &self.slots[slot];
        let State::Open(open) = &want.state else { return };
        let Ok(long) = self.shared.count(text, open.owner) else {
            return self.refuse(slot, &Refused::from(crate::relay::limits::too_many_requests()));
        };
        let short = if long.is_none() { &**text } else { b"" };
        self.out.reserve(event::NAME_BYTES + want.id.len() + short.len());
        event::push_head(&mut self.out, name, &want.id);
        self.out.extend_from_slice(short);
        self.long = long;
        self.ready.insert(slot);
    }

    fn refuse(&mut self, slot: usize, refused: &Refused) {
        // Feeds end with the relay: that is no fault of the want.
        if self.shared.stop.is_cancelled() {
            return self.end();
        }
        if let Some(refusal) = Refusal::of(refused.status) {
            self.shared.stats.refuse(refusal);
        }
        log::refused(None, refused.status);
        event::push_error(&mut self.out, &self.slots[slot].id, refused);
        self.close(slot);
    }

    /// A want is over. With the last one, so is the response.
    fn close(&mut self, slot: usize) {
        self.slots[slot].state = State::Over;
        self.open -= 1;
        self.is_over = self.open == 0;
    }
}

impl Stream for Events {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.register(cx.waker());
        if self.out.is_empty()
            && let Some(long) = self.long.take()
        {
            return Poll::Ready(Some(Ok(long)));
        }
        self.later = 0;
        while !self.is_over && self.long.is_none() && self.out.len() < PART_BYTES && self.later < MAX_LATER {
            let Some(slot) = self.ready.take() else { break };
            self.turn(slot);
        }
        if !self.out.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.out).into())));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.later == MAX_LATER {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
