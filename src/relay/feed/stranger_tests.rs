//! Answers to viewers that saw other copies of the feed, and the deletes that each of them gets (F6, F7).

use std::time::Duration;

use super::FeedKey;
use super::copy::tests::row;
use super::tests::{Fixture, request, told};
use crate::clock::unix_ms;
use crate::serve::feed::UP_TO_DATE;

#[tokio::test(start_paused = true)]
async fn a_viewer_from_another_relay_misses_nothing_and_is_told_nothing_twice() {
    let (one, two) = (Fixture::run(), Fixture::run());
    for fixture in [&one, &two] {
        fixture.bring_one("PENDING", 1_000);
    }
    let snapshot = one.ask(&request("offset=-1")).await;
    // The other relay has no change: it holds the poll, and then goes on by changes, even by one of the same
    // millisecond.
    let poll = two.hold(snapshot.live()).await;
    two.bring_one("DEQUEUED", 1_000);
    let live = poll.await.expect("an answer");
    assert_eq!(live.rows(), [told("update", "a", "DEQUEUED")]);
    two.bring_one("EXECUTING", 1_000);
    let next = two.ask(&live.live()).await;
    assert_eq!(next.rows(), [told("update", "a", "EXECUTING")]);
    // Back at the first relay, which has seen a later change.
    one.bring_one("COMPLETED_SUCCESSFULLY", 3_000);
    let back = one.ask(&next.live()).await;
    assert_eq!(back.rows(), [told("update", "a", "COMPLETED_SUCCESSFULLY")]);
    // Without a change the poll is held, and then answered without rows.
    let quiet = one.ask(&back.live()).await;
    assert_eq!((quiet.text(), quiet.header("electric-offset")), (UP_TO_DATE, back.header("electric-offset")));
    two.bring_one("COMPLETED_SUCCESSFULLY", 3_000);
    let quiet = two.ask(&quiet.live()).await;
    assert_eq!(quiet.text(), UP_TO_DATE);
    assert!(two.subscriber.copy().is_own(quiet.header("electric-handle")), "from here on by changes");
    assert!(quiet.header("electric-offset").starts_with("3000_"));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_behind_tells_nobody_an_older_state_than_it_saw() {
    let (ahead, behind) = (Fixture::run(), Fixture::run());
    behind.bring_one("PENDING", 1_000);
    ahead.bring_one("EXECUTING", 3_000);
    let snapshot = ahead.ask(&request("offset=-1")).await;
    let poll = behind.hold(snapshot.live()).await;
    for (status, at) in [("DEQUEUED", 2_000), ("EXECUTING", 3_000)] {
        behind.bring_one(status, at);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!poll.is_finished(), "told {status}");
    }
    behind.bring_one("COMPLETED_SUCCESSFULLY", 4_000);
    assert_eq!(poll.await.expect("an answer").rows(), [told("update", "a", "COMPLETED_SUCCESSFULLY")]);
    // A poll that ends before it has caught up leaves the viewer where it was.
    let late = Fixture::run();
    late.bring_one("PENDING", 1_000);
    let quiet = late.ask(&snapshot.live()).await;
    assert_eq!(quiet.header("electric-handle"), snapshot.header("electric-handle"));
}

#[tokio::test(start_paused = true)]
async fn only_where_rows_were_deleted_a_stranger_reads_anew() {
    let fixture = Fixture::new(FeedKey::tags(Some("a"), None));
    let now = unix_ms();
    fixture.bring([row("a", "PENDING", now, now), row("b", "PENDING", now, now)]);
    let snapshot = fixture.ask(&request("offset=-1")).await;
    let stranger = request(&format!("live=true&handle=runs_0_7_abc&offset={now}_7&cursor="));
    let poll = fixture.hold(stranger).await;
    drop(poll);
    fixture.delete("b");
    let live = fixture.ask(&snapshot.live()).await;
    assert_eq!(live.rows(), [told("delete", "b", "-")]);
    let refused = fixture.ask(&request(&format!("live=true&handle=runs_0_7_abc&offset={now}_7&cursor="))).await;
    assert_eq!((refused.status, refused.header("electric-handle")), (409, "runs_0_7_abc-next"));
    assert!(refused.text().contains("must-refetch"));
    let anew = fixture.ask(&request("offset=-1&handle=runs_0_7_abc-next&expired_handle=runs_0_7_abc")).await;
    assert_eq!(anew.rows(), [told("insert", "a", "PENDING")]);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_whose_polls_go_to_two_relays_in_turn_is_told_of_a_delete_and_never_sent_back() {
    let key = || FeedKey::tags(Some("a"), None);
    let (relays, now) = ([Fixture::new(key()), Fixture::new(key())], unix_ms());
    for fixture in &relays {
        fixture.bring(["a", "b", "c"].map(|id| row(id, "PENDING", now, now)));
    }
    let mut place = relays[0].ask(&request("offset=-1")).await;
    let mut deletes = Vec::new();
    for turn in 1..12 {
        let fixture = &relays[turn % 2];
        // One relay gets the delete before the other is asked, or after.
        let told = match turn {
            2 => vec![(0, "b"), (1, "b")],
            5 => vec![(1, "c")],
            7 => vec![(0, "c")],
            _ => Vec::new(),
        };
        for (relay, id) in told {
            relays[relay].delete(id);
        }
        place = fixture.ask(&place.live()).await;
        assert_eq!(place.status, 200, "turn {turn}");
        deletes.extend(place.rows().into_iter().map(|(operation, id, _)| format!("{turn} {operation} {id}")));
    }
    // While one relay is behind, a delete that it and the other disagree about may come twice, which does no harm.
    assert_eq!(deletes, ["2 delete b", "5 delete c", "6 delete b", "7 delete c"]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_run_leaves_every_page_that_shows_it_and_no_other_is_told_of_it() {
    let now = unix_ms();
    for order in [[0, 1], [1, 0]] {
        let fixture = Fixture::new(FeedKey::tags(Some("a"), None));
        fixture.bring([row("a", "PENDING", now, now)]);
        let without = fixture.ask(&request("offset=-1")).await;
        fixture.bring([row("k", "PENDING", now, now + 1)]);
        let with = fixture.ask(&without.live()).await;
        assert_eq!(with.rows(), [told("insert", "k", "PENDING")]);
        fixture.bring([row("a", "EXECUTING", now, now + 2)]);
        fixture.delete("k");
        for viewer in order {
            let update = told("update", "a", "EXECUTING");
            if viewer == 0 {
                assert_eq!(fixture.ask(&without.live()).await.rows(), [update]);
            } else {
                assert_eq!(fixture.ask(&with.live()).await.rows(), [told("delete", "k", "-"), update]);
            }
        }
    }
}
