//! Every order in which changes of a copy and the held polls of its viewers can meet: a viewer that is not woken would be
//! found to wait for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use once_cell::sync::Lazy;
use tokio::runtime::{Builder, Runtime};

use super::tests::{Fixture, Received, request};
use crate::interleave::{block_on, explore, spawn};
use crate::serve::Request;

/// Timers need a runtime to be made in. Nothing drives it: no hold runs out.
static RUNTIME: Lazy<Runtime> = Lazy::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

const STATUSES: [&str; 3] = ["PENDING", "EXECUTING", "COMPLETED_SUCCESSFULLY"];

fn ask(fixture: &Fixture, request: &Request) -> Received {
    block_on(fixture.ask(request))
}

/// The newest state in an answer, as an index of `STATUSES`; `None` for an answer without one.
fn newest(received: &Received) -> Option<usize> {
    let rows = received.rows();
    rows.iter().filter_map(|(_, _, status)| STATUSES.iter().position(|each| each == status)).max()
}

/// Reads as the official hooks do, to the run's last state.
fn view(fixture: &Fixture) {
    let mut received = ask(fixture, &request("offset=-1"));
    let mut seen = newest(&received).expect("a snapshot has the run");
    while seen + 1 < STATUSES.len() {
        received = ask(fixture, &received.live());
        assert_eq!(received.status, 200);
        let next = newest(&received).expect("a poll is answered with a change");
        assert!(next > seen, "{next} after {seen}");
        seen = next;
    }
}

/// `changes` follow one another; each viewer sees the last of them, or the end of the copy.
fn orders(viewers: usize, max_switches: usize) -> usize {
    explore(max_switches, move || {
        let _within = RUNTIME.enter();
        let fixture = Arc::new(Fixture::run());
        fixture.bring_one(STATUSES[0], 1_000);
        for _ in 0..viewers {
            let fixture = fixture.clone();
            spawn("viewer", move || {
                let _within = RUNTIME.enter();
                view(&fixture);
            });
        }
        for (n, status) in (1..).zip(&STATUSES[1..]) {
            fixture.bring_one(status, 1_000 + n);
        }
    })
}

#[test]
fn a_held_poll_is_answered_with_the_next_change_however_they_meet() {
    println!("{} orders", orders(1, 3));
}

#[test]
fn viewers_of_one_run_all_see_its_end_however_their_polls_and_its_changes_meet() {
    println!("{} orders", orders(2, 2));
}

#[test]
fn a_relay_that_stops_leaves_no_poll_held_however_they_meet() {
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = answered.clone();
    let orders = explore(2, move || {
        let _within = RUNTIME.enter();
        let fixture = Arc::new(Fixture::run());
        fixture.bring_one(STATUSES[0], 1_000);
        let theirs = fixture.clone();
        let counted = counted.clone();
        spawn("viewer", move || {
            let _within = RUNTIME.enter();
            let snapshot = ask(&theirs, &request("offset=-1"));
            if snapshot.status == 200 {
                let live = ask(&theirs, &snapshot.live());
                assert!([200, 503].contains(&live.status), "status {}", live.status);
            }
            counted.fetch_add(1, SeqCst);
        });
        crate::interleave::point();
        fixture.stop.cancel();
    });
    // Once more than the orders: `explore` runs a scenario once before.
    assert_eq!(answered.load(SeqCst), orders + 1, "a viewer was answered in every order");
}
