//! Streams over real connections: slow readers, readers that leave, runs that end.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::Server;
use support::serving::serving;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::connection::{Notice, RetryPolicy};
use trigger_native::error::ErrorCode;
use trigger_native::http::ClientOptions;
use trigger_native::stream::{Batch, End, Ending, Plan, Reader, ReaderOptions, Start, StreamSpec};

const FAILSAFE: Duration = Duration::from_secs(20);
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-stream-version: v2\r\n\r\n";

fn spec(url: &str, plan: Plan) -> StreamSpec {
    let endpoint = Endpoint::new(url, "tr_dev_test", None).expect("an endpoint");
    let retry = RetryPolicy { min_delay_ms: 1, max_delay_ms: 10, ..RetryPolicy::default() };
    StreamSpec::new(endpoint, Arc::new(ClientOptions::default()), ("run_1", "ai"), plan, retry).expect("a spec")
}

async fn next(reader: &Reader) -> Batch {
    timeout(FAILSAFE, reader.next()).await.expect("a batch in time")
}

fn values(batch: &Batch) -> Vec<&str> {
    batch.chunks.iter().map(|chunk| chunk.json.as_deref().expect("a value")).collect()
}

fn record(seq: usize, value: &str) -> String {
    format!(
        "event: batch\ndata: {{\"records\":[{{\"seq_num\":{seq},\"timestamp\":1,\"body\":\"{{\\\"data\\\":{value}}}\"}}]}}\n\n"
    )
}

/// Accepts one connection and reads its request.
async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut socket, _) = listener.accept().await.expect("a connection");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(socket.read_u8().await.expect("a request"));
    }
    socket
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

#[tokio::test]
async fn a_slow_reader_slows_the_wire_and_misses_nothing() {
    const OFFERED: usize = 2_000;
    let (listener, url) = listen().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let _server = serving(async move {
        let mut socket = accept(&listener).await;
        socket.write_all(HEAD.as_bytes()).await.expect("the head");
        let value = "9".repeat(32 * 1024);
        for seq in 0..OFFERED {
            socket.write_all(record(seq, &value).as_bytes()).await.expect("a record");
            count.fetch_add(1, Ordering::SeqCst);
        }
        socket.write_all(b"data: [DONE]\n\n").await.expect("the end");
    });
    let reader = Reader::open(spec(&url, Plan::default()), ReaderOptions::default());
    let mut got = next(&reader).await.chunks.len();
    let mut before = usize::MAX;
    // Until the buffers on the way are full, and the server cannot send more.
    while before != sent.load(Ordering::SeqCst) {
        before = sent.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < OFFERED / 2, "{before} records of 32 KiB were taken for one");
    assert!(reader.status().unread_bytes < 512 * 1024, "{} bytes unread", reader.status().unread_bytes);
    loop {
        let batch = next(&reader).await;
        got += batch.chunks.len();
        if batch.end.is_some() {
            break;
        }
    }
    assert_eq!(got, OFFERED);
    assert_eq!(reader.status().ending, Some(Ending::Idle));
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_request_and_a_waiting_next() {
    let (listener, url) = listen().await;
    let (gone, left) = oneshot::channel();
    let _server = serving(async move {
        let mut socket = accept(&listener).await;
        socket.write_all((HEAD.to_owned() + &record(0, "1")).as_bytes()).await.expect("the head");
        // The client sends nothing more: the read ends when the client disconnects.
        let _ = socket.read_u8().await;
        gone.send(()).expect("the test waits");
    });
    let reader = Arc::new(Reader::open(spec(&url, Plan::default()), ReaderOptions::default()));
    assert_eq!(values(&next(&reader).await), ["1"]);
    let waiting = tokio::spawn({
        let reader = reader.clone();
        async move { reader.next().await }
    });
    tokio::task::yield_now().await;
    reader.close();
    let last = timeout(FAILSAFE, waiting).await.expect("in time").expect("no panic");
    assert!(matches!(last.end, Some(End::Closed)) && last.chunks.is_empty());
    timeout(FAILSAFE, left).await.expect("the connection is closed").expect("told");
}

#[tokio::test]
async fn a_run_that_ends_ends_its_stream_when_all_was_read() {
    let (listener, url) = listen().await;
    let (written, done) = oneshot::channel();
    let _server = serving(async move {
        let mut socket = accept(&listener).await;
        socket.write_all((HEAD.to_owned() + &record(0, "1")).as_bytes()).await.expect("the head");
        done.await.expect("the test says when");
        socket.write_all(record(1, "2").as_bytes()).await.expect("a record");
        // Silence does not show that the stream is drained: another request asks where the tail is.
        let mut again = accept(&listener).await;
        let tail = "event: ping\ndata: {\"tail\":{\"seq_num\":2}}\n\n";
        again.write_all((HEAD.to_owned() + tail).as_bytes()).await.expect("the tail");
        let _ = again.read_u8().await;
    });
    let plan = Plan { follow: true, ..Plan::default() };
    let reader = Reader::open(spec(&url, plan), ReaderOptions::default());
    assert_eq!(values(&next(&reader).await), ["1"]);
    reader.run_over();
    written.send(()).expect("the server waits");
    assert_eq!(values(&next(&reader).await), ["2"]);
    assert!(matches!(next(&reader).await.end, Some(End::Over(Ending::Complete))));
}

#[tokio::test]
async fn requests_carry_the_place_and_the_time_and_refusals_are_typed() {
    let server = Server::start(|number, request| async move {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        if number == 0 {
            assert_eq!(header("accept").as_deref(), Some("text/event-stream"));
            assert_eq!(header("timeout-seconds").as_deref(), Some("9"));
            assert_eq!(header("last-event-id").as_deref(), Some("4"));
            assert_eq!(header("content-type"), None);
            let body = record(5, "1") + "event: batch\ndata: {\"rec";
            return http::Response::builder()
                .header("content-type", "text/event-stream")
                .header("x-stream-version", "v2")
                .body(body.into())
                .expect("an answer");
        }
        assert_eq!(header("last-event-id").as_deref(), Some("5"));
        http::Response::builder().status(401).body("{\"error\":\"Invalid\"}".into()).expect("an answer")
    })
    .await;
    let plan = Plan { start: Start::After(4), timeout_s: Some(9), follow: false };
    let reader = Reader::open(spec(&server.url(), plan), ReaderOptions::default());
    assert_eq!(values(&next(&reader).await), ["1"]);
    let Some(End::Failed(error)) = next(&reader).await.end else { panic!("no error came") };
    assert_eq!(error.status(), Some(401));
    assert_eq!(server.seen(), ["/realtime/v1/streams/run_1/ai", "/realtime/v1/streams/run_1/ai"]);
}

#[test]
fn a_time_the_server_would_refuse_is_refused_before() {
    for timeout_s in [0, 601] {
        let plan = Plan { timeout_s: Some(timeout_s), ..Plan::default() };
        assert_eq!(plan.check().expect_err("refused").code(), ErrorCode::InvalidOptions);
    }
}

#[tokio::test]
async fn a_server_whose_handler_panics_fails_its_test() {
    let server = Server::start(|_, _| async { panic!("a handler that is at fault") }).await;
    let mut client = TcpStream::connect(server.url().trim_start_matches("http://")).await.expect("a connection");
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server))).expect_err("the test fails");
}

