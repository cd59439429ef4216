//! The I/O of a feed: carries out the machine's steps, reports what happened to it, and publishes what changed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::backpressure::Backpressure;
use super::feed::Feed;
use super::registry::Registry;
use super::upstream::{Budget, Turn, Turns};
use crate::clock::unix_ms;
use crate::connection::{Connection as _, ConnectionState, TokenRenewal, generation};
use crate::error::{Error, ErrorCode, Result};
use crate::http::{LongPollClient, PollOutcome, feed_headers};
use crate::log::{Level, Span, SpanKind, origin_of};
use crate::shape::{self, Event, Failure, Now, Outcome, Phase, Reason, Step};

/// The state of a driver: everything a second driver needs to go on from here.
#[derive(Debug)]
struct DriverState {
    machine: shape::Feed,
    step: Step,
    clock: Instant,
    token: TokenRenewal,
    log: Span,
    /// `None` where the feed polls without a budget.
    turns: Option<Box<Turns>>,
}

/// The log lines of a feed.
static LOGGED: SpanKind = SpanKind {
    level: Level::Info,
    started: "feed started",
    retries: "feed retries",
    ended: "feed ended",
    refused: "feed refused",
};

/// Drives `feed` from its beginning to its end, with long-polls out of `budget`.
pub(super) fn drive(
    registry: &'static Registry,
    feed: Arc<Feed>,
    budget: Option<Arc<Budget>>,
) -> BoxFuture<'static, ()> {
    let mut machine = shape::Feed::new(feed.spec().limits());
    let clock = Instant::now();
    let step = machine.start(now(clock));
    let turns = budget.map(|budget| Box::new(Turns::new(budget, feed.spec())));
    let (token, log) = (TokenRenewal::default(), Span::default());
    drive_on(registry, feed, DriverState { machine, step, clock, token, log, turns })
}

/// Drives `feed` from `state` to its end, whatever that is. A panic ends it with an error.
/// The future is boxed because a driver spawns drivers for the feeds that it splits off.
fn drive_on(registry: &'static Registry, feed: Arc<Feed>, mut state: DriverState) -> BoxFuture<'static, ()> {
    async move {
        state.log = Span::start(&LOGGED, || {
            let spec = feed.spec();
            vec![("path", spec.path.to_string().into()), ("server", origin_of(spec.endpoint.base_url()).into())]
        });
        let result = AssertUnwindSafe(run(registry, &feed, &mut state))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Error::panicked("a feed's driver")));
        std::mem::take(&mut state.log).end(result.as_ref().err());
        feed.end(result);
        registry.remove(&feed);
    }
    .boxed()
}

async fn run(registry: &'static Registry, feed: &Arc<Feed>, state: &mut DriverState) -> Result<()> {
    // By reference: a future stores an argument twice that it takes by value.
    let DriverState { machine, step, clock, token, log, turns } = state;
    let clock = *clock;
    let mut client = LongPollClient::new(feed.spec().endpoint.base_url());
    loop {
        feed.enter(state_of(machine, turns.as_deref()));
        let outcome = match step {
            Step::End(result) => return std::mem::replace(result, Ok(())),
            Step::Wait { ms, retry } => {
                let (ms, retry) = (*ms, *retry);
                log.retries(retry.attempt, retry.reason.as_str(), retry.status, ms);
                if let Some(turns) = turns {
                    turns.failed(retry.reason == Reason::RateLimited);
                }
                feed.retrying(retry, ms);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                machine.on(Event::Woken, now(clock))
            }
            Step::Request(query) => {
                while let Some(split) = wait_for_readers(feed, turns.as_deref_mut()).await {
                    let step = Step::Request(query.clone());
                    let state = DriverState {
                        machine: machine.clone(),
                        step,
                        clock,
                        token: token.clone(),
                        log: Span::default(),
                        turns: turns.as_ref().map(|turns| Box::new(turns.split(feed.spec()))),
                    };
                    split.run(tokio::spawn(drive_on(registry, split.clone(), state)).abort_handle());
                }
                if let Some(turns) = turns {
                    // Boxed: a waiting feed without a budget would hold room for it, too.
                    Box::pin(take_turn(turns, &mut client, machine, step, clock)).await;
                    // It may be told of changes now, or have a permit.
                    feed.enter(state_of(machine, Some(turns)));
                }
                let mut request = NextRequest { machine, step, clock };
                let polled = poll(feed, &mut client, &mut request, token).await?;
                if let Some(turns) = turns {
                    turns.answered(is_long_poll(step));
                }
                report(machine, polled, now(clock))
            }
        };
        // The state before the rows: a reader that ends with its last row has seen both.
        feed.enter(state_of(machine, turns.as_deref()));
        if !feed.publish(outcome.changes, machine.schema(), machine.phase() == Phase::Live) {
            return Ok(());
        }
        *step = outcome.step;
    }
}

/// The state that readers see.
fn state_of(machine: &shape::Feed, turns: Option<&Turns>) -> ConnectionState {
    match machine.phase() {
        Phase::Live if turns.is_some_and(Turns::is_polling) => ConnectionState::Polling,
        phase @ (Phase::Connecting | Phase::CatchingUp | Phase::Live | Phase::Retrying | Phase::Ended) => phase.into(),
    }
}

