//! The state machine of one stream: the next step after each response, event and failure.

use http::HeaderMap;

use super::body::{Body, Close, Over};
use super::cursor::{Consumed, Cursor};
use super::limits::Limits;
use super::plan::{Plan, Request, Start};
use super::raw::Raw;
use super::retry_budget::{RetryBudget, dropped, lost, malformed};
use super::step::{Ending, Event, Outcome, Step};
use super::{v1, v2};
use crate::error::{Error, Result};
use crate::retry;
use crate::shape::{Now, Phase, Reason, RetryableError};

/// The state machine of one stream. Time is an argument.
///
/// The driver calls [`Machine::start`] once, then [`Machine::on`] with each event, until [`Step::End`].
#[derive(Debug)]
pub struct Machine {
    plan: Plan,
    limits: Limits,
    state: State,
    cursor: Cursor,
    budget: RetryBudget,
    phase: Phase,
    /// For how many milliseconds bodies were open and silent since the last record. An outage does not count.
    silent_ms: u64,
    /// Bodies in a row that ended cleanly and early without a new value.
    empty_bodies: u32,
    /// v1 bodies in a row that ended or went silent amid an event, or amid the replay of values already taken.
    stalled: u32,
    run_over: bool,
    /// Whether events and records are given out as they came, for the relay.
    raw: bool,
}

/// The states of the machine, by what its driver is doing.
#[derive(Debug)]
enum State {
    New,
    Asking,
    Reading(Box<Body>),
    Waiting { until: u64 },
    Ended,
}

impl Machine {
    /// A stream that has not started.
    #[must_use]
    pub fn new(plan: Plan, limits: Limits) -> Self {
        Self {
            plan,
            limits,
            state: State::New,
            cursor: Cursor::Unknown,
            budget: RetryBudget::default(),
            phase: Phase::Connecting,
            silent_ms: 0,
            empty_bodies: 0,
            stalled: 0,
            run_over: false,
            raw: false,
        }
    }

    /// The same stream, given out as it came: every event or record, every tail, and the start of each response.
    pub(super) fn raw(self, raw: bool) -> Self {
        Self { raw, ..self }
    }

    /// The first request.
    pub fn start(&mut self) -> Step {
        self.ask()
    }

    /// The visible state.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The next step after `event`. An impossible event (bytes while waiting) changes nothing and repeats the last step,
    /// a wait only for the rest of it; after the end every step is `End`.
    pub fn on(&mut self, event: Event<'_>, now: Now) -> Outcome {
        let ms = now.monotonic_ms;
        self.run_over |= matches!(event, Event::RunOver);
        let opens = self.raw && matches!(event, Event::Opened { .. });
        let state = std::mem::replace(&mut self.state, State::Ended);
        let step = match (state, event) {
            (State::Asking, Event::Opened { status, headers }) => self.open(status, headers, now),
            (State::Asking, Event::Refused { status, headers, body }) => self.refused(status, headers, body, now),
            (State::Asking, Event::Failed(failure)) => self.fail(lost(failure), now),
            (State::Reading(body), Event::Bytes(bytes)) => return self.take(body, bytes, now),
            (State::Reading(body), Event::Closed) => self.closed(&body, Close::Clean, now),
            (State::Reading(body), Event::Failed(failure)) => {
                self.forgive_if_healthy(&body);
                self.silent_ms += body.silent_ms_before_last_byte();
                self.fail(lost(failure), now)
            }
            (State::Reading(body), Event::Quiet) => self.quiet(body),
            // A connection that may be dead does not show that the stream is drained: a new one is opened.
            (State::Reading(body), Event::RunOver) if !body.last && !self.is_alive(&body, ms) => self.ask(),
            (State::Reading(body), Event::RunOver) => self.read_on(body),
            // Impossible while a body is read: the driver has lost the connection.
            (State::Reading(_), Event::Woken | Event::Opened { .. } | Event::Refused { .. }) => {
                self.fail(dropped(), now)
            }
            (State::New | State::Waiting { .. }, Event::Woken) => self.ask(),
            (
                State::New,
                Event::Opened { .. }
                | Event::Refused { .. }
                | Event::Bytes(_)
                | Event::Closed
                | Event::Failed(_)
                | Event::Quiet
                | Event::RunOver,
            ) => self.ask(),
            (State::Asking, Event::Bytes(_) | Event::Closed | Event::Woken | Event::Quiet | Event::RunOver) => {
                self.ask()
            }
            (
                State::Waiting { until },
                Event::Opened { .. }
                | Event::Refused { .. }
                | Event::Bytes(_)
                | Event::Closed
                | Event::Failed(_)
                | Event::Quiet
                | Event::RunOver,
            ) => {
                self.state = State::Waiting { until };
                Step::Wait { ms: until.saturating_sub(ms), retry: None }
            }
            (
                State::Ended,
                Event::Opened { .. }
                | Event::Refused { .. }
                | Event::Bytes(_)
                | Event::Closed
                | Event::Failed(_)
                | Event::Woken
                | Event::Quiet
                | Event::RunOver,
            ) => Step::End(Ok(Ending::Complete)),
        };
        let opened = (opens && matches!(self.state, State::Reading(_)))
            .then(|| Raw::Opened(matches!(self.cursor, Cursor::V2(_))).chunk());
        Outcome { step, chunks: opened.into_iter().collect() }
    }

