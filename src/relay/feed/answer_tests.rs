//! Answers to a viewer of a copy: snapshots, changes, held polls and failures (F3, F4, F5, F10).

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use tokio::time::Instant;

use super::FeedKey;
use super::copy::tests::{SCHEMA, row};
use super::failure::Failure;
use super::tests::{Fixture, request, told};
use crate::clock::unix_ms;
use crate::serve::feed::UP_TO_DATE;

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_followed_by_what_changed_whole_and_once() {
    let fixture = Fixture::run();
    fixture.bring_one("PENDING", 1_000);
    let snapshot = fixture.ask(&request("offset=-1")).await;
    assert_eq!(snapshot.rows(), [told("insert", "a", "PENDING")]);
    assert_eq!((snapshot.header("electric-schema"), snapshot.header("cache-control")), (SCHEMA, "no-store"));
    assert!(snapshot.header("electric-offset").starts_with("1000_"));
    fixture.bring_one("DEQUEUED", 2_000);
    fixture.bring_one("EXECUTING", 3_000);
    let live = fixture.ask(&snapshot.live()).await;
    assert_eq!(live.rows(), [told("update", "a", "EXECUTING")]);
    assert!(live.header("electric-offset").starts_with("3000_") && !live.header("electric-cursor").is_empty());
    assert_eq!(
        (live.header("electric-handle"), live.header("electric-schema")),
        (snapshot.header("electric-handle"), "")
    );
    assert!(live.text().contains(r#""runTags":"{\"a\",\"b,c\"}""#));
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_held_until_something_changes() {
    let fixture = Fixture::run();
    fixture.bring_one("PENDING", 1_000);
    let snapshot = fixture.ask(&request("offset=-1")).await;
    let poll = fixture.hold(snapshot.live()).await;
    fixture.bring_one("EXECUTING", 2_000);
    assert_eq!(poll.await.expect("an answer").rows(), [told("update", "a", "EXECUTING")]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_news_is_answered_after_the_hold_with_its_own_offset() {
    let fixture = Fixture::run();
    fixture.bring_one("PENDING", 1_000);
    let snapshot = fixture.ask(&request("offset=-1")).await;
    let begin = Instant::now();
    let live = fixture.ask(&snapshot.live()).await;
    assert!((17_000..=23_010).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    assert_eq!((live.text(), live.header("electric-offset")), (UP_TO_DATE, snapshot.header("electric-offset")));
}

#[tokio::test(start_paused = true)]
async fn catching_up_without_news_is_a_bare_up_to_date_at_once() {
    let fixture = Fixture::run();
    fixture.bring_one("PENDING", 1_000);
    let snapshot = fixture.ask(&request("offset=-1")).await;
    let (handle, offset) = (snapshot.header("electric-handle"), snapshot.header("electric-offset"));
    let begin = Instant::now();
    let next = fixture.ask(&request(&format!("handle={handle}&offset={offset}"))).await;
    assert_eq!((next.text(), next.header("electric-schema")), (UP_TO_DATE, SCHEMA));
    let mut head = snapshot.live();
    head.method = Method::HEAD;
    assert_eq!(fixture.ask(&head).await.status, 200);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_skipped_column_leaves_in_no_answer_whoever_asked_before() {
    let fixture = Fixture::run();
    let hidden = ["payload".to_owned(), "status".to_owned(), "nonsense".to_owned()];
    let mut queries = vec!["offset=-1".to_owned()];
    fixture.bring_one("PENDING", 1_000);
    let snapshot = fixture.ask(&request("offset=-1")).await;
    let (handle, offset) = (snapshot.header("electric-handle"), snapshot.header("electric-offset"));
    fixture.bring_one("EXECUTING", 2_000);
    queries.push(format!("handle={handle}&offset={offset}"));
    queries.push(format!("live=true&handle={handle}&offset={offset}"));
    queries.push("live=true&handle=stranger&offset=1500_9".to_owned());
    for query in &queries {
        for _ in 0..2 {
            let shown = fixture.ask(&request(query)).await;
            assert!(shown.text().contains("hidden"), "{query}");
            let by_token = fixture.ask_without(&request(query), &hidden).await;
            let by_request = fixture.ask(&request(&format!("{query}&skipColumns=payload,status,nonsense"))).await;
            for told in [by_token, by_request] {
                let headers = format!("{:?}", told.headers);
                assert!(!told.text().contains("payload") && !told.text().contains("hidden"), "{query}");
                assert!(!headers.contains("payload"), "{query}");
                assert!(told.text().contains("\"status\":") && told.text().contains("\"runTags\":"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn viewers_of_the_same_news_share_one_body() {
    let fixture = Fixture::run();
    fixture.bring_one("PENDING", 1_000);
    let mut polls = Vec::new();
    for n in 0..100 {
        let snapshot = fixture.ask(&request("offset=-1")).await;
        // Half of the viewers saw one more change.
        if n == 50 {
            fixture.bring_one("PENDING", 1_500);
        }
        let mut live = snapshot.live();
        live.headers.insert("accept-encoding", HeaderValue::from_static("gzip, deflate"));
        polls.push((n, live));
    }
    let before = fixture.subscriber.copy().cache().written;
    let mut held = Vec::new();
    for (n, live) in polls {
        if n > 50 {
            held.push(fixture.hold(live).await);
        }
    }
    fixture.bring_one("EXECUTING", 2_000);
    for poll in held {
        assert_eq!(poll.await.expect("an answer").rows(), [told("update", "a", "EXECUTING")]);
    }
    assert_eq!(fixture.subscriber.copy().cache().written, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_body_is_compressed_for_those_who_take_it() {
    use std::io::Read as _;
    let fixture = Fixture::new(FeedKey::batch("batch_a").expect("a key"));
    fixture.bring((0..100).map(|n| row(&n.to_string(), "PENDING", 1_000, 1_000)));
    let plain = fixture.ask(&request("offset=-1")).await;
    let mut asked = request("offset=-1");
    asked.headers.insert("accept-encoding", HeaderValue::from_static("gzip;q=0, br"));
    assert_eq!(fixture.ask(&asked).await.header("content-encoding"), "");
    asked.headers.insert("accept-encoding", HeaderValue::from_static("deflate, gzip"));
    let gzip = fixture.ask(&asked).await;
    assert_eq!((gzip.header("content-encoding"), gzip.header("vary")), ("gzip", "Accept-Encoding"));
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(&*gzip.body).read_to_end(&mut read).expect("gzip");
    assert!(read == plain.body && gzip.body.len() * 5 < read.len());
}

#[tokio::test(start_paused = true)]
async fn who_came_later_is_not_told_of_older_runs_and_who_was_there_goes_on() {
    let fixture = Fixture::new(FeedKey::tags(Some("a"), Some("1h")));
    let now = unix_ms();
    let hour = 3_600_000;
    fixture.bring([row("old", "PENDING", now - hour - 120_000, now), row("new", "PENDING", now, now)]);
    let snapshot = fixture.ask(&request("offset=-1")).await;
    assert_eq!(snapshot.rows(), [told("insert", "new", "PENDING")]);
    let earlier = (now - hour - 180_000) / 60_000 * 60_000;
    let handle = fixture.subscriber.copy().handle(earlier, 1);
    fixture.bring([row("old", "EXECUTING", now - hour - 120_000, now + 1)]);
    let live = fixture.ask(&request(&format!("live=true&handle={handle}&offset={now}_3&cursor="))).await;
    assert_eq!(live.rows(), [told("update", "old", "EXECUTING")]);
    let poll = fixture.hold(snapshot.live()).await;
    fixture.bring([row("new", "EXECUTING", now, now + 2)]);
    assert_eq!(poll.await.expect("an answer").rows(), [told("update", "new", "EXECUTING")]);
}

#[tokio::test(start_paused = true)]
async fn old_clients_are_told_old_names() {
    let fixture = Fixture::run();
    fixture.bring_one("DEQUEUED", 1_000);
    let mut old = request("offset=-1");
    old.headers = HeaderMap::new();
    let told_old = fixture.ask(&old).await;
    assert_eq!(told_old.rows(), [told("insert", "a", "EXECUTING")]);
    assert!(told_old.header("electric-shape-id").starts_with("run_") && told_old.header("electric-handle").is_empty());
    assert_eq!(fixture.ask(&request("offset=-1")).await.rows(), [told("insert", "a", "DEQUEUED")]);
}

#[tokio::test(start_paused = true)]
async fn stopping_answers_who_is_held_and_who_waits() {
    let fixture = Fixture::run();
    let waiting = fixture.hold(request("offset=-1")).await;
    fixture.stop.cancel();
    assert_eq!(waiting.await.expect("an answer").status, 503);
    let fixture = Fixture::run();
    fixture.bring_one("PENDING", 1_000);
    let snapshot = fixture.ask(&request("offset=-1")).await;
    let poll = fixture.hold(snapshot.live()).await;
    let begin = Instant::now();
    fixture.stop.cancel();
    assert_eq!(poll.await.expect("an answer").text(), UP_TO_DATE);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_is_held_when_the_feed_ends_is_told_why() {
    let fixture = Fixture::run();
    fixture.bring_one("PENDING", 1_000);
    let snapshot = fixture.ask(&request("offset=-1")).await;
    let poll = fixture.hold(snapshot.live()).await;
    fixture.subscriber.copy().fail(Failure::not_found());
    let answer = poll.await.expect("an answer");
    assert_eq!((answer.status, answer.header("x-should-retry")), (404, "false"));
}

#[tokio::test(start_paused = true)]
async fn a_feed_without_a_first_answer_tells_its_viewers_to_come_back() {
    let fixture = Fixture::run();
    let begin = Instant::now();
    let answer = fixture.ask(&request("offset=-1")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(begin.elapsed(), Duration::from_secs(15));
}
