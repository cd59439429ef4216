//! The machine of one feed: which request follows from which answer.

use std::sync::Arc;

use super::book::Book;
use super::limits::Limits;
use super::message::Message;
use super::patience::{Patience, Pause};
use super::query::Query;
use super::row::Row;
use super::schema::Schema;
use super::seen::{self, Batch, Known, Seen};
use super::step::{Change, Event, Now, Outcome, Phase, Reason, Retry, Step};
use super::trouble::Trouble;
use crate::{Error, Result};

/// The machine of one feed. It asks for one request at a time and never reads a clock.
///
/// The driver calls [`Feed::start`] once, then [`Feed::on`] with what became of each request, or
/// [`Event::Woken`] after each wait, until [`Step::End`].
#[derive(Clone, Debug)]
pub struct Feed {
    limits: Limits,
    state: State,
    place: Place,
    book: Book,
    schema: Option<Arc<Schema>>,
    patience: Patience,
    phase: Phase,
    /// Whether there ever was an up-to-date.
    settled: bool,
}

/// What the driver is doing for us. The table over it is in `docs/protocol.md`, and total.
#[derive(Clone, Copy, Debug)]
enum State {
    New,
    /// `offset=-1`, asked at a monotonic ms.
    Snapshot {
        asked_at: u64,
    },
    /// From the last offset, while no up-to-date was seen.
    CatchUp {
        asked_at: u64,
    },
    /// The server may hold it.
    Live {
        asked_at: u64,
    },
    /// Until a monotonic ms.
    Waiting {
        until: u64,
        retry: Retry,
    },
    Ended,
}

/// Where the feed is: what the next request says.
#[derive(Clone, Debug)]
struct Place {
    mode: Mode,
    query: Query,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Snapshot,
    CatchUp,
    Live,
}

