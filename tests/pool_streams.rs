//! Streams over HTTP/2: any number of them, below the server's cap, each at its reader's pace.

mod pool_support;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use pool_support::{Body, FAILSAFE, HTTP1, Server, http2};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::connection::RetryPolicy;
use trigger_native::http::ClientOptions;
use trigger_native::stream::{Batch, End, Plan, Reader, ReaderOptions, StreamSpec};

fn open(server: &Server, key: &str) -> Reader {
    let endpoint = Endpoint::new(&server.url(), "tr_dev_test", None).expect("an endpoint");
    let options = Arc::new(ClientOptions::default());
    let spec =
        StreamSpec::new(endpoint, options, ("run_1", key), Plan::default(), RetryPolicy::default()).expect("a spec");
    Reader::open(spec, ReaderOptions::default())
}

async fn next(reader: &Reader) -> Batch {
    timeout(FAILSAFE, reader.next()).await.expect("a batch in time")
}

fn values(batch: &Batch) -> Vec<&str> {
    batch.chunks.iter().map(|chunk| chunk.json.as_deref().expect("a value")).collect()
}

fn event(seq: usize, value: &str) -> Bytes {
    format!(
        "event: batch\ndata: {{\"records\":[{{\"seq_num\":{seq},\"timestamp\":1,\"body\":\"{{\\\"data\\\":{value}}}\"}}]}}\n\n"
    )
    .into()
}

const DONE: &str = "data: [DONE]\n\n";

fn answer(version: &str, body: Body) -> Response<Body> {
    Response::builder()
        .header("content-type", "text/event-stream")
        .header("x-stream-version", version)
        .body(body)
        .expect("an answer")
}

