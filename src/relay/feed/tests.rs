//! What viewers of a copy are told. Nothing drives these copies: the rows are the tests' own.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Version};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::copy::tests::{SCHEMA, batch, endpoint, row};
use super::failure::Failure;
use super::rows::Retention;
use super::{FeedKey, Reply, Subscriber, answer};
use crate::clock::unix_ms;
use crate::http::ClientOptions;
use crate::relay::{Limits, Options};
use crate::serve::feed::UP_TO_DATE;
use crate::serve::{Request, Response};
use crate::shape::Row;

/// Options of a relay for tests.
pub(in crate::relay) fn options(base_url: &str, key: &str) -> Options {
    Options {
        endpoint: crate::config::Endpoint::new(base_url, key, None).expect("an endpoint"),
        client: Arc::new(ClientOptions::default()),
        base_path: Some("".into()),
        allow: None,
        limits: Limits::default(),
        hold: Duration::from_secs(20),
        keep: Duration::from_secs(5),
        authorizes: false,
        allow_origins: [].into(),
        warnings: crate::relay::Warnings::default(),
        metrics_path: None,
    }
}

/// A request of a present client.
pub(super) fn request(query: &str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("x-trigger-electric-version", HeaderValue::from_static("1.0.0-beta.1"));
    headers.insert("x-trigger-api-version", HeaderValue::from_static("2025-07-16"));
    Request { method: Method::GET, headers, query: Some(query.into()), origin: String::new() }
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Told {
    pub(super) async fn of(answer: Response) -> Self {
        let response = answer.into_http(&HeaderMap::new(), Version::HTTP_11);
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes().to_vec();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// Operation, id and status of each row.
    pub(super) fn rows(&self) -> Vec<(String, String, String)> {
        let messages: Vec<Value> = serde_json::from_slice(&self.body).expect("messages");
        let (last, rows) = messages.split_last().expect("an end");
        assert_eq!(last["headers"]["control"], "up-to-date");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let told = rows.iter().map(|row| {
            let value = &row["value"];
            (text(&row["headers"]["operation"]), text(&value["id"]), text(&value["status"]))
        });
        told.collect()
    }

    /// The live request that goes on from here.
    pub(super) fn live(&self) -> Request {
        let (handle, offset) = (self.header("electric-handle"), self.header("electric-offset"));
        request(&format!("live=true&handle={handle}&offset={offset}&cursor="))
    }
}

/// A copy, and a subscriber at it.
struct Stage {
    subscriber: Arc<Subscriber>,
    stop: CancellationToken,
}

impl Stage {
    fn new(key: FeedKey) -> Self {
        Self::keeping(key, Retention::default())
    }

    fn run() -> Self {
        Self::new(FeedKey::run("run_a").expect("a key"))
    }

    fn keeping(key: FeedKey, keep: Retention) -> Self {
        let (subscriber, stop) = Subscriber::detached(key, keep, &options("http://127.0.0.1:1", "tr_dev_1234567890"));
        Self { subscriber: Arc::new(subscriber), stop }
    }

    /// The upstream brings these rows.
    fn bring(&self, rows: impl IntoIterator<Item = Arc<Row>>) {
        self.subscriber.copy().take(batch(rows), &endpoint());
        self.subscriber.copy().publish();
    }

    fn bring_one(&self, status: &str, updated_ms: u64) {
        self.bring([row("a", status, 1_000, updated_ms)]);
    }

    async fn ask(&self, request: &Request) -> Told {
        self.ask_without(request, &[]).await
    }

    async fn ask_without(&self, request: &Request, skipped: &[String]) -> Told {
        match answer(&self.subscriber, request, skipped).await {
            Reply::Answer(answer) => Told::of(answer).await,
            Reply::Upstream => panic!("asked to read upstream"),
        }
    }

    /// A request that waits, in a task of its own, until it does.
    async fn hold(&self, request: Request) -> tokio::task::JoinHandle<Told> {
        let subscriber = self.subscriber.clone();
        let task = tokio::spawn(async move {
            match answer(&subscriber, &request, &[]).await {
                Reply::Answer(answer) => Told::of(answer).await,
                Reply::Upstream => panic!("asked to read upstream"),
            }
        });
        // Time is paused, and this thread the only one: the task has run until it waits.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!task.is_finished());
        task
    }
}

fn told(operation: &str, id: &str, status: &str) -> (String, String, String) {
    (operation.into(), id.into(), status.into())
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_followed_by_what_changed_whole_and_once() {
    let stage = Stage::run();
    stage.bring_one("PENDING", 1_000);
    let snapshot = stage.ask(&request("offset=-1")).await;
    assert_eq!(snapshot.rows(), [told("insert", "a", "PENDING")]);
    assert_eq!((snapshot.header("electric-schema"), snapshot.header("cache-control")), (SCHEMA, "no-store"));
    assert!(snapshot.header("electric-offset").starts_with("1000_"));
    stage.bring_one("DEQUEUED", 2_000);
    stage.bring_one("EXECUTING", 3_000);
    let live = stage.ask(&snapshot.live()).await;
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
    let stage = Stage::run();
    stage.bring_one("PENDING", 1_000);
    let snapshot = stage.ask(&request("offset=-1")).await;
    let poll = stage.hold(snapshot.live()).await;
    stage.bring_one("EXECUTING", 2_000);
    assert_eq!(poll.await.expect("an answer").rows(), [told("update", "a", "EXECUTING")]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_news_is_answered_after_the_hold_with_its_own_offset() {
    let stage = Stage::run();
    stage.bring_one("PENDING", 1_000);
    let snapshot = stage.ask(&request("offset=-1")).await;
    let begin = Instant::now();
    let live = stage.ask(&snapshot.live()).await;
    assert!((17_000..=23_010).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    assert_eq!((live.text(), live.header("electric-offset")), (UP_TO_DATE, snapshot.header("electric-offset")));
}

#[tokio::test(start_paused = true)]
async fn catching_up_without_news_is_a_bare_up_to_date_at_once() {
    let stage = Stage::run();
    stage.bring_one("PENDING", 1_000);
    let snapshot = stage.ask(&request("offset=-1")).await;
    let (handle, offset) = (snapshot.header("electric-handle"), snapshot.header("electric-offset"));
    let begin = Instant::now();
    let next = stage.ask(&request(&format!("handle={handle}&offset={offset}"))).await;
    assert_eq!((next.text(), next.header("electric-schema")), (UP_TO_DATE, SCHEMA));
    let mut head = snapshot.live();
    head.method = Method::HEAD;
    assert_eq!(stage.ask(&head).await.status, 200);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_from_another_relay_misses_nothing_and_is_told_nothing_twice() {
    let (one, two) = (Stage::run(), Stage::run());
    for stage in [&one, &two] {
        stage.bring_one("PENDING", 1_000);
    }
    let snapshot = one.ask(&request("offset=-1")).await;
    // The other relay has nothing new: the poll is held there, and goes on there by changes, even one that came in the
    // same millisecond.
    let poll = two.hold(snapshot.live()).await;
    two.bring_one("DEQUEUED", 1_000);
    let live = poll.await.expect("an answer");
    assert_eq!(live.rows(), [told("update", "a", "DEQUEUED")]);
    two.bring_one("EXECUTING", 1_000);
    let next = two.ask(&live.live()).await;
    assert_eq!(next.rows(), [told("update", "a", "EXECUTING")]);
    // Back at the first one, which has seen a later change.
    one.bring_one("COMPLETED_SUCCESSFULLY", 3_000);
    let back = one.ask(&next.live()).await;
    assert_eq!(back.rows(), [told("update", "a", "COMPLETED_SUCCESSFULLY")]);
    // And nothing new at all: held, then nothing.
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
    let (ahead, behind) = (Stage::run(), Stage::run());
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
    let late = Stage::run();
    late.bring_one("PENDING", 1_000);
    let quiet = late.ask(&snapshot.live()).await;
    assert_eq!(quiet.header("electric-handle"), snapshot.header("electric-handle"));
}

#[tokio::test(start_paused = true)]
async fn only_where_rows_were_deleted_a_stranger_reads_anew() {
    let stage = Stage::new(FeedKey::tags(Some("a"), None));
    let now = unix_ms();
    stage.bring([row("a", "PENDING", now, now), row("b", "PENDING", now, now)]);
    let snapshot = stage.ask(&request("offset=-1")).await;
    let stranger = request(&format!("live=true&handle=runs_0_7_abc&offset={now}_7&cursor="));
    let poll = stage.hold(stranger).await;
    drop(poll);
    let mut batch = batch([]);
    batch.gone.push("\"public\".\"TaskRun\"/\"b\"".into());
    stage.subscriber.copy().take(batch, &endpoint());
    stage.subscriber.copy().publish();
    let live = stage.ask(&snapshot.live()).await;
    assert_eq!(live.rows(), [told("delete", "b", "-")]);
    let refused = stage.ask(&request(&format!("live=true&handle=runs_0_7_abc&offset={now}_7&cursor="))).await;
    assert_eq!((refused.status, refused.header("electric-handle")), (409, "runs_0_7_abc-next"));
    assert!(refused.text().contains("must-refetch"));
    let anew = stage.ask(&request("offset=-1&handle=runs_0_7_abc-next&expired_handle=runs_0_7_abc")).await;
    assert_eq!(anew.rows(), [told("insert", "a", "PENDING")]);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_whose_polls_go_to_two_relays_in_turn_is_told_of_a_delete_and_never_sent_back() {
    let key = || FeedKey::tags(Some("a"), None);
    let (relays, now) = ([Stage::new(key()), Stage::new(key())], unix_ms());
    for stage in &relays {
        stage.bring(["a", "b", "c"].map(|id| row(id, "PENDING", now, now)));
    }
    let mut place = relays[0].ask(&request("offset=-1")).await;
    let mut deletes = Vec::new();
    for turn in 1..12 {
        let stage = &relays[turn % 2];
        // One relay is told before the other is asked, or after.
        let told = match turn {
            2 => vec![(0, "b"), (1, "b")],
            5 => vec![(1, "c")],
            7 => vec![(0, "c")],
            _ => Vec::new(),
        };
        for (relay, id) in told {
            let mut batch = batch([]);
            batch.gone.push(format!("\"public\".\"TaskRun\"/\"{id}\"").as_str().into());
            relays[relay].subscriber.copy().take(batch, &endpoint());
            relays[relay].subscriber.copy().publish();
        }
        place = stage.ask(&place.live()).await;
        assert_eq!(place.status, 200, "turn {turn}");
        deletes.extend(place.rows().into_iter().map(|(operation, id, _)| format!("{turn} {operation} {id}")));
    }
    // While one relay is behind, what it and the other disagree about may be told again: that changes nothing.
    assert_eq!(deletes, ["2 delete b", "5 delete c", "6 delete b", "7 delete c"]);
}

#[tokio::test(start_paused = true)]
async fn a_skipped_column_leaves_in_no_answer_whoever_asked_before() {
    let stage = Stage::run();
    let hidden = ["payload".to_owned(), "status".to_owned(), "nonsense".to_owned()];
    let mut queries = vec!["offset=-1".to_owned()];
    stage.bring_one("PENDING", 1_000);
    let snapshot = stage.ask(&request("offset=-1")).await;
    let (handle, offset) = (snapshot.header("electric-handle"), snapshot.header("electric-offset"));
    stage.bring_one("EXECUTING", 2_000);
    queries.push(format!("handle={handle}&offset={offset}"));
    queries.push(format!("live=true&handle={handle}&offset={offset}"));
    queries.push("live=true&handle=stranger&offset=1500_9".to_owned());
    for query in &queries {
        for _ in 0..2 {
            let shown = stage.ask(&request(query)).await;
            assert!(shown.text().contains("hidden"), "{query}");
            let by_token = stage.ask_without(&request(query), &hidden).await;
            let by_request = stage.ask(&request(&format!("{query}&skipColumns=payload,status,nonsense"))).await;
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
    let stage = Stage::run();
    stage.bring_one("PENDING", 1_000);
    let mut polls = Vec::new();
    for n in 0..100 {
        let snapshot = stage.ask(&request("offset=-1")).await;
        // Half of them saw one more change.
        if n == 50 {
            stage.bring_one("PENDING", 1_500);
        }
        let mut live = snapshot.live();
        live.headers.insert("accept-encoding", HeaderValue::from_static("gzip, deflate"));
        polls.push((n, live));
    }
    let before = stage.subscriber.copy().cache().written;
    let mut held = Vec::new();
    for (n, live) in polls {
        if n > 50 {
            held.push(stage.hold(live).await);
        }
    }
    stage.bring_one("EXECUTING", 2_000);
    for poll in held {
        assert_eq!(poll.await.expect("an answer").rows(), [told("update", "a", "EXECUTING")]);
    }
    assert_eq!(stage.subscriber.copy().cache().written, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_body_is_compressed_for_those_who_take_it() {
    use std::io::Read as _;
    let stage = Stage::new(FeedKey::batch("batch_a").expect("a key"));
    stage.bring((0..100).map(|n| row(&n.to_string(), "PENDING", 1_000, 1_000)));
    let plain = stage.ask(&request("offset=-1")).await;
    let mut asked = request("offset=-1");
    asked.headers.insert("accept-encoding", HeaderValue::from_static("gzip;q=0, br"));
    assert_eq!(stage.ask(&asked).await.header("content-encoding"), "");
    asked.headers.insert("accept-encoding", HeaderValue::from_static("deflate, gzip"));
    let gzip = stage.ask(&asked).await;
    assert_eq!((gzip.header("content-encoding"), gzip.header("vary")), ("gzip", "Accept-Encoding"));
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(&*gzip.body).read_to_end(&mut read).expect("gzip");
    assert!(read == plain.body && gzip.body.len() * 5 < read.len());
}

#[tokio::test(start_paused = true)]
async fn who_came_later_is_not_told_of_older_runs_and_who_was_there_goes_on() {
    let stage = Stage::new(FeedKey::tags(Some("a"), Some("1h")));
    let now = unix_ms();
    let hour = 3_600_000;
    stage.bring([row("old", "PENDING", now - hour - 120_000, now), row("new", "PENDING", now, now)]);
    let snapshot = stage.ask(&request("offset=-1")).await;
    assert_eq!(snapshot.rows(), [told("insert", "new", "PENDING")]);
    let earlier = (now - hour - 180_000) / 60_000 * 60_000;
    let handle = stage.subscriber.copy().handle(earlier, 1);
    stage.bring([row("old", "EXECUTING", now - hour - 120_000, now + 1)]);
    let live = stage.ask(&request(&format!("live=true&handle={handle}&offset={now}_3&cursor="))).await;
    assert_eq!(live.rows(), [told("update", "old", "EXECUTING")]);
    let poll = stage.hold(snapshot.live()).await;
    stage.bring([row("new", "EXECUTING", now, now + 2)]);
    assert_eq!(poll.await.expect("an answer").rows(), [told("update", "new", "EXECUTING")]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_let_rows_go_sends_snapshots_elsewhere_and_follows_what_changes() {
    let stage = Stage::keeping(FeedKey::batch("batch_a").expect("a key"), Retention { rows: 2, bytes: usize::MAX });
    stage.bring([row("1", "CANCELED", 1, 10), row("r", "EXECUTING", 1, 15)]);
    let early = stage.ask(&request("offset=-1")).await;
    stage.bring((2..5).map(|n| row(&n.to_string(), "CANCELED", n, n * 10)));
    assert!(matches!(answer(&stage.subscriber, &request("offset=-1"), &[]).await, Reply::Upstream));
    let missed = stage.ask(&early.live()).await;
    assert_eq!(missed.status, 409, "what it lacks was let go");
    // The server's own snapshot ends at the newest row.
    let poll = stage.hold(request("live=true&handle=batch_x_9_f&offset=40_9&cursor=")).await;
    stage.bring([row("r", "CANCELED", 1, 50)]);
    assert_eq!(poll.await.expect("an answer").rows(), [told("update", "r", "CANCELED")]);
}

/// A copy that let rows go, of runs that changed at these times after `now`, and what a viewer is told that takes its
/// snapshots from the server and goes on with the server's handle and offset: "there" where it is sent to the server.
async fn rounds_of_a_partial_copy(stage: &Stage, handle: &str, offset: &str) -> Vec<String> {
    let mut told = Vec::new();
    for query in ["offset=-1&handle=x-next".to_owned(), format!("live=true&handle={handle}&offset={offset}&cursor=")] {
        told.push(match answer(&stage.subscriber, &request(&query), &[]).await {
            Reply::Upstream => "there".to_owned(),
            Reply::Answer(answer) => Told::of(answer).await.status.to_string(),
        });
    }
    told
}

fn partial(now: u64) -> Stage {
    let stage = Stage::keeping(FeedKey::batch("batch_a").expect("a key"), Retention { rows: 2, bytes: usize::MAX });
    stage.bring((1..6).map(|n| row(&n.to_string(), "CANCELED", now + n, now + n * 10)));
    stage
}

#[tokio::test(start_paused = true)]
async fn a_viewer_of_a_partial_copy_in_front_of_electric_goes_on_where_its_snapshot_came_from() {
    let now = 1_795_335_402_432;
    // An offset in Electric's log is no time, neither a small one nor one beyond every time there is.
    for offset in ["26800040_0", "0_inf", "9795335402432_7"] {
        let stage = partial(now);
        assert_eq!(rounds_of_a_partial_copy(&stage, "31415926-1795335402432", offset).await, ["there", "there"]);
    }
    // Where everything is here, it reads anew, here, and is no stranger from then on.
    let stage = Stage::new(FeedKey::batch("batch_a").expect("a key"));
    stage.bring([row("a", "CANCELED", now, now)]);
    let refused = stage.ask(&request("live=true&handle=31415926-1795335402432&offset=9795335402432_7")).await;
    assert_eq!(refused.status, 409);
    let anew = stage.ask(&request("offset=-1&handle=31415926-1795335402432-next")).await;
    stage.bring([row("a", "CANCELED", now, now + 1)]);
    assert_eq!(stage.ask(&anew.live()).await.rows(), [told("update", "a", "CANCELED")]);
}

#[tokio::test(start_paused = true)]
async fn a_delete_does_not_send_viewers_of_a_partial_copy_back_to_the_start_again_and_again() {
    let now = 1_795_335_402_432;
    let stage = partial(now);
    let mut batch = batch([]);
    batch.gone.push("\"public\".\"TaskRun\"/\"5\"".into());
    stage.subscriber.copy().take(batch, &endpoint());
    stage.subscriber.copy().publish();
    let rounds = rounds_of_a_partial_copy(&stage, "batch_9_f", &format!("{}_9", now + 1_000)).await;
    assert_eq!(rounds, ["there", "there"]);
    // A server whose snapshot ends before what was let go (the newest runs are not those that changed last).
    let rounds = rounds_of_a_partial_copy(&partial(now), "batch_9_f", &format!("{now}_9")).await;
    assert_eq!(rounds, ["there", "there"]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_run_leaves_every_page_that_shows_it_and_no_other_is_told_of_it() {
    let now = unix_ms();
    for order in [[0, 1], [1, 0]] {
        let stage = Stage::new(FeedKey::tags(Some("a"), None));
        stage.bring([row("a", "PENDING", now, now)]);
        let without = stage.ask(&request("offset=-1")).await;
        stage.bring([row("k", "PENDING", now, now + 1)]);
        let with = stage.ask(&without.live()).await;
        assert_eq!(with.rows(), [told("insert", "k", "PENDING")]);
        stage.bring([row("a", "EXECUTING", now, now + 2)]);
        let mut batch = batch([]);
        batch.gone.push("\"public\".\"TaskRun\"/\"k\"".into());
        stage.subscriber.copy().take(batch, &endpoint());
        stage.subscriber.copy().publish();
        for viewer in order {
            let update = told("update", "a", "EXECUTING");
            if viewer == 0 {
                assert_eq!(stage.ask(&without.live()).await.rows(), [update]);
            } else {
                assert_eq!(stage.ask(&with.live()).await.rows(), [told("delete", "k", "-"), update]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn old_clients_are_told_old_names() {
    let stage = Stage::run();
    stage.bring_one("DEQUEUED", 1_000);
    let mut old = request("offset=-1");
    old.headers = HeaderMap::new();
    let told_old = stage.ask(&old).await;
    assert_eq!(told_old.rows(), [told("insert", "a", "EXECUTING")]);
    assert!(told_old.header("electric-shape-id").starts_with("run_") && told_old.header("electric-handle").is_empty());
    assert_eq!(stage.ask(&request("offset=-1")).await.rows(), [told("insert", "a", "DEQUEUED")]);
}

#[tokio::test(start_paused = true)]
async fn stopping_answers_who_is_held_and_who_waits() {
    let stage = Stage::run();
    let waiting = stage.hold(request("offset=-1")).await;
    stage.stop.cancel();
    assert_eq!(waiting.await.expect("an answer").status, 503);
    let stage = Stage::run();
    stage.bring_one("PENDING", 1_000);
    let snapshot = stage.ask(&request("offset=-1")).await;
    let poll = stage.hold(snapshot.live()).await;
    let begin = Instant::now();
    stage.stop.cancel();
    assert_eq!(poll.await.expect("an answer").text(), UP_TO_DATE);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_is_held_when_the_feed_ends_is_told_why() {
    let stage = Stage::run();
    stage.bring_one("PENDING", 1_000);
    let snapshot = stage.ask(&request("offset=-1")).await;
    let poll = stage.hold(snapshot.live()).await;
    stage.subscriber.copy().fail(Failure::not_found());
    let answer = poll.await.expect("an answer");
    assert_eq!((answer.status, answer.header("x-should-retry")), (404, "false"));
}

#[tokio::test(start_paused = true)]
async fn a_feed_without_a_first_answer_tells_its_viewers_to_come_back() {
    let stage = Stage::run();
    let begin = Instant::now();
    let answer = stage.ask(&request("offset=-1")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(begin.elapsed(), Duration::from_secs(15));
}

/// How much a feed keeps, and how long its viewers wait for its first answer.
pub(in crate::relay) struct Bounds {
    pub(in crate::relay) first_answer: Duration,
    pub(in crate::relay) rows: usize,
    pub(in crate::relay) row_bytes: usize,
    pub(in crate::relay) bodies: usize,
    pub(in crate::relay) body_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        let keep = Retention::default();
        Self {
            first_answer: super::copy::FIRST_ROWS_TIMEOUT,
            rows: keep.rows,
            row_bytes: keep.bytes,
            bodies: super::body_cache::MAX_BODIES,
            body_bytes: super::body_cache::MAX_BYTES,
        }
    }
}
