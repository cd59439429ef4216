//! The state machine of one feed: which request follows from which event.

use std::sync::Arc;

use super::classify::{self, Batch, Classified, RequestContext};
use super::cursor::{Cursor, Mode};
use super::instant::SuspendAwareInstant;
use super::limits::Limits;
use super::message::Message;
use super::retry_budget::{Pause, RetryBudget};
use super::retryable_error::RetryableError;
use super::row_store::RowStore;
use super::step::{Change, Event, Now, Outcome, Phase, Retry, Step};
use crate::Result;
use crate::table::{Row, Schema};

/// The state machine of one feed. At most one request is in flight, and the machine never reads a clock.
///
/// The driver calls [`Feed::start`] once, then [`Feed::on`] with the outcome of each request, or with
/// [`Event::Woken`] after each wait, until [`Step::End`].
#[derive(Clone, Debug)]
pub struct Feed {
    limits: Limits,
    state: State,
    cursor: Cursor,
    rows: RowStore,
    schema: Option<Arc<Schema>>,
    retry_budget: RetryBudget,
    phase: Phase,
    /// Whether any response so far ended in an up-to-date.
    was_up_to_date: bool,
    /// The time of the last request.
    last_request: SuspendAwareInstant,
    /// The time of the last response that was taken; `None` where that response may be an old one (I20).
    last_response: Option<SuspendAwareInstant>,
    /// The number of handles that were made up (I8).
    cache_busts: u32,
}

