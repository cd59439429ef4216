//! A relay whose server falls silent: no option shortens the minute after which a connection counts as dead, so that the
//! clock is moved instead.

mod support;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use support::{Server, feed_answer, row};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use trigger_native::config::Endpoint;
use trigger_native::relay::{Options, Relay};

const RUN: &str = "/realtime/v1/runs/run_1";
const KEY: &str = "tr_dev_relaynotasecret";
const FAILSAFE: Duration = Duration::from_secs(20);
/// The silence after which a connection counts as dead, and the longest wait after it.
const BOUND: Duration = Duration::from_secs(61);

fn relay(server: &Server) -> Arc<Relay> {
    Relay::new(Options::new(Endpoint::new(&server.url(), KEY, None).expect("an endpoint")))
}

/// A request of a server that has the key, and the text of its answer.
async fn ask(relay: &Arc<Relay>, query: &str) -> (Response<()>, String) {
    let body = UnsyncBoxBody::new(Empty::<Bytes>::new().map_err(|never| -> io::Error { match never {} }));
    let request = Request::get(format!("{RUN}?{query}"))
        .header("authorization", format!("Bearer {KEY}"))
        .header("x-trigger-electric-version", "1.0.0-beta.1");
    let response = relay.respond(request.body(body).expect("a request"), None).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (Response::from_parts(head, ()), String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn viewers_of_a_relay_whose_server_falls_silent_see_the_end() {
    let silent = Arc::new(Notify::new());
    let held = silent.clone();
    // The snapshot is answered, the poll after it never; whoever asks once more gets the end.
    let polls = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |_, request| {
        let (held, polls) = (held.clone(), polls.clone());
        async move {
            if request.uri().path() != RUN {
                return Response::new(Full::from(r#"{"sub":"env_1","pub":true}"#));
            }
            match polls.fetch_add(1, Ordering::SeqCst) {
                0 => feed_answer(0, &row("run_1", "EXECUTING", 0)),
                1 => {
                    held.notify_one();
                    std::future::pending().await
                }
                _ => feed_answer(1, &row("run_1", "COMPLETED_SUCCESSFULLY", 1)),
            }
        }
    })
    .await;
    let relay = relay(&server);
    let (head, snapshot) = timeout(FAILSAFE, ask(&relay, "offset=-1")).await.expect("in time");
    assert!(snapshot.contains("EXECUTING"), "{} {snapshot}", head.status());
    assert_eq!(head.status(), 200, "{snapshot}");
    let place = |name| head.headers()[name].to_str().expect("text").to_owned();
    let live = format!("offset={}&handle={}&live=true", place("electric-offset"), place("electric-handle"));
    timeout(FAILSAFE, silent.notified()).await.expect("a held poll");

    tokio::time::pause();
    let since = Instant::now();
    let mut seen = String::new();
    while !seen.contains("COMPLETED_SUCCESSFULLY") && since.elapsed() < 2 * BOUND {
        seen = ask(&relay, &live).await.1;
    }
    let took = since.elapsed();
    tokio::time::resume();
    assert!(seen.contains("COMPLETED_SUCCESSFULLY"), "after {took:?}: {seen}");
    assert!(took <= BOUND, "{took:?}");
    relay.stop();
}