fn body(parts: impl futures_util::Stream<Item = Bytes> + Send + Sync + 'static) -> Body {
    BodyExt::boxed(StreamBody::new(parts.map(|bytes| Ok(Frame::data(bytes)))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_streams_of_a_server_that_allows_a_hundred_on_a_connection_are_all_open_at_once() {
    let end = Arc::new(Semaphore::new(0));
    let ending = end.clone();
    let server = Server::start(http2(100), move |_, _| {
        let ending = ending.clone();
        async move {
            // One value at once; the rest once the test has seen all of them open.
            let rest = stream::once(async move {
                ending.acquire().await.expect("open").forget();
                Bytes::from(DONE)
            });
            answer("v2", body(stream::iter([event(0, "1")]).chain(rest)))
        }
    })
    .await;
    let readers: Vec<Reader> = (0..300).map(|number| open(&server, &format!("s{number}"))).collect();
    for batch in join_all(readers.iter().map(next)).await {
        assert_eq!(values(&batch), ["1"]);
    }
    let load = server.load();
    assert_eq!((load.open, load.peak), (vec![100; 3], vec![100; 3]));
    end.add_permits(300);
    for batch in join_all(readers.iter().map(next)).await {
        assert!(matches!(batch.end, Some(End::Over(_))), "{:?}", batch.end);
    }
}

#[tokio::test]
async fn a_stream_that_nobody_reads_waits_on_the_wire_and_its_neighbour_does_not() {
    const OFFERED: usize = 300;
    let sent = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let counts = sent.clone();
    let server = Server::start(http2(100), move |_, request: Request<Incoming>| {
        let count = counts[usize::from(request.uri().path().ends_with("/read"))].clone();
        let value = "9".repeat(32 * 1024);
        let records = stream::iter(0..OFFERED).map(move |seq| {
            count.fetch_add(1, Ordering::SeqCst);
            event(seq, &value)
        });
        async move { answer("v2", body(records.chain(stream::iter([Bytes::from(DONE)])))) }
    })
    .await;
    let unread = open(&server, "unread");
    let read = open(&server, "read");
    let mut got = 0;
    loop {
        let batch = next(&read).await;
        got += batch.chunks.len();
        if batch.end.is_some() {
            break;
        }
    }
    assert_eq!((got, server.load().open.len()), (OFFERED, 1), "over one connection");
    // Our queue, the stream's window and the server's own buffer hold this much, and not the 10 MB offered.
    let waiting = sent[0].load(Ordering::SeqCst) * 32 * 1024;
    assert!((1..4 << 20).contains(&waiting), "{waiting} bytes");
    let mut got = 0;
    loop {
        let batch = next(&unread).await;
        got += batch.chunks.len();
        if batch.end.is_some() {
            break;
        }
    }
    assert_eq!(got, OFFERED, "nothing is lost");
}

/// Compresses `parts` with a flush after each, so that it can be read before the next one.
fn gzip(parts: &[&str]) -> Vec<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut chunks = Vec::new();
    for part in parts {
        encoder.write_all(part.as_bytes()).expect("written");
        encoder.flush().expect("flushed");
        chunks.push(std::mem::take(encoder.get_mut()).into());
    }
    chunks.push(encoder.finish().expect("finished").into());
    chunks
}

#[tokio::test]
async fn a_compressed_stream_is_read_event_by_event_as_they_come() {
    for server_options in [http2(100), HTTP1] {
        let (next_part, parts) = mpsc::channel::<Bytes>(1);
        let parts = Arc::new(std::sync::Mutex::new(Some(parts)));
        let server = Server::start(server_options, move |_, request: Request<Incoming>| {
            let parts = parts.lock().expect("the parts").take().expect("one request");
            let accepted = request.headers()["accept-encoding"].to_str().expect("text").to_owned();
            async move {
                assert_eq!(accepted, "gzip, zstd");
                let parts = stream::unfold(parts, |mut parts| async move { Some((parts.recv().await?, parts)) });
                let mut answer = answer("v1", body(parts));
                answer.headers_mut().insert("content-encoding", "gzip".parse().expect("a value"));
                answer
            }
        })
        .await;
        let reader = open(&server, "ai");
        let texts = ["id: 1-0\ndata: {\"n\":1}\n\n", "id: 2-0\ndata: {\"n\":2}\n\n"];
        for (number, chunk) in gzip(&texts).into_iter().take(2).enumerate() {
            next_part.send(chunk).await.expect("the request is out");
            assert_eq!(values(&next(&reader).await), [format!("{{\"n\":{}}}", number + 1)]);
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_left_gives_its_place_to_another() {
    let server = Server::start(http2(1), |_, _| async move {
        answer("v2", body(stream::iter([event(0, "1")]).chain(stream::pending())))
    })
    .await;
    for number in 1..=5 {
        let reader = open(&server, "ai");
        assert_eq!(values(&next(&reader).await), ["1"]);
        assert_eq!(server.until(|load| load.all_open() == 1).await.requests.iter().sum::<usize>(), number);
        drop(reader);
        server.until(|load| load.all_open() == 0).await;
    }
    assert_eq!(server.load().open.len(), 1);
}

#[tokio::test]
async fn a_stream_behind_a_redirection_is_followed_and_a_refusal_is_read_whole() {
    let options = ClientOptions::default();
    for server_options in [http2(100), HTTP1] {
        let server = Server::start(server_options, |_, request: Request<Incoming>| async move {
            match request.uri().path() {
                "/realtime/v1/streams/run_1/moved" => Response::builder()
                    .status(307)
                    .header("location", "/elsewhere")
                    .body(pool_support::full("moved"))
                    .expect("an answer"),
                "/elsewhere" => answer("v2", body(stream::iter([event(0, "1"), Bytes::from(DONE)]))),
                _ => Response::builder()
                    .status(403)
                    .header("content-encoding", "gzip")
                    .body(pool_support::full(gzip(&["Bearer tr_dev_test is not allowed"]).concat()))
                    .expect("an answer"),
            }
        })
        .await;
        let reader = open(&server, "moved");
        assert_eq!(values(&next(&reader).await), ["1"]);
        let endpoint = Endpoint::new(&server.url(), "tr_dev_test", None).expect("an endpoint");
        let headers = trigger_native::http::stream_headers(&endpoint, &options).expect("headers");
        let url = format!("{}/refused", server.url());
        let opened = trigger_native::http::open_stream(
            &url,
            trigger_native::http::Opening::First,
            headers,
            Duration::from_secs(10),
        )
        .await
        .expect("an answer");
        let trigger_native::http::StreamOutcome::Refused { status, body, .. } = opened else { panic!("{opened:?}") };
        assert_eq!((status, &body[..]), (403, &b"Bearer (secret) is not allowed"[..]));
    }
}