/// The states of the machine, by what its driver is doing. `docs/protocol.md` holds the table of states and events.
#[derive(Clone, Copy, Debug)]
enum State {
    New,
    /// A request with `offset=-1` is in flight since `asked_at`, in monotonic ms.
    Snapshot {
        asked_at: u64,
    },
    /// A request from the last offset, before an up-to-date came.
    CatchUp {
        asked_at: u64,
    },
    /// A request that the server may hold until something changes.
    Live {
        asked_at: u64,
    },
    /// No request is in flight until this monotonic ms.
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
            cursor: Cursor::snapshot(None, None),
            rows: RowStore::new(limits.retention, limits.intern),
            schema: None,
            retry_budget: RetryBudget::default(),
            phase: Phase::Connecting,
            was_up_to_date: false,
            last_request: SuspendAwareInstant::default(),
            last_response: None,
            cache_busts: 0,
        }
    }

    /// The first request.
    pub fn start(&mut self, now: Now) -> Step {
        self.request(now.sane())
    }

    /// The step that follows from `event`. An impossible event (a response while waiting) changes nothing and repeats
    /// the last step. After the end, every step is `End(Ok(()))`.
    pub fn on(&mut self, event: Event<'_>, now: Now) -> Outcome {
        let now = now.sane();
        let context = RequestContext { has_schema: self.schema.is_some(), offset: &self.cursor.query.offset };
        // The JSON parser gets the body without the long texts that came before (I17).
        let body = match &event {
            Event::Response { body, .. } => *body,
            Event::Failed(_) | Event::Woken => b"",
        };
        let shortened = self.rows.interner.shorten(body);
        let classified = classify::classify_shortened(event, shortened.as_ref(), context, now);
        let step = match (self.state, classified) {
            (
                State::Snapshot { asked_at } | State::CatchUp { asked_at } | State::Live { asked_at },
                Classified::Batch(batch),
            ) => {
                return self.on_batch(batch, body, asked_at, now);
            }
            (State::Snapshot { asked_at }, Classified::NoContent { handle, offset }) => match (handle, offset) {
                (Some(handle), Some(offset)) => return self.on_no_content(Some(handle), Some(offset), asked_at, now),
                (Some(_) | None, _) => self.fail(RetryableError::no_content(), asked_at, now),
            },
            (State::CatchUp { asked_at } | State::Live { asked_at }, Classified::NoContent { handle, offset }) => {
                return self.on_no_content(handle, offset, asked_at, now);
            }
            (State::Snapshot { .. } | State::CatchUp { .. } | State::Live { .. }, Classified::Refetch { handle }) => {
                self.refetch(handle, now)
            }
            (
                State::Snapshot { asked_at } | State::CatchUp { asked_at } | State::Live { asked_at },
                Classified::Retryable(error),
            ) => self.fail(error, asked_at, now),
            (State::Snapshot { .. } | State::CatchUp { .. } | State::Live { .. }, Classified::Fatal(error)) => {
                self.end(Err(error))
            }
            // The driver has no request in flight although the machine asked for one: the request is made again.
            (State::Snapshot { .. } | State::CatchUp { .. } | State::Live { .. }, Classified::Woken) => {
                self.request(now)
            }
            (State::New | State::Waiting { .. }, Classified::Woken) => self.request(now),
            (
                State::New,
                Classified::Batch(_)
                | Classified::NoContent { .. }
                | Classified::Refetch { .. }
                | Classified::Retryable(_)
                | Classified::Fatal(_),
            ) => self.request(now),
            (
                State::Waiting { until, retry },
                Classified::Batch(_)
                | Classified::NoContent { .. }
                | Classified::Refetch { .. }
                | Classified::Retryable(_)
                | Classified::Fatal(_),
            ) => Step::Wait { ms: until.saturating_sub(now.monotonic_ms), retry },
            (
                State::Ended,
                Classified::Batch(_)
                | Classified::NoContent { .. }
                | Classified::Refetch { .. }
                | Classified::Retryable(_)
                | Classified::Fatal(_)
                | Classified::Woken,
            ) => Step::End(Ok(())),
        };
        Outcome { step, changes: Vec::new() }
    }

    /// The state that users see.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The rows as last published, in the order they were first seen.
    pub fn rows(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Row>)> {
        self.rows.published()
    }

    /// The types of the columns; `None` until a response named them.
    #[must_use]
    pub fn schema(&self) -> Option<&Arc<Schema>> {
        self.schema.as_ref()
    }

    /// Takes a response of the protocol (I2 to I7, I11, I12).
    fn on_batch(&mut self, batch: Batch<'_>, body: &[u8], asked_at: u64, now: Now) -> Outcome {
        if self.cursor.query.expired_handle.as_deref() == Some(&*batch.handle) {
            let asked_with = self.cursor.query.handle.take().unwrap_or_else(|| batch.handle.clone());
            match (self.cursor.mode, self.cursor.cache_busted) {
                // The URL was new to every cache, so the response is the server's: it gave the rebuilt shape the same
                // handle (I8).
                (Mode::Snapshot, true) => self.cursor.query.expired_handle = None,
                // A cache answered from the expired shape. Its rows are not taken, and the next request has a URL that
                // no cache has seen.
                (Mode::Snapshot | Mode::CatchUp | Mode::Live, false) => {
                    self.cursor.bust_cache(&asked_with, &mut self.cache_busts, now);
                    return self.nothing_new(false, now);
                }
                // The response is the server's here too, but it continues a log that may not be the one of our rows.
                (Mode::CatchUp | Mode::Live, true) => {
                    let expired_handle = self.cursor.query.expired_handle.take();
                    let step = self.restart(Cursor::snapshot(None, expired_handle), Some(&asked_with), now);
                    return Outcome { step, changes: Vec::new() };
                }
            }
        }
        if batch.messages.iter().any(|message| matches!(message, Message::MustRefetch)) {
            return Outcome { step: self.refetch(Some(batch.handle), now), changes: Vec::new() };
        }
        self.note_response_time(now);
        let query = &mut self.cursor.query;
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
        let peak = self.rows.peak();
        let has_changes = batch.messages.iter().any(Message::is_change);
        let last = batch.messages.iter().rposition(|message| matches!(message, Message::UpToDate));
        let mut changes = Vec::new();
        for (index, message) in batch.messages.into_iter().enumerate() {
            self.rows.apply(message);
            // Messages after the last up-to-date stay unpublished until the next one (I5).
            if last == Some(index) {
                changes = self.rows.publish();
            }
        }
        self.rows.interner.learn(body);
        let news = changes.iter().any(Change::is_news);
        if self.rows.take_missing() {
            // The changes of this response stand. The snapshot brings the row of the update that could not be merged,
            // and only rows that differ are published then (I16).
            if news {
                self.retry_budget.progress();
            }
            return Outcome { step: self.start_over(now), changes };
        }
        let held = self.was_held(asked_at, now);
        let first = last.is_some() && !self.was_up_to_date;
        let refreshed = self.advance(last.is_some());
        if refreshed {
            let grew = self.rows.peak() > peak;
            return Outcome { step: self.go_live(news || grew, moved && has_changes, now), changes };
        }
        if held || first || news {
            self.retry_budget.progress();
        } else if self.rows.peak() > peak {
            self.retry_budget.growth();
        } else {
            return Outcome { changes, ..self.nothing_new(moved && has_changes, now) };
        }
        Outcome { step: self.request(now), changes }
    }

    /// Takes a 204: up to date, without a body.
    fn on_no_content(&mut self, handle: Option<String>, offset: Option<String>, asked_at: u64, now: Now) -> Outcome {
        let query = &mut self.cursor.query;
        query.handle = handle.or_else(|| query.handle.take());
        if let Some(offset) = offset {
            query.offset = offset;
        }
        let changes = self.rows.publish();
        self.note_response_time(now);
        let first = !self.was_up_to_date;
        let held = self.was_held(asked_at, now);
        if self.advance(true) {
            return Outcome { step: self.go_live(changes.iter().any(Change::is_news), false, now), changes };
        }
        if held || first || changes.iter().any(Change::is_news) {
            self.retry_budget.progress();
            return Outcome { step: self.request(now), changes };
        }
        Outcome { changes, ..self.nothing_new(false, now) }
    }

    /// Moves the cursor on, to live requests after an up-to-date (I3). True when the response ends a refresh (I20).
    fn advance(&mut self, up_to_date: bool) -> bool {
        self.was_up_to_date |= up_to_date;
        let refreshed = self.cursor.advance(up_to_date);
        self.phase = if self.cursor.query.live { Phase::Live } else { Phase::CatchingUp };
        refreshed
    }

    /// After a refresh: the next request is live, whatever the refresh brought (I20).
    fn go_live(&mut self, news: bool, churn: bool, now: Now) -> Step {
        let is_check = std::mem::take(&mut self.cursor.checking);
        match self.retry_budget.refreshed(news, churn, now, (is_check, &self.limits)) {
            Ok(()) => self.request(now),
            Err(error) => self.end(Err(error)),
        }
    }

    /// Makes the live request that the machine named, and that was not sent, one that the server does not hold: it
    /// answers at once with what changed. `None` where the machine named another request.
    pub fn catch_up(&mut self, now: Now) -> Option<Step> {
        if !matches!(self.state, State::Live { .. }) {
            return None;
        }
        self.cursor.check();
        Some(self.request(now.sane()))
    }

    /// Whether Electric serves the feed, as its handles tell.
    #[must_use]
    pub fn is_electric(&self) -> bool {
        self.cursor.is_electric()
    }

    /// Whether the server may have forgotten changes since the last response: a server remembers about 2 s of changes
    /// between two polls. The next request must then go out without `live` (I20).
    #[must_use]
    pub fn needs_refresh(&self, now: Now) -> bool {
        self.cursor.mode == Mode::Live
            && self.last_response.is_none_or(|taken| taken.until(now) > self.limits.refresh_after_ms)
    }

    /// Notes when a response was taken. A response that took longer than a server holds one was read late, and its age
    /// is unknown. A refresh counts however slow it was, so that two never follow one another.
    fn note_response_time(&mut self, now: Now) {
        let fresh = self.cursor.refreshing || self.last_request.until(now) <= self.limits.max_hold_ms;
        self.last_response = fresh.then(|| SuspendAwareInstant::of(now));
        self.cursor.cache_busted = false;
    }

    /// Whether the server held the response back, as it does while nothing changes.
    fn was_held(&self, asked_at: u64, now: Now) -> bool {
        self.cursor.query.live && now.monotonic_ms.saturating_sub(asked_at) >= self.limits.min_hold_ms
    }

    /// After a response that brought nothing: the next request goes out at once, later, or never (I11).
    fn nothing_new(&mut self, churn: bool, now: Now) -> Outcome {
        let step = match self.retry_budget.idle(churn, now, &self.limits) {
            Ok(None) => self.request(now),
            Ok(Some(pause)) => self.wait(pause, now),
            Err(error) => self.end(Err(error)),
        };
        Outcome { step, changes: Vec::new() }
    }

    /// Follows a must-refetch: drops the rows and asks for a snapshot (I8).
    fn refetch(&mut self, handle: Option<String>, now: Now) -> Step {
        let old = self.cursor.query.handle.take();
        let (cursor, keeps_old) = self.cursor.refetch(handle, old.as_ref());
        self.restart(cursor, old.as_deref().filter(|_| keeps_old), now)
    }

    /// Asks for a snapshot although the server did not say so. The shape is not expired, and a snapshot from a cache is
    /// good too: the log continues after it (I16).
    fn start_over(&mut self, now: Now) -> Step {
        let expired_handle = self.cursor.query.expired_handle.take();
        self.restart(Cursor::snapshot(None, expired_handle), None, now)
    }

    /// Drops the rows and continues at `cursor`, with a handle made up from `handle_base` where one is given.
    fn restart(&mut self, cursor: Cursor, handle_base: Option<&str>, now: Now) -> Step {
        self.cursor = cursor;
        if let Some(handle) = handle_base {
            self.cursor.bust_cache(handle, &mut self.cache_busts, now);
        }
        self.rows.clear();
        self.phase = Phase::CatchingUp;
        match self.retry_budget.refetch(now, &self.limits) {
            Ok(None) => self.request(now),
            Ok(Some(pause)) => self.wait(pause, now),
            Err(error) => self.end(Err(error)),
        }
    }

    fn fail(&mut self, failure: RetryableError, asked_at: u64, now: Now) -> Step {
        match self.retry_budget.failure(failure, self.was_held(asked_at, now), now, &self.limits) {
            Ok(pause) => self.wait(pause, now),
            Err(error) => self.end(Err(error)),
        }
    }

    fn request(&mut self, now: Now) -> Step {
        let asked_at = now.monotonic_ms;
        self.last_request = SuspendAwareInstant::of(now);
        if self.needs_refresh(now) {
            self.cursor.refresh();
        }
        self.state = match self.cursor.mode {
            Mode::Snapshot => State::Snapshot { asked_at },
            Mode::CatchUp => State::CatchUp { asked_at },
            Mode::Live => State::Live { asked_at },
        };
        Step::Request(self.cursor.query.clone())
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
