//! Viewers of shared streams, over a scripted upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Version};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::shared::{SharedStream, UpstreamStatus};
use super::upstream::Upstream;
use super::{Fallback, Reply, StreamKey, Streams, answer};
use crate::config::Endpoint;
use crate::connection::ConnectionState::{self, Connecting, Live, Retrying};
use crate::connection::Notice;
use crate::relay::{Limits, Options};
use crate::serve::Request;
use crate::serve::stream::{Log, StreamName, StreamVersion};
use crate::stream::Raw;

use crate::serving::{Serving, serving};

pub(crate) const FAILSAFE: Duration = Duration::from_secs(20);
pub(crate) const V2: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-stream-version: v2\r\n\r\n";
pub(crate) const V1: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

pub(crate) fn record(number: u64) -> String {
    format!("event: batch\ndata: {{\"records\":[{{\"seq_num\":{number},\"timestamp\":7,\"extra\":1}}]}}\n\n")
}

pub(crate) fn ping(tail: u64) -> String {
    format!("event: ping\ndata: {{\"timestamp\":1,\"tail\":{{\"seq_num\":{tail},\"timestamp\":7}}}}\n\n")
}

/// The heads of the requests that a scripted server received. Dropping it fails the test if the server's task panicked,
/// or if a response of the script was never requested.
pub(crate) struct Heads {
    received: mpsc::UnboundedReceiver<String>,
    missing: Arc<AtomicUsize>,
    _server: Serving,
}

impl Drop for Heads {
    fn drop(&mut self) {
        let missing = self.missing.load(Ordering::SeqCst);
        assert!(missing == 0 || std::thread::panicking(), "{missing} responses were never requested");
    }
}

/// A scripted server: each connection gets the next text, and is closed after it where the script says so.
pub(crate) async fn upstream(answers: Vec<(String, bool)>) -> (String, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (tell, heads) = mpsc::unbounded_channel();
    let missing = Arc::new(AtomicUsize::new(answers.len()));
    let count = missing.clone();
    let server = serving(async move {
        let mut open = Vec::new();
        for (text, closes) in answers {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.expect("a request"));
            }
            count.fetch_sub(1, Ordering::SeqCst);
            let _ = tell.send(String::from_utf8_lossy(&head).to_ascii_lowercase());
            socket.write_all(text.as_bytes()).await.expect("it reads");
            if !closes {
                open.push(socket);
            }
        }
        std::future::pending::<()>().await;
    });
    (url, Heads { received: heads, missing, _server: server })
}

/// A server of one connection, which sends this head, then each text of the sender, and ends with the sender.
pub(crate) async fn live(head: &'static str) -> (String, mpsc::UnboundedSender<String>, Serving) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (send, mut texts) = mpsc::unbounded_channel::<String>();
    let server = serving(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.write_all(head.as_bytes()).await.expect("it reads");
        while let Some(text) = texts.recv().await {
            socket.write_all(text.as_bytes()).await.expect("it reads");
        }
    });
    (url, send, server)
}

pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    timeout(FAILSAFE, async {
        while !is_so().await {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it comes to that");
}

pub(crate) async fn gone(streams: &Streams) {
    until(async || matches!(view(streams, None).await, Reply::Upstream)).await;
}

pub(crate) fn streams(url: &str) -> (Streams, CancellationToken) {
    streams_of(url, Limits::default(), Duration::from_millis(50))
}

pub(crate) fn streams_of(url: &str, limits: Limits, keep: Duration) -> (Streams, CancellationToken) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let options = Options {
        base_path: Some("".into()),
        limits,
        keep,
        ..Options::new(Endpoint::new(url, "tr_dev_own", None).expect("an endpoint"))
    };
    let stop = CancellationToken::new();
    (Streams::new(options, stop.clone(), Arc::default()), stop)
}

pub(crate) fn key() -> StreamKey {
    StreamKey { run: "run_1".into(), name: StreamName::Output("ai".into()) }
}

pub(crate) async fn view(streams: &Streams, last: Option<&'static str>) -> Reply {
    view_or(streams, last, Box::new(|_| Box::pin(async { None }))).await
}

pub(crate) async fn view_or(streams: &Streams, last: Option<&'static str>, fallback: Fallback) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("timeout-seconds", HeaderValue::from_static("1"));
    if let Some(last) = last {
        headers.insert("last-event-id", HeaderValue::from_static(last));
    }
    let request = Request { method: Method::GET, headers, query: None, origin: String::new() };
    timeout(FAILSAFE, answer(streams.open(key()).expect("room"), &request, fallback)).await.expect("an answer in time")
}

/// The status and the body, and whether the body ended well.
pub(crate) async fn read(reply: Reply) -> (u16, String, bool) {
    let Reply::Answer(answer) = reply else { return (0, String::new(), false) };
    let response = answer.into_http(&HeaderMap::new(), Version::HTTP_11);
    let (status, mut body) = (response.status().as_u16(), response.into_body());
    let mut text = Vec::new();
    loop {
        match timeout(FAILSAFE, body.frame()).await.expect("a frame in time") {
            Some(Ok(frame)) => text.extend(frame.into_data().expect("data")),
            Some(Err(_)) => return (status, String::from_utf8(text).expect("text"), false),
            None => return (status, String::from_utf8(text).expect("text"), true),
        }
    }
}

pub(crate) fn numbers(body: &str) -> Vec<u64> {
    let found = body.split("{\"seq_num\":").skip(1).filter(|part| part.contains("extra"));
    found.map(|part| part.split(',').next().expect("a number").parse().expect("a number")).collect()
}

#[tokio::test]
async fn many_viewers_need_one_upstream_and_late_ones_get_all() {
    let (url, mut heads) = upstream(vec![(V2.to_owned() + &record(0) + &record(1) + &ping(2), false)]).await;
    let (streams, _stop) = streams(&url);
    let replies = futures_util::future::join_all((0..20).map(|_| view(&streams, None))).await;
    for (status, body, well) in futures_util::future::join_all(replies.into_iter().map(read)).await {
        assert_eq!((status, numbers(&body), well), (200, vec![0, 1], true), "{body}");
        assert!(body.contains("\"extra\":1") && body.ends_with("data: [DONE]\n\n"), "{body}");
    }
    assert_eq!(numbers(&read(view(&streams, Some("0")).await).await.1), [1]);
    let head = heads.received.recv().await.expect("a request");
    assert!(head.contains("bearer tr_dev_own") && heads.received.try_recv().is_err());
}

#[tokio::test]
async fn a_dropped_upstream_is_resumed_and_viewers_lose_and_repeat_nothing() {
    let first = (V2.to_owned() + &record(0) + &record(1), true);
    let second = (V2.to_owned() + &record(1) + &record(2) + &ping(3), false);
    let (url, mut heads) = upstream(vec![first, second]).await;
    let (streams, _stop) = streams(&url);
    let (_, body, well) = read(view(&streams, None).await).await;
    assert_eq!((numbers(&body), well), (vec![0, 1, 2], true));
    heads.received.recv().await.expect("a request");
    assert!(heads.received.recv().await.expect("another").contains("last-event-id: 1"));
}

#[tokio::test]
async fn a_viewer_that_comes_back_to_a_fresh_relay_gets_the_rest_alone() {
    let (url, _heads) = upstream(vec![(V2.to_owned() + &record(0) + &record(1) + &ping(2), false)]).await;
    let (streams, _stop) = streams(&url);
    assert_eq!(numbers(&read(view(&streams, Some("0")).await).await.1), [1]);
}

#[tokio::test]
async fn events_of_v1_come_as_they_came_and_a_resumed_viewer_gets_what_follows() {
    let text = "id: 7-0\ndata: {\"n\":0}\n\nid: 7-0\ndata: not json\n\nid: 8-0\ndata: 1\n\n";
    let (url, _heads) = upstream(vec![(V1.to_owned() + text, false)]).await;
    let (streams, _stop) = streams(&url);
    let (_, body, well) = read(view(&streams, None).await).await;
    assert_eq!((body.as_str(), well), (text, true));
    assert_eq!(read(view(&streams, Some("7-0")).await).await.1, "id: 8-0\ndata: 1\n\n");
}

#[tokio::test]
async fn refusals_are_given_on_but_those_of_the_relays_own_key() {
    for (line, status, said) in [("404 Not Found", 404, "Not found"), ("401 Unauthorized", 502, "own key")] {
        let text = format!("HTTP/1.1 {line}\r\ncontent-length: 21\r\n\r\n{{\"error\":\"Not found\"}}");
        let (url, _heads) = upstream(vec![(text, true)]).await;
        let (streams, _stop) = streams(&url);
        let (code, body, _) = read(view(&streams, None).await).await;
        assert!(code == status && body.contains(said), "{code} {body}");
    }
}

#[tokio::test]
async fn stopping_breaks_the_bodies_off_and_forgets_the_streams() {
    let (url, _heads) = upstream(vec![(V2.to_owned() + &record(0), false)]).await;
    let (streams, stop) = streams(&url);
    let reply = view(&streams, None).await;
    stop.cancel();
    let (_, body, well) = read(reply).await;
    assert!(!well && !body.contains("[DONE]"), "{body}");
    until(async || streams.stats().streams == 0).await;
}

#[tokio::test]
async fn a_stream_is_kept_a_while_after_its_last_viewer_and_then_asked_for_anew() {
    let text = V2.to_owned() + &record(0) + &ping(1);
    let (url, mut heads) = upstream(vec![(text.clone(), false), (text, false)]).await;
    let (streams, _stop) = streams(&url);
    let reply = view(&streams, None).await;
    heads.received.recv().await.expect("a request");
    // The viewer keeps the stream, even while it does not read.
    sleep(Duration::from_millis(200)).await;
    assert_eq!(streams.stats().streams, 1);
    drop(reply);
    until(async || streams.stats() == super::streams::StreamStats::default()).await;
    assert!(heads.received.try_recv().is_err());
    assert_eq!(numbers(&read(view(&streams, None).await).await.1), [0]);
    heads.received.recv().await.expect("another");
}

#[tokio::test(start_paused = true)]
async fn viewers_of_a_server_that_does_not_answer_are_told_so_after_a_while() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (streams, _stop) = streams(&format!("http://{}", listener.local_addr().expect("an address")));
    let began = Instant::now();
    let Reply::Answer(answer) = view(&streams, None).await else { unreachable!("nothing was lost") };
    let response = answer.into_http(&HeaderMap::new(), Version::HTTP_11);
    assert_eq!((response.status().as_u16(), began.elapsed().as_secs()), (503, 15));
    assert_eq!(response.headers().get("retry-after").map(HeaderValue::as_bytes), Some(&b"1"[..]));
}

