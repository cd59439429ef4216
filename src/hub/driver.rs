//! The I/O of a feed: does what the machine says, tells it what happened, publishes what changed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::Hub;
use super::feed::{Crowd, Feed};
use super::stage::Stage;
use crate::clock::unix_ms;
use crate::credential::{Credential, PATIENCE, Renewal};
use crate::error::{Error, Kind, Result};
use crate::http::{Line, Polled, feed_headers};
use crate::shape::{self, Event, Failure, Now, Outcome, Phase, Step};

/// Where a driver is: everything a second one needs to go on from here.
#[derive(Debug)]
struct Place {
    machine: shape::Feed,
    step: Step,
    clock: Instant,
    /// The token was renewed after a refusal, and nothing but refusals came since.
    renewed: bool,
}

/// Drives `feed` from its beginning to its end.
pub(super) fn drive(hub: &'static Hub, feed: Arc<Feed>) -> BoxFuture<'static, ()> {
    let mut machine = shape::Feed::new(feed.spec().patience.limits());
    let clock = Instant::now();
    let step = machine.start(now(clock));
    drive_on(hub, feed, Place { machine, step, clock, renewed: false })
}

/// Drives `feed` from `place` to its end, whatever that is. A panic ends it with an error.
/// (Boxed: a driver starts others like itself.)
fn drive_on(hub: &'static Hub, feed: Arc<Feed>, mut place: Place) -> BoxFuture<'static, ()> {
    async move {
        let result = AssertUnwindSafe(run(hub, &feed, &mut place))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Error::panicked("a feed's driver")));
        feed.end(result);
        hub.forget(&feed);
    }
    .boxed()
}

async fn run(hub: &'static Hub, feed: &Arc<Feed>, place: &mut Place) -> Result<()> {
    let silence = Duration::from_millis(feed.spec().patience.silence_ms);
    // By reference: a future keeps what it is given by value twice.
    let Place { machine, step, clock, renewed } = place;
    let clock = *clock;
    let mut line = Line::new(feed.spec().endpoint.base_url());
    loop {
        feed.enter(machine.phase().into());
        let outcome = match step {
            Step::End(result) => return std::mem::replace(result, Ok(())),
            Step::Wait { ms, retry } => {
                let (ms, retry) = (*ms, *retry);
                feed.retrying(retry, ms);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                machine.on(Event::Woken, now(clock))
            }
            Step::Request(query) => {
                while let Some(own) = make_way(feed).await {
                    let step = Step::Request(query.clone());
                    let place = Place { machine: machine.clone(), step, clock, renewed: *renewed };
                    own.run(tokio::spawn(drive_on(hub, own.clone(), place)).abort_handle());
                }
                let mut ask = Ask { machine, step, clock };
                let polled = request(feed, &mut line, &mut ask, silence, renewed).await?;
                answer(machine, polled, now(clock))
            }
        };
        // The state before the rows: a reader that ends with its last row has seen both.
        feed.enter(machine.phase().into());
        if !feed.publish(outcome.changes, machine.schema(), machine.phase() == Phase::Live) {
            return Ok(());
        }
        *step = outcome.step;
    }
}

/// Waits until the feed may go on: at least one reader keeps up. A feed that comes of it is one of
/// slow readers, and needs a driver of its own.
async fn make_way(feed: &Feed) -> Option<Arc<Feed>> {
    loop {
        match feed.crowd() {
            Crowd::Room => return None,
            Crowd::Lag => feed.room().await,
            Crowd::Split(own) => return Some(own),
        }
    }
}

/// What is asked next, and who knows.
struct Ask<'a> {
    machine: &'a mut shape::Feed,
    step: &'a mut Step,
    clock: Instant,
}

impl Ask<'_> {
    /// The target of the request to send now. Where slow readers or a new token took their time since the machine
    /// named it, the machine names another, which the server does not hold (I20).
    fn target(&mut self, feed: &Feed) -> Result<String> {
        let now = now(self.clock);
        if self.machine.is_late(now) {
            *self.step = self.machine.on(Event::Woken, now).step;
        }
        match &*self.step {
            Step::Request(query) => Ok(feed.spec().target(query)),
            Step::Wait { .. } | Step::End(_) => {
                Err(Error::new(Kind::Internal, "ERR_INTERNAL", "a fault of trigger-native: a feed has nothing to ask"))
            }
        }
    }
}

/// One poll, with a token that is renewed shortly before it expires, and once when the server
/// refuses it (defect 5).
async fn request(
    feed: &Feed,
    line: &mut Line,
    ask: &mut Ask<'_>,
    silence: Duration,
    renewed: &mut bool,
) -> Result<Polled> {
    let endpoint = &feed.spec().endpoint;
    let Some(credential) = endpoint.credential() else { return send(feed, line, ask, silence).await };
    if credential.is_due(unix_ms()) {
        // Whatever comes of it: the old one may still do.
        Box::pin(renew(feed, credential, credential.generation())).await;
    }
    loop {
        let generation = credential.generation();
        let polled = send(feed, line, ask, silence).await?;
        let Polled::Answer { status, .. } = polled else { return Ok(polled) };
        if status != 401 {
            *renewed = false;
            return Ok(polled);
        }
        if std::mem::replace(renewed, true) || Box::pin(renew(feed, credential, generation)).await != Renewal::Renewed {
            return Ok(polled);
        }
    }
}

async fn renew(feed: &Feed, credential: &Credential, stale: u64) -> Renewal {
    let before = feed.status().stage;
    feed.enter(Stage::Refreshing);
    let renewal = credential.renew(stale, PATIENCE).await;
    feed.enter(before);
    renewal
}

async fn send(feed: &Feed, line: &mut Line, ask: &mut Ask<'_>, silence: Duration) -> Result<Polled> {
    feed.count_request();
    let endpoint = &feed.spec().endpoint;
    // Read before the token: a token that is newer than its generation is only set once more.
    let generation = endpoint.credential().map_or(0, Credential::generation);
    line.set_headers(generation, || feed_headers(endpoint))?;
    let polled = line.poll(&ask.target(feed)?, silence).await?;
    if let Polled::Answer { body, .. } = &polled {
        feed.count_bytes(body.len());
    }
    Ok(polled)
}

fn answer(machine: &mut shape::Feed, polled: Polled, now: Now) -> Outcome {
    let failure = match polled {
        Polled::Answer { status, headers, body } => {
            return machine.on(Event::Answer { status, headers: &headers, body: &body }, now);
        }
        Polled::Connect(error) => Failure::Connect(error),
        Polled::Silent(error) => Failure::Silent(error),
        Polled::Cut(error) => Failure::Cut(error),
        Polled::TooLarge(error) => Failure::TooLarge(error),
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
    use crate::hub::{FeedSpec, Patience, ReaderOptions};

    #[test]
    fn a_feed_that_waits_holds_little() {
        let endpoint = Endpoint::new("http://a.b", "tr_dev_1234567890", None).expect("valid");
        let spec = FeedSpec { endpoint, path: "/".into(), query: [].into(), patience: Patience::default() };
        let options = ReaderOptions { until_finished: true, until_gone: true, ..ReaderOptions::default() };
        let feed = Feed::new(spec, options).0;
        let driver = drive(Hub::global(), feed);
        assert!(size_of_val(&*driver) <= 2_560, "{} bytes", size_of_val(&*driver));
    }
}
