//! The I/O of a feed: does what the machine says, tells it what happened, publishes what changed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::Hub;
use super::feed::Feed;
use crate::error::{Error, Kind, Result};
use crate::http::{Polled, feed_headers, poll};
use crate::shape::{self, Event, Failure, Now, Outcome, Query, Step};

/// Runs `feed` to its end, whatever that is. A panic ends it with an error.
pub(super) async fn drive(hub: &'static Hub, feed: Arc<Feed>) {
    let result = AssertUnwindSafe(run(&feed)).catch_unwind().await.unwrap_or_else(|_| {
        Err(Error::new(Kind::Internal, "ERR_INTERNAL", "a fault of trigger-native: a feed's driver panicked"))
    });
    feed.end(result);
    hub.forget(&feed);
}

async fn run(feed: &Feed) -> Result<()> {
    let headers = feed_headers(&feed.spec().endpoint)?;
    let silence = Duration::from_millis(feed.spec().patience.silence_ms);
    let mut machine = shape::Feed::new(feed.spec().patience.limits());
    let clock = Instant::now();
    let now = || Now {
        monotonic_ms: u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX),
        unix_ms: crate::http::unix_ms(),
        jitter: crate::random::unit(),
    };
    let mut step = machine.start(now());
    loop {
        feed.enter(machine.phase());
        let outcome = match step {
            Step::End(result) => return result,
            Step::Wait { ms, retry } => {
                feed.retrying(retry, ms);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                machine.on(Event::Woken, now())
            }
            Step::Request(query) => {
                feed.until_wanted().await;
                let polled = request(feed, &query, headers.clone(), silence).await?;
                answer(&mut machine, polled, now())
            }
        };
        // The state before the rows: a reader that ends with its last row has seen both.
        feed.enter(machine.phase());
        if !feed.publish(outcome.changes, machine.schema()) {
            return Ok(());
        }
        step = outcome.step;
    }
}

async fn request(feed: &Feed, query: &Query, headers: http::HeaderMap, silence: Duration) -> Result<Polled> {
    feed.count_request();
    let polled = poll(&feed.spec().url(query), headers, silence).await?;
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
