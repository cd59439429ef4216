//! The machine of one feed: which request follows from which answer.

use std::sync::Arc;

use super::book::Book;
use super::limits::Limits;
use super::message::Message;
use super::patience::{Patience, Pause};
use super::place::{Mode, Moment, Place};
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
    /// When the last request was made, and the last answer that was taken; `None` where that answer may be old (I20).
    asked: Moment,
    answered: Option<Moment>,
    /// How many handles were made up (I8).
    busts: u32,
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

impl Feed {
    /// A feed that has not started.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::New,
            place: Place::beginning(None, None),
            book: Book::new(limits.keep, limits.long_texts),
            schema: None,
            patience: Patience::default(),
            phase: Phase::Connecting,
            settled: false,
            asked: Moment::default(),
            answered: None,
            busts: 0,
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
        if self.place.query.expired_handle.as_deref() == Some(&*batch.handle) {
            let asked_with = self.place.query.handle.take().unwrap_or_else(|| batch.handle.clone());
            match (self.place.mode, self.place.unseen) {
                // No cache can have answered: the server gave the same handle to the shape's new life (I8).
                (Mode::Snapshot, true) => self.place.query.expired_handle = None,
                // A cache answers from the shape the server called expired: its rows are not taken,
                // and the next request's URL is one no cache has seen.
                (Mode::Snapshot | Mode::CatchUp | Mode::Live, false) => {
                    self.place.make_up_handle(&asked_with, &mut self.busts, now);
                    return self.nothing_new(false, now);
                }
                // Nor has a cache answered here, but what the rows go on from is no longer certain.
                (Mode::CatchUp | Mode::Live, true) => {
                    let expired_handle = self.place.query.expired_handle.take();
                    let step = self.drop_everything(Place::beginning(None, expired_handle), Some(&asked_with), now);
                    return Outcome { step, changes: Vec::new() };
                }
            }
        }
        if batch.messages.iter().any(|message| matches!(message, Message::MustRefetch)) {
            return Outcome { step: self.refetch(Some(batch.handle), now), changes: Vec::new() };
        }
        self.note_answer(now);
        let query = &mut self.place.query;
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
        let looked = self.settle(last.is_some());
        if looked {
            let grew = self.book.peak() > peak;
            return Outcome { step: self.go_live(news || grew, moved && named, now), changes };
        }
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
        self.note_answer(now);
        let first = !self.settled;
        let held = self.was_held(asked_at, now);
        if self.settle(true) {
            return Outcome { step: self.go_live(changes.iter().any(is_news), false, now), changes };
        }
        if held || first || changes.iter().any(is_news) {
            self.patience.progress();
            return Outcome { step: self.ask(now), changes };
        }
        Outcome { changes, ..self.nothing_new(false, now) }
    }

    /// Goes live once an up-to-date was seen (I3). True when that ends a look (I20).
    fn settle(&mut self, up_to_date: bool) -> bool {
        self.settled |= up_to_date;
        let looked = self.place.settle(up_to_date);
        self.phase = if self.place.query.live { Phase::Live } else { Phase::CatchingUp };
        looked
    }

    /// After a look: the server may hold the next request, whatever this one brought (I20).
    fn go_live(&mut self, news: bool, churn: bool, now: Now) -> Step {
        match self.patience.looked(news, churn, now, &self.limits) {
            Ok(()) => self.ask(now),
            Err(error) => self.end(Err(error)),
        }
    }

    /// Whether a server that remembers only what changed a moment ago may have forgotten what changed
    /// since the last answer: then it must not hold the next request (I20).
    #[must_use]
    pub fn is_late(&self, now: Now) -> bool {
        self.place.mode == Mode::Live && self.answered.is_none_or(|answered| answered.until(now) > self.limits.gap_ms)
    }

    /// An answer is taken. One that took longer than a server holds was read late, and nobody knows when it was made.
    /// A look counts however slow it was: there are never two in a row.
    fn note_answer(&mut self, now: Now) {
        let fresh = self.place.looking || self.asked.until(now) <= self.limits.longest_hold_ms;
        self.answered = fresh.then(|| Moment::of(now));
        self.place.unseen = false;
    }

    /// Whether the server held the answer, as it does when there is nothing to say.
    fn was_held(&self, asked_at: u64, now: Now) -> bool {
        self.place.query.live && now.monotonic_ms.saturating_sub(asked_at) >= self.limits.held_ms
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
        let (place, made_of) = match (handle, &old) {
            // Sent back to the same shape: it is not expired, but no cache may answer for it.
            (Some(new), Some(old)) if new == *old => (Place::beginning(None, before), Some(old)),
            (Some(new), Some(old)) => (Place::beginning(Some(new), Some(old.clone())), None),
            (None, Some(old)) => (Place::beginning(None, Some(old.clone())), Some(old)),
            (new, None) => (Place::beginning(new, before), None),
        };
        self.drop_everything(place, made_of.map(String::as_str), now)
    }

    /// Asks for a snapshot of its own accord. The shape is not expired: any snapshot of it will
    /// do, also an old one, for what followed it comes after it (I16).
    fn start_over(&mut self, now: Now) -> Step {
        let expired_handle = self.place.query.expired_handle.take();
        self.drop_everything(Place::beginning(None, expired_handle), None, now)
    }

    /// Begins again at `place`, with a handle made up of `made_of` where that is given.
    fn drop_everything(&mut self, place: Place, made_of: Option<&str>, now: Now) -> Step {
        self.place = place;
        if let Some(handle) = made_of {
            self.place.make_up_handle(handle, &mut self.busts, now);
        }
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
        self.asked = Moment::of(now);
        if self.is_late(now) {
            self.place.look();
        }
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