impl Feed {
    /// A feed that has not started.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::New,
            place: Place { mode: Mode::Snapshot, query: Query::snapshot() },
            book: Book::new(limits.keep, limits.long_texts),
            schema: None,
            patience: Patience::default(),
            phase: Phase::Connecting,
            settled: false,
        }
    }

    /// The first request.
    pub fn start(&mut self, now: Now) -> Step {
        self.ask(now.sane())
    }

    /// What follows from `event`. An event that cannot be (an answer while waiting) changes
    /// nothing and repeats the last step; after the end every step is `End(Ok(()))`.
    pub fn on(&mut self, event: Event<'_>, now: Now) -> Outcome {
        let now = now.sane();
        let known = Known { schema: self.schema.is_some(), offset: &self.place.query.offset };
        // Long texts that came before are not read again.
        let body = match &event {
            Event::Answer { body, .. } => *body,
            Event::Failed(_) | Event::Woken => b"",
        };
        let short = self.book.repeats.shorten(body);
        let seen = seen::read_short(event, short.as_ref(), known, now);
        let step = match (self.state, seen) {
            (
                State::Snapshot { asked_at } | State::CatchUp { asked_at } | State::Live { asked_at },
                Seen::Batch(batch),
            ) => {
                return self.take(batch, body, asked_at, now);
            }
            (State::Snapshot { asked_at }, Seen::Empty { handle, offset }) => match (handle, offset) {
                (Some(handle), Some(offset)) => return self.confirm(Some(handle), Some(offset), asked_at, now),
                (Some(_) | None, _) => self.fail(nowhere(), asked_at, now),
            },
            (State::CatchUp { asked_at } | State::Live { asked_at }, Seen::Empty { handle, offset }) => {
                return self.confirm(handle, offset, asked_at, now);
            }
            (State::Snapshot { .. } | State::CatchUp { .. } | State::Live { .. }, Seen::Refetch { handle }) => {
                self.refetch(handle, now)
            }
            (
                State::Snapshot { asked_at } | State::CatchUp { asked_at } | State::Live { asked_at },
                Seen::Trouble(trouble),
            ) => self.fail(trouble, asked_at, now),
            (State::Snapshot { .. } | State::CatchUp { .. } | State::Live { .. }, Seen::Fatal(error)) => {
                self.end(Err(error))
            }
            // The driver lost its request.
            (State::Snapshot { .. } | State::CatchUp { .. } | State::Live { .. }, Seen::Woken) => self.ask(now),
            (State::New | State::Waiting { .. }, Seen::Woken) => self.ask(now),
            (
                State::New,
                Seen::Batch(_) | Seen::Empty { .. } | Seen::Refetch { .. } | Seen::Trouble(_) | Seen::Fatal(_),
            ) => self.ask(now),
            (
                State::Waiting { until, retry },
                Seen::Batch(_) | Seen::Empty { .. } | Seen::Refetch { .. } | Seen::Trouble(_) | Seen::Fatal(_),
            ) => Step::Wait { ms: until.saturating_sub(now.monotonic_ms), retry },
            (
                State::Ended,
                Seen::Batch(_)
                | Seen::Empty { .. }
                | Seen::Refetch { .. }
                | Seen::Trouble(_)
                | Seen::Fatal(_)
                | Seen::Woken,
            ) => Step::End(Ok(())),
        };
        Outcome { step, changes: Vec::new() }
    }

    /// The visible state.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The rows as last published, in the order they were first seen.
    pub fn rows(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Row>)> {
        self.book.published()
    }

    /// The types of the columns, once an answer named them.
    #[must_use]
    pub fn schema(&self) -> Option<&Arc<Schema>> {
        self.schema.as_ref()
    }

    /// An answer of the protocol (I2 to I7, I11, I12).
    fn take(&mut self, batch: Batch<'_>, body: &[u8], asked_at: u64, now: Now) -> Outcome {
        let query = &mut self.place.query;
        if query.expired_handle.as_deref() == Some(&*batch.handle) {
            // A cache answers from the shape the server called expired: its rows are not taken,
            // and the next request's URL is one no cache has seen (I8).
            query.handle = Some(bust(query.handle.as_deref().unwrap_or(&batch.handle)));
            return self.nothing_new(false, now);
        }
        if batch.messages.iter().any(|message| matches!(message, Message::MustRefetch)) {
            return Outcome { step: self.refetch(Some(batch.handle), now), changes: Vec::new() };
        }
        let moved = query.offset != batch.offset;
        query.handle = Some(batch.handle);
        query.offset = batch.offset;
        if batch.cursor.is_some() {
            query.cursor = batch.cursor;
        }
        if let Some(schema) = batch.schema
            && self.schema.as_deref() != Some(&schema)
        {
            self.schema = Some(schema.shared());
        }
        let peak = self.book.peak();
        let named = batch.messages.iter().any(is_change);
        let last = batch.messages.iter().rposition(|message| matches!(message, Message::UpToDate));
        let mut changes = Vec::new();
        for (place, message) in batch.messages.into_iter().enumerate() {
            self.book.apply(message);
            // What follows the last up-to-date waits for the next one (I5).
            if last == Some(place) {
                changes = self.book.publish();
            }
        }
        self.book.repeats.learn(body);
        let news = changes.iter().any(is_news);
        if self.book.take_missing() {
            // What this answer published stands; the snapshot brings the update that could not be
            // merged, and only what differs is published then (I16).
            if news {
                self.patience.progress();
            }
            return Outcome { step: self.start_over(now), changes };
        }
        let held = self.was_held(asked_at, now);
        let first = last.is_some() && !self.settled;
        self.settle(last.is_some());
        if held || first || news {
            self.patience.progress();
        } else if self.book.peak() > peak {
            self.patience.growth();
        } else {
            return Outcome { changes, ..self.nothing_new(moved && named, now) };
        }
        Outcome { step: self.ask(now), changes }
    }

    /// 204: up to date, without a body.
    fn confirm(&mut self, handle: Option<String>, offset: Option<String>, asked_at: u64, now: Now) -> Outcome {
        let query = &mut self.place.query;
        query.handle = handle.or_else(|| query.handle.take());
        if let Some(offset) = offset {
            query.offset = offset;
        }
        let changes = self.book.publish();
        let first = !self.settled;
        let held = self.was_held(asked_at, now);
        self.settle(true);
        if held || first || changes.iter().any(is_news) {
            self.patience.progress();
            return Outcome { step: self.ask(now), changes };
        }
        Outcome { changes, ..self.nothing_new(false, now) }
    }

    /// Goes live for good once an up-to-date was seen (I3).
    fn settle(&mut self, up_to_date: bool) {
        self.settled |= up_to_date;
        if up_to_date {
            self.place.mode = Mode::Live;
        } else if self.place.mode == Mode::Snapshot {
            self.place.mode = Mode::CatchUp;
        }
        self.place.query.live = self.place.mode == Mode::Live;
        self.phase = if self.place.query.live { Phase::Live } else { Phase::CatchingUp };
    }

    /// Whether the server held the answer, as it does when there is nothing to say.
    fn was_held(&self, asked_at: u64, now: Now) -> bool {
        self.place.mode == Mode::Live && now.monotonic_ms.saturating_sub(asked_at) >= self.limits.held_ms
    }

    /// An answer that brought nothing: asked again at once, later, or no more.
    fn nothing_new(&mut self, churn: bool, now: Now) -> Outcome {
        let step = match self.patience.idle(churn, now, &self.limits) {
            Ok(None) => self.ask(now),
            Ok(Some(pause)) => self.wait(pause, now),
            Err(error) => self.end(Err(error)),
        };
        Outcome { step, changes: Vec::new() }
    }

    /// Drops everything and starts over (I8).
    fn refetch(&mut self, handle: Option<String>, now: Now) -> Step {
        let old = self.place.query.handle.take();
        let before = self.place.query.expired_handle.take();
        let (new, expired_handle) = match (handle, old) {
            // Sent back to the same shape: it is not expired, but no cache may answer for it.
            (Some(new), Some(old)) if new == old => (Some(bust(&old)), before),
            (Some(new), Some(old)) => (Some(new), Some(old)),
            (None, Some(old)) => (Some(bust(&old)), Some(old)),
            (new, None) => (new, before),
        };
        self.drop_everything(new, expired_handle, now)
    }

    /// Asks for a snapshot of its own accord. The shape is not expired: any snapshot of it will
    /// do, also an old one, for what followed it comes after it (I16).
    fn start_over(&mut self, now: Now) -> Step {
        let expired_handle = self.place.query.expired_handle.take();
        self.drop_everything(None, expired_handle, now)
    }

    fn drop_everything(&mut self, handle: Option<String>, expired_handle: Option<String>, now: Now) -> Step {
        self.place = Place { mode: Mode::Snapshot, query: Query { handle, expired_handle, ..Query::snapshot() } };
        self.book.clear();
        self.phase = Phase::CatchingUp;
        match self.patience.refetch(now, &self.limits) {
            Ok(None) => self.ask(now),
            Ok(Some(pause)) => self.wait(pause, now),
            Err(error) => self.end(Err(error)),
        }
    }

    fn fail(&mut self, trouble: Trouble, asked_at: u64, now: Now) -> Step {
        match self.patience.trouble(trouble, asked_at, now, &self.limits) {
            Ok(pause) => self.wait(pause, now),
            Err(error) => self.end(Err(error)),
        }
    }

    fn ask(&mut self, now: Now) -> Step {
        let asked_at = now.monotonic_ms;
        self.state = match self.place.mode {
            Mode::Snapshot => State::Snapshot { asked_at },
            Mode::CatchUp => State::CatchUp { asked_at },
            Mode::Live => State::Live { asked_at },
        };
        Step::Request(self.place.query.clone())
    }

    fn wait(&mut self, (ms, retry): Pause, now: Now) -> Step {
        self.state = State::Waiting { until: now.monotonic_ms.saturating_add(ms), retry };
        self.phase = Phase::Retrying;
        Step::Wait { ms, retry }
    }

    fn end(&mut self, result: Result<()>) -> Step {
        self.state = State::Ended;
        self.phase = Phase::Ended;
        Step::End(result)
    }
}

fn is_change(message: &Message<'_>) -> bool {
    match message {
        Message::Insert { .. } | Message::Update { .. } | Message::Delete { .. } | Message::Bad { .. } => true,
        Message::UpToDate | Message::MustRefetch | Message::Ignored => false,
    }
}

/// Whether readers get something of it that no answer before brought.
fn is_news(change: &Change) -> bool {
    match change {
        Change::Row { .. } | Change::Gone { .. } => true,
        Change::LetGo { .. } | Change::Bad { .. } => false,
    }
}

/// A handle no server gave out, and so no cache has answers for.
fn bust(handle: &str) -> String {
    format!("{handle}-next")
}

fn nowhere() -> Trouble {
    Trouble {
        reason: Reason::Protocol,
        status: Some(204),
        server_ms: None,
        error: Error::protocol(
            "the server answered a snapshot request with nothing (204) and no headers to go on from",
        ),
    }
}