#[tokio::test]
async fn a_stream_that_is_written_to_is_let_go_after_its_last_viewer() {
    let (url, send, _server) = live(V2).await;
    let (streams, _stop) = streams(&url);
    send.send(record(0)).expect("it reads");
    drop(view(&streams, None).await);
    // `keep` is 50 ms; the run writes every 10 ms.
    let mut number = 1;
    until(async || {
        let _ = send.send(record(number));
        number += 1;
        sleep(Duration::from_millis(5)).await;
        streams.stats().streams == 0
    })
    .await;
}

#[tokio::test]
async fn a_stream_nobody_reads_makes_way_and_one_that_is_read_does_not() {
    let (url, _send, _server) = live(V2).await;
    let limits = Limits { feeds: 2, feeds_per_token: 1, ..Limits::default() };
    let (streams, _stop) = streams_of(&url, limits, FAILSAFE);
    let of = |key: &str| StreamKey { run: "run_1".into(), name: StreamName::Output(key.into()) };
    let (one, other) = ([1; 32], [2; 32]);
    let first = streams.subscribe(of("a"), Some(one)).expect("room");
    assert!(streams.subscribe(of("b"), Some(one)).is_err(), "its only one is read");
    assert!(streams.subscribe(of("a"), Some(other)).is_ok(), "who joins begins none");
    drop(first);
    let second = streams.subscribe(of("b"), Some(one)).expect("its own makes way");
    let third = streams.subscribe(of("c"), Some(other)).expect("room");
    assert_eq!(streams.stats().streams, 2);
    assert!(streams.subscribe(of("d"), None).is_err(), "both are read");
    drop((second, third));
    let _fourth = streams.subscribe(of("d"), None).expect("one makes way");
    assert_eq!(streams.stats().streams, 2);
}