/// Waits until the request may be sent that the machine named. A long-poll needs a permit; without one, the feed waits
/// until there is something to ask for, and asks without `live`.
async fn take_turn(
    turns: &mut Turns,
    client: &mut LongPollClient,
    machine: &mut shape::Feed,
    step: &mut Step,
    clock: Instant,
) {
    if is_long_poll(step) {
        if !turns.has_permit() {
            client.release();
        }
        let row = machine.rows().next().map(|(_, row)| row.clone());
        if turns.next(row.as_deref(), machine.is_electric()).await == Turn::Poll {
            return;
        }
        if let Some(ask) = machine.catch_up(now(clock)) {
            *step = ask;
        }
    }
    turns.ask().await;
}

fn is_long_poll(step: &Step) -> bool {
    matches!(step, Step::Request(query) if query.live)
}

/// Waits until at least one reader keeps up. Returns a feed that was split off for slow readers: it needs a driver of
/// its own. No permit is held meanwhile: a reader may take as long as it likes.
async fn wait_for_readers(feed: &Feed, mut turns: Option<&mut Turns>) -> Option<Arc<Feed>> {
    loop {
        match feed.backpressure() {
            Backpressure::Ready => return None,
            Backpressure::Lagging => {
                if let Some(turns) = &mut turns {
                    turns.let_go();
                }
                feed.room().await;
            }
            Backpressure::Split(split) => return Some(split),
        }
    }
}

/// The request to send next, and the machine that named it.
struct NextRequest<'a> {
    machine: &'a mut shape::Feed,
    step: &'a mut Step,
    clock: Instant,
}

impl NextRequest<'_> {
    /// The target of the request to send now. Where slow readers or a token renewal delayed the request that the machine
    /// named, the machine names another one, which the server does not hold (I20).
    fn target(&mut self, feed: &Feed) -> Result<String> {
        let now = now(self.clock);
        if self.machine.needs_refresh(now) {
            *self.step = self.machine.on(Event::Woken, now).step;
        }
        match &*self.step {
            Step::Request(query) => Ok(feed.spec().target(query)),
            Step::Wait { .. } | Step::End(_) => {
                Err(Error::new(ErrorCode::Internal, "a fault of trigger-native: a feed has nothing to ask"))
            }
        }
    }
}

/// One poll, sent once more where the server refused its token and another one was made (defect 5).
async fn poll(
    feed: &Feed,
    client: &mut LongPollClient,
    request: &mut NextRequest<'_>,
    token: &mut TokenRenewal,
) -> Result<PollOutcome> {
    let endpoint = &feed.spec().endpoint;
    token.before_request(endpoint, feed).await;
    loop {
        let generation = generation(endpoint);
        let polled = send(feed, client, request).await?;
        let status = match &polled {
            PollOutcome::Response { status, .. } => Some(*status),
            PollOutcome::Connect(_) | PollOutcome::Silent(_) | PollOutcome::Cut(_) | PollOutcome::TooLarge(_) => None,
        };
        if !token.after_response(endpoint, feed, (generation, status)).await {
            return Ok(polled);
        }
    }
}

async fn send(feed: &Feed, client: &mut LongPollClient, request: &mut NextRequest<'_>) -> Result<PollOutcome> {
    feed.count_request();
    let endpoint = &feed.spec().endpoint;
    // Read before the token: a token that is newer than its generation is only set once more.
    client.set_headers(generation(endpoint), || feed_headers(endpoint))?;
    let silence = Duration::from_millis(feed.spec().retry.silence_ms);
    let polled = client.poll_latest(&mut || request.target(feed), silence).await?;
    if let PollOutcome::Response { body, .. } = &polled {
        feed.count_bytes(body.len());
    }
    Ok(polled)
}

fn report(machine: &mut shape::Feed, polled: PollOutcome, now: Now) -> Outcome {
    let failure = match polled {
        PollOutcome::Response { status, headers, body } => {
            return machine.on(Event::Response { status, headers: &headers, body: &body }, now);
        }
        PollOutcome::Connect(error) => Failure::Connect(error),
        PollOutcome::Silent(error) => Failure::Silent(error),
        PollOutcome::Cut(error) => Failure::Cut(error),
        PollOutcome::TooLarge(error) => Failure::TooLarge(error),
    };
    machine.on(Event::Failed(failure), now)
}

fn now(clock: Instant) -> Now {
    Now {
        monotonic_ms: u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX),
        unix_ms: unix_ms(),
        jitter: crate::random::unit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Endpoint;
    use crate::connection::RetryPolicy;
    use crate::hub::{FeedSpec, ReaderOptions};

    // What counts the lines that run makes the driver larger.
    #[test]
    fn a_feed_that_waits_holds_little() {
        let endpoint = Endpoint::new("http://a.b", "tr_dev_1234567890", None).expect("valid");
        let spec = FeedSpec { endpoint, path: "/".into(), query: [].into(), retry: RetryPolicy::default() };
        let options = ReaderOptions { until_finished: true, until_gone: true, ..ReaderOptions::default() };
        let feed = Feed::new(spec, options).0;
        let driver = drive(Box::leak(Box::default()), feed, None);
        assert!(size_of_val(&*driver) <= 2_560, "{} bytes", size_of_val(&*driver));
    }
}