    fn ask(&mut self) -> Step {
        let (last_event_id, latest) = self.cursor.resume(self.plan.start);
        self.state = State::Asking;
        Step::Request(Request { last_event_id, latest, timeout_s: self.plan.timeout_s })
    }

    /// A response below 400 begins.
    fn open(&mut self, status: u16, headers: &HeaderMap, now: Now) -> Step {
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let kind = text("content-type").unwrap_or("text/event-stream");
        if status != 200 || !kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
            let error = Error::protocol(format!(
                "the server answered {status} ({kind}), which is no event stream: \
                 is the base URL right, or is a proxy in between?"
            ));
            return self.fail(malformed(Some(status), error), now);
        }
        let is_v2 = text("x-stream-version").is_some_and(|version| version != "v1");
        if matches!((&self.cursor, self.plan.start), (Cursor::Unknown, Start::At(position)) if position.is_v2() != is_v2)
        {
            // The position belongs to another version, so to another stream.
            self.plan.start = Start::Beginning;
            return self.ask();
        }
        let start = self.plan.start;
        match (&self.cursor, is_v2) {
            (Cursor::Unknown, true) => self.cursor = Cursor::V2(v2::Cursor::new(start)),
            (Cursor::Unknown, false) => self.cursor = Cursor::V1(v1::Cursor::new(start)),
            (Cursor::V1(_), false) | (Cursor::V2(_), true) => {}
            (Cursor::V1(_), true) | (Cursor::V2(_), false) => {
                let error = Error::protocol("the stream came back in another version: its place is lost");
                return self.fail(malformed(Some(status), error), now);
            }
        }
        self.phase = Phase::Live;
        self.budget.answered();
        let settled = text("x-session-settled") == Some("true");
        self.read_on(Box::new(Body::new(self.limits.max_event_bytes, now.monotonic_ms, settled, self.run_over)))
    }

    /// Bytes of a body.
    fn take(&mut self, mut body: Box<Body>, bytes: &[u8], now: Now) -> Outcome {
        body.byte(now.monotonic_ms);
        let mut chunks = Vec::new();
        let (mut at_tail, mut moved) = (false, false);
        // Events after the one that ended the body are ignored.
        let mut stopped = None;
        let decoded = body.decoder.push(bytes, |event| {
            if stopped.is_some() {
                return;
            }
            match self.cursor.take(&event, self.raw, &mut chunks) {
                Ok(Consumed::New { at_tail: now_at_tail }) => {
                    moved = true;
                    at_tail = now_at_tail;
                    self.empty_bodies = 0;
                    self.stalled = 0;
                    self.silent_ms = 0;
                    self.budget.progress();
                }
                Ok(Consumed::Nothing { at_tail: now_at_tail }) => at_tail |= now_at_tail,
                Ok(Consumed::Done) => stopped = Some(Ok(Close::Done)),
                Err(error) => stopped = Some(Err(error)),
            }
        });
        if moved {
            body.progress(now.monotonic_ms);
        }
        if let (true, Cursor::V1(cursor)) = (self.raw, &self.cursor) {
            let is_whole = !body.decoder.is_partial() && !cursor.is_amid();
            if chunks.is_empty() || !is_whole {
                chunks.push(Raw::Heard(is_whole).chunk());
            }
        }
        let step = match (stopped, decoded) {
            (Some(Ok(close)), _) => self.closed(&body, close, now),
            (Some(Err(error)), _) => self.fail(malformed(None, error), now),
            // An event that is too long: a new request would bring it again.
            (None, Err(error)) => self.end(Err(error)),
            // The run wrote nothing after this record (S9).
            (None, Ok(())) if body.last && at_tail => self.end(Ok(Ending::Complete)),
            (None, Ok(())) => self.read_on(body),
        };
        Outcome { step, chunks }
    }

    /// A body ended without breaking: is the stream complete, idle, or was it dropped (S6)?
    fn closed(&mut self, body: &Body, close: Close, now: Now) -> Step {
        self.forgive_if_healthy(body);
        self.silent_ms += body.silent_ms(now.monotonic_ms);
        if body.settled {
            return self.end(Ok(Ending::Complete));
        }
        let over = match (close, &self.cursor) {
            (Close::Done, _) => Some(Over::Window),
            // v2's marker is the only end of a window: a body without it was cut, however cleanly it ended.
            (Close::Clean, Cursor::Unknown | Cursor::V2(_)) => None,
            (Close::Clean, Cursor::V1(_)) => self.v1_over(body),
        };
        match (over, self.run_over, self.plan.follow) {
            (None, ..) => self.fail(dropped(), now),
            (Some(_), true, _) if body.last => self.end(Ok(Ending::Complete)),
            // The run may have written its last value after this window ended.
            (Some(_), true, true) => self.ask(),
            (Some(_), _, false) => self.end(Ok(if self.run_over { Ending::Complete } else { Ending::Idle })),
            (Some(Over::Window), false, true) => self.reopen(body, now),
            (Some(Over::EmptyBodies), false, true) => self.fail(dropped(), now),
        }
    }

    /// Why a v1 body that ended cleanly may be the end of the stream, for v1 has no marker; `None` when it was dropped.
    fn v1_over(&mut self, body: &Body) -> Option<Over> {
        if self.is_cut_short(body) {
            return None;
        }
        let idle_ms = self.plan.timeout_s.map_or(self.limits.idle_ms, |seconds| u64::from(seconds) * 1_000);
        if self.silent_ms >= idle_ms {
            return Some(Over::Window);
        }
        if !body.moved {
            self.empty_bodies += 1;
        }
        (self.empty_bodies >= self.limits.max_empty_bodies).then_some(Over::EmptyBodies)
    }

    /// Whether a v1 body ended or went silent amid an event, or amid the replay of values already taken: more must come.
    /// Three such bodies in a row may be all that the server has.
    fn is_cut_short(&mut self, body: &Body) -> bool {
        let Cursor::V1(cursor) = &self.cursor else { return false };
        let is_cut = (body.decoder.is_partial() || cursor.is_amid()) && self.stalled < self.limits.max_empty_bodies;
        self.stalled += u32::from(is_cut);
        is_cut
    }

    /// No byte came for `drain_ms`: the end of the stream, if its run is over (S9)?
    fn quiet(&mut self, body: Box<Body>) -> Step {
        if self.run_over && body.has_begun() && self.is_cut_short(&body) {
            return self.ask();
        }
        match (&self.cursor, self.run_over) {
            (_, false) => self.read_on(body),
            // Silence before the first byte says nothing: the server may still be reading its store.
            (Cursor::V1(_), true) if !body.has_begun() => self.read_on(body),
            // A new request brings the last value again, and with it whatever was written after it.
            (Cursor::V1(cursor), true) if !body.last && !cursor.is_fresh() => self.ask(),
            (Cursor::V1(_), true) => self.end(Ok(Ending::Complete)),
            // The response to a request from now on says where the tail is.
            (Cursor::Unknown | Cursor::V2(_), true) if !body.last => self.ask(),
            (Cursor::Unknown | Cursor::V2(_), true) => self.read_on(body),
        }
    }

    /// Another window of a stream that is followed.
    fn reopen(&mut self, body: &Body, now: Now) -> Step {
        if body.moved || body.lasted_ms(now.monotonic_ms) >= self.limits.held_ms {
            return self.ask();
        }
        // Windows that end at once are opened again after a wait (defect 7).
        let ms = self.limits.held_ms;
        self.state = State::Waiting { until: now.monotonic_ms.saturating_add(ms) };
        Step::Wait { ms, retry: None }
    }

    fn is_alive(&self, body: &Body, ms: u64) -> bool {
        let alive_ms = match self.cursor {
            Cursor::V1(_) => self.limits.alive_v1_ms,
            Cursor::Unknown | Cursor::V2(_) => self.limits.alive_ms,
        };
        body.is_alive(ms, alive_ms)
    }

    /// A body that was healthy for a while counts as progress, whatever ended it.
    fn forgive_if_healthy(&mut self, body: &Body) {
        if body.is_healthy(self.limits.healthy_ms) {
            self.budget.progress();
        }
    }

    /// A whole response from 400: retried, or the end (S7).
    fn refused(&mut self, status: u16, headers: &HeaderMap, body: &[u8], now: Now) -> Step {
        let error = Error::api(status, headers, body);
        match status {
            // A token that can be renewed was renewed before (S15): another one would fare no better.
            400 | 401 | 403 | 404 | 409 | 410 | 422 => self.end(Err(error)),
            _ if retry::is_retryable(status, headers) => {
                let reason = if status == 429 { Reason::RateLimited } else { Reason::Server };
                let retry_after_ms = retry::server_delay(status, headers, now.unix_ms)
                    .map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
                self.fail(RetryableError { reason, status: Some(status), retry_after_ms, error }, now)
            }
            _ => self.end(Err(error)),
        }
    }

    fn fail(&mut self, failed: RetryableError, now: Now) -> Step {
        match self.budget.failure(failed, now, &self.limits) {
            Ok((ms, retry)) => {
                self.state = State::Waiting { until: now.monotonic_ms.saturating_add(ms) };
                self.phase = Phase::Retrying;
                Step::Wait { ms, retry: Some(retry) }
            }
            Err(error) => self.end(Err(error)),
        }
    }

    fn read_on(&mut self, body: Box<Body>) -> Step {
        let waits = match self.cursor {
            Cursor::V1(_) => body.has_begun(),
            Cursor::Unknown | Cursor::V2(_) => !body.last,
        };
        self.state = State::Reading(body);
        Step::Read { quiet_ms: (self.run_over && waits).then_some(self.limits.drain_ms) }
    }

    fn end(&mut self, result: Result<Ending>) -> Step {
        self.state = State::Ended;
        self.phase = Phase::Ended;
        Step::End(result)
    }
}