#[tokio::test(start_paused = true)]
async fn silence_counts_again_once_a_lost_source_brought_all_it_had_however_late_that_is_heard() {
    let log = Log::of_source(usize::MAX, usize::MAX);
    let stream = SharedStream::new(log, Arc::default());
    let mut upstream = Upstream::default();
    let mut heard = |parts: &[Raw<'_>], stages: &[ConnectionState]| {
        let notices: Vec<_> = stages.iter().copied().map(Notice::State).collect();
        stream.follow(&notices, &parts.iter().map(|part| part.chunk()).collect::<Vec<_>>(), &mut upstream);
        stream.log.live().0
    };
    assert!(!heard(&[Raw::Opened(false)], &[Connecting, Live]), "the server may still be reading its store");
    assert!(heard(&[Raw::Heard(true)], &[]), "v1 has no other word for it");
    assert!(!heard(&[], &[Live, Retrying]));
    assert!(!heard(&[Raw::Opened(false)], &[Live]), "an answer without a byte is no news");
    assert!(heard(&[Raw::Heard(true)], &[]));
    assert!(heard(&[Raw::Opened(false), Raw::Heard(true)], &[Retrying, Live]), "lost and found within a batch");
    assert!(!heard(&[Raw::Heard(true), Raw::Opened(false)], &[Retrying, Live]), "the byte was of the body before");
    assert!(heard(&[Raw::Event("id: 1-0\ndata: 1\n\n")], &[]));
    assert!(!heard(&[Raw::Heard(false)], &[]), "a part of an event came");
    assert!(heard(&[Raw::Event("id: 2-0\ndata: 2\n\n")], &[]));
    assert!(heard(&[Raw::Opened(false)], &[]), "a window that the server closed had nothing more");
    stream.status.send_replace(UpstreamStatus::Open(StreamVersion::V2));
    assert!(!heard(&[Raw::Opened(true)], &[Retrying, Live]), "v2 tells the tail");
    let tail = Raw::Tail(r#"{"seq_num":0,"timestamp":0}"#);
    assert!(heard(&[tail], &[]));
    assert!(heard(&[], &[]), "and stands by it");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_may_be_dead_has_no_silence_of_its_own() {
    for (is_v2, seconds) in [(false, 12), (true, 20)] {
        let mut upstream = Upstream::default();
        upstream.opened(is_v2);
        upstream.heard(true);
        assert!(upstream.is_up_to_date());
        let heard_at = Instant::now();
        upstream.silent().await;
        assert_eq!(heard_at.elapsed().as_secs(), seconds);
        upstream.doubt();
        assert!(!upstream.is_up_to_date());
        assert!(timeout(FAILSAFE * 9, upstream.silent()).await.is_err(), "until it is heard again");
        upstream.heard(true);
        assert!(upstream.is_up_to_date());
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_never_becomes_whole_is_not_waited_for_for_ever() {
    let mut upstream = Upstream::default();
    upstream.opened(false);
    for _ in 0..4 {
        upstream.heard(false);
        assert!(!upstream.is_up_to_date());
        sleep(Duration::from_secs(9)).await;
    }
    upstream.heard(false);
    assert!(upstream.is_up_to_date());
}

/// The bounds of a stream that docs/relay.md names.
pub(in crate::relay) struct Bounds {
    pub(in crate::relay) first_answer: Duration,
    pub(in crate::relay) records: usize,
    pub(in crate::relay) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            first_answer: answer::FIRST_ANSWER_TIMEOUT,
            records: super::streams::MAX_RECORDS,
            bytes: super::streams::MAX_BYTES,
        }
    }
}
