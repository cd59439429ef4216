//! Answers from a copy that evicted rows (F9).

use super::copy::tests::row;
use super::rows::Retention;
use super::tests::{Fixture, Received, request, told};
use super::{FeedKey, Reply, answer};

#[tokio::test(start_paused = true)]
async fn a_copy_that_let_rows_go_sends_snapshots_elsewhere_and_follows_what_changes() {
    let fixture = Fixture::keeping(FeedKey::batch("batch_a").expect("a key"), Retention { rows: 2, bytes: usize::MAX });
    fixture.bring([row("1", "CANCELED", 1, 10), row("r", "EXECUTING", 1, 15)]);
    let early = fixture.ask(&request("offset=-1")).await;
    fixture.bring((2..5).map(|n| row(&n.to_string(), "CANCELED", n, n * 10)));
    assert!(matches!(answer(&fixture.subscriber, &request("offset=-1"), &[], None).await, Reply::Upstream));
    let missed = fixture.ask(&early.live()).await;
    assert_eq!(missed.status, 409, "what it lacks was let go");
    // The server's own snapshot ends at the newest row.
    let poll = fixture.hold(request("live=true&handle=batch_x_9_f&offset=40_9&cursor=")).await;
    fixture.bring([row("r", "CANCELED", 1, 50)]);
    assert_eq!(poll.await.expect("an answer").rows(), [told("update", "r", "CANCELED")]);
}

/// Two requests of a viewer that takes its snapshots from the server and goes on with the server's handle and offset:
/// the status of each answer, or "there" where the server is to be asked.
async fn rounds_of_a_partial_copy(fixture: &Fixture, handle: &str, offset: &str) -> Vec<String> {
    let mut told = Vec::new();
    for query in ["offset=-1&handle=x-next".to_owned(), format!("live=true&handle={handle}&offset={offset}&cursor=")] {
        told.push(match answer(&fixture.subscriber, &request(&query), &[], None).await {
            Reply::Upstream => "there".to_owned(),
            Reply::Answer(answer) => Received::of(answer).await.status.to_string(),
        });
    }
    told
}

/// A copy that evicted rows, of runs that changed after `now`.
fn partial(now: u64) -> Fixture {
    let fixture = Fixture::keeping(FeedKey::batch("batch_a").expect("a key"), Retention { rows: 2, bytes: usize::MAX });
    fixture.bring((1..6).map(|n| row(&n.to_string(), "CANCELED", now + n, now + n * 10)));
    fixture
}

#[tokio::test(start_paused = true)]
async fn a_viewer_of_a_partial_copy_in_front_of_electric_goes_on_where_its_snapshot_came_from() {
    let now = 1_795_335_402_432;
    // An offset in Electric's log is no time, neither a small one nor one beyond every time there is.
    for offset in ["26800040_0", "0_inf", "9795335402432_7"] {
        let fixture = partial(now);
        assert_eq!(rounds_of_a_partial_copy(&fixture, "31415926-1795335402432", offset).await, ["there", "there"]);
    }
    // A copy with all rows makes the viewer read anew, and the viewer then goes on by a handle of that copy.
    let fixture = Fixture::new(FeedKey::batch("batch_a").expect("a key"));
    fixture.bring([row("a", "CANCELED", now, now)]);
    let refused = fixture.ask(&request("live=true&handle=31415926-1795335402432&offset=9795335402432_7")).await;
    assert_eq!(refused.status, 409);
    let anew = fixture.ask(&request("offset=-1&handle=31415926-1795335402432-next")).await;
    fixture.bring([row("a", "CANCELED", now, now + 1)]);
    assert_eq!(fixture.ask(&anew.live()).await.rows(), [told("update", "a", "CANCELED")]);
}

#[tokio::test(start_paused = true)]
async fn a_delete_does_not_send_viewers_of_a_partial_copy_back_to_the_start_again_and_again() {
    let now = 1_795_335_402_432;
    let fixture = partial(now);
    fixture.delete("5");
    let rounds = rounds_of_a_partial_copy(&fixture, "batch_9_f", &format!("{}_9", now + 1_000)).await;
    assert_eq!(rounds, ["there", "there"]);
    // A server whose snapshot ends before the evicted rows (the newest runs are not those that changed last).
    let rounds = rounds_of_a_partial_copy(&partial(now), "batch_9_f", &format!("{now}_9")).await;
    assert_eq!(rounds, ["there", "there"]);
}