#[tokio::test]
async fn the_error_of_a_stream_is_not_lost_when_its_run_ends_at_the_same_time() {
    const MORE_THAN_A_READER_LEAVES: usize = 1_100;
    let (listener, url) = listen().await;
    let _server = serving(async move {
        let mut socket = accept(&listener).await;
        let records: Vec<_> = (0..MORE_THAN_A_READER_LEAVES)
            .map(|seq| format!(r#"{{"seq_num":{seq},"body":"{{\"data\":1}}"}}"#))
            .collect();
        // The batch fills the reader's queue; behind it is one that cannot be read, which is no error that passes here.
        let batch = format!("event: batch\ndata: {{\"records\":[{}]}}\n\n", records.join(","));
        socket
            .write_all((HEAD.to_owned() + &batch + "event: batch\ndata: no JSON\n\n").as_bytes())
            .await
            .expect("sent");
        std::future::pending::<()>().await;
    });
    let endpoint = Endpoint::new(&url, "tr_dev_test", None).expect("an endpoint");
    let retry = RetryPolicy { retry_for_ms: 0, ..RetryPolicy::default() };
    let plan = Plan { follow: true, ..Plan::default() };
    let spec = StreamSpec::new(endpoint, Arc::new(ClientOptions::default()), ("run_1", "ai"), plan, retry);
    let reader = Reader::open(spec.expect("a spec"), ReaderOptions::default());
    let full = async {
        while reader.status().stats.chunks < MORE_THAN_A_READER_LEAVES as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(FAILSAFE, full).await.expect("a full queue");
    reader.run_over();
    let mut taken = 0;
    let end = loop {
        let batch = next(&reader).await;
        taken += batch.chunks.len();
        if let Some(end) = batch.end {
            break end;
        }
    };
    assert_eq!(taken, MORE_THAN_A_READER_LEAVES);
    assert!(matches!(&end, End::Failed(error) if error.code() == ErrorCode::Protocol), "{end:?}");
}

#[tokio::test]
async fn a_retry_is_told_when_the_run_has_ended_before_its_wait_begins() {
    let over = Arc::new(Notify::new());
    let told = over.clone();
    let server = Server::start(move |number, _| {
        let told = told.clone();
        async move {
            let answer = http::Response::builder();
            if number == 0 {
                told.notified().await;
                return answer.status(503).body("{}".into()).expect("an answer");
            }
            answer
                .header("content-type", "text/event-stream")
                .header("x-stream-version", "v2")
                .body((record(0, "1") + "data: [DONE]\n\n").into())
                .expect("an answer")
        }
    })
    .await;
    let plan = Plan { follow: true, ..Plan::default() };
    let options = ReaderOptions { notices: true, ..ReaderOptions::default() };
    let reader = Reader::open(spec(&server.url(), plan), options);
    let asked = async {
        while server.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(FAILSAFE, asked).await.expect("a request");
    reader.run_over();
    over.notify_one();
    let mut statuses = Vec::new();
    loop {
        let batch = next(&reader).await;
        statuses.extend(batch.notices.iter().filter_map(|notice| match notice {
            Notice::Retry { retry, .. } => Some(retry.status),
            Notice::State(_) => None,
        }));
        if batch.end.is_some() {
            break;
        }
    }
    assert_eq!(statuses, [Some(503)]);
}
