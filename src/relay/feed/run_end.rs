//! The end of a feed's run, for what is not written to after it.

use std::time::Duration;

use super::copy::State;
use super::feeds::Subscriber;
use crate::run::{is_finished, public_status};
use crate::shape::Row;
use crate::timestamp::parse_utc;

/// How long the process of a cancelled run may go on writing: the run is cancelled at once, and its process told then.
const CANCEL_GRACE: Duration = Duration::from_secs(60);

impl Subscriber {
    /// Whether the run of a feed of one run is over, and nothing of it writes any more. Waits for its row.
    ///
    /// # Errors
    /// Why the feed cannot be read.
    pub(crate) async fn is_run_over(&self) -> Result<bool, ()> {
        let states = self.copy().ready().await;
        states.map(|_| self.run_ends_in() == Some(Duration::ZERO)).map_err(drop)
    }

    /// Waits until that is so.
    ///
    /// # Errors
    /// Why the feed cannot be read any more.
    pub(crate) async fn run_end(&self) -> Result<(), ()> {
        let mut states = self.copy().ready().await.map_err(drop)?;
        loop {
            if matches!(*states.borrow_and_update(), State::Failed(_)) {
                return Err(());
            }
            if let Some(rest) = self.run_ends_in() {
                // A run that is over stays so.
                tokio::time::sleep(rest).await;
                return Ok(());
            }
            states.changed().await.map_err(drop)?;
        }
    }

    fn run_ends_in(&self) -> Option<Duration> {
        let rows = self.copy().rows();
        ends_in(rows.one()?, self.inner.clock.now_ms())
    }
}

/// How long until nothing of a run writes any more; `None` while it goes on.
fn ends_in(row: &Row, now_ms: u64) -> Option<Duration> {
    if !is_finished(row) {
        return None;
    }
    if row.get("status").map(public_status) != Some("CANCELED") {
        return Some(Duration::ZERO);
    }
    let since_ms = row.get("updatedAt").and_then(parse_utc).map_or(0, |at| now_ms.saturating_sub(at));
    Some(CANCEL_GRACE.saturating_sub(Duration::from_millis(since_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::feed::copy::tests::row;
    use crate::relay::feed::failure::Failure;
    use crate::relay::feed::tests::Fixture;

    #[test]
    fn a_cancelled_run_may_write_for_a_minute_and_another_that_is_over_writes_no_more() {
        for (status, updated_ms, expected_ms) in [
            ("EXECUTING", 0, None),
            ("WAITING_TO_RESUME", 0, None),
            ("COMPLETED_SUCCESSFULLY", 100_000, Some(0)),
            ("CRASHED", 100_000, Some(0)),
            ("CANCELED", 100_000, Some(60_000)),
            ("CANCELED", 90_000, Some(50_000)),
            ("CANCELED", 40_000, Some(0)),
            ("CANCELED", 0, Some(0)),
            ("CANCELED", 200_000, Some(60_000)),
        ] {
            let rest = ends_in(&row("a", status, 0, updated_ms), 100_000);
            assert_eq!(rest, expected_ms.map(Duration::from_millis), "{status} {updated_ms}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_run_is_heard_when_it_comes() {
        let fixture = Fixture::run();
        fixture.bring_one("EXECUTING", 1_000);
        assert_eq!(fixture.subscriber.is_run_over().await, Ok(false));
        let (end, ()) = tokio::join!(fixture.subscriber.run_end(), async {
            tokio::task::yield_now().await;
            fixture.bring_one("EXECUTING", 2_000);
            tokio::task::yield_now().await;
            fixture.bring_one("COMPLETED_SUCCESSFULLY", 3_000);
        });
        assert_eq!((end, fixture.subscriber.is_run_over().await), (Ok(()), Ok(true)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_cannot_be_read_tells_no_end() {
        let fixture = Fixture::run();
        fixture.bring_one("EXECUTING", 1_000);
        let (end, ()) = tokio::join!(fixture.subscriber.run_end(), async {
            tokio::task::yield_now().await;
            fixture.subscriber.copy().fail(Failure::not_found());
        });
        assert_eq!((end, fixture.subscriber.is_run_over().await), (Err(()), Err(())));
    }
}
